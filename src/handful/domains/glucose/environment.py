"""An artificial pancreas: one insulin pump's program for many people with type 1 diabetes.

A day, a quarter of an hour at a time. A policy sees what a pump sees: a glucose sensor that lags
and errs, the insulin and the carbohydrate on board as it reckons them, meals as the wearer
announces them, and the time of day. It says how much of the usual basal rate to infuse, and, when a
meal is announced, how much of the usual bolus. Every episode has another wearer, drawn at random:
how sensitive to insulin they are, how fast they digest, when and how much they eat, and how far off
they count their carbohydrate. Their body is the model of Hovorka et al. (2004), in
``glucose_model``; nobody eats without saying so, and nobody exercises.

What users differ in is what they *want* (:mod:`handful.domains.glucose.users`), not their bodies.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful.domains.glucose.model import MEAL_DELAY, Body, at_rest, gut_rates, live
from handful.environment import Box, TimeStep
from handful.types import Array, Float, Int, PRNGKey

STEP_MINUTES = 15
DAY_STEPS = 96

MG_PER_MMOL = 18.0182
"""The mg/dl of glucose in one mmol/l."""

WEIGHT = 75.0
"""The weight of the body in kilograms."""

MMOL_PER_GRAM = 1000.0 / 180.156
"""The mmol in a gram of carbohydrate, counted as glucose."""

USUAL_LEVEL = 110.0
"""The glucose at which the usual basal rate holds the published body, mg/dl."""

GRAMS_PER_UNIT = 25.0
"""The grams of carbohydrate that a unit of insulin makes up for in the usual bolus: by the rule of
500 over the daily dose, which is about 20 units for the published body on this diet."""

MEAL_STEPS = (28, 50, 74)
"""Breakfast at 7:00, lunch at 12:30, dinner at 18:30, each up to an hour earlier or later."""

MEAL_JITTER = 4
MEAL_GRAMS = (45.0, 70.0, 80.0)
MEAL_SPREAD = 0.25
"""The standard deviation of the logarithm of the grams that are eaten."""

COUNTING_ERROR = 0.2
"""The standard deviation of the logarithm of announced grams (a fifth: Brazeau et al., 2013)."""

BODY_SPREAD = 0.2
"""The standard deviation of the logarithms of insulin sensitivity and of digestion's delay."""

SENSOR_LAG = 10.0
"""The minutes until the fluid around the sensor has followed the blood."""

SENSOR_MEMORY, SENSOR_ERROR = 0.7, 10.0
"""An error of 10 mg/dl that fades by a factor of 0.7 a reading (Breton & Kovatchev, 2008)."""

LOWEST_READING, HIGHEST_READING = 40.0, 400.0
"""The range of sensors on the market, mg/dl."""

_MEMORY = 1 / 12  # of the slow average of readings, a step: three hours


class PatientState(NamedTuple):
    """A wearer and their pump at one moment; the day's plan does not change.

    Attributes:
        body: the state of the body.
        fluid: the glucose in the fluid around the sensor, mg/dl.
        sensor_error: the error of the sensor now, mg/dl.
        reading: the reading of the sensor, mg/dl.
        trend: the change of the reading's logarithm since the last one.
        average: the slow average of the logarithm of the reading over the usual level.
        reckoned_gut: carbohydrate on board as announced [2], mmol/kg.
        step: the number of quarters of an hour since midnight.
        sensitivity: the sensitivity to insulin, which is 1 for the published body.
        meal_delay: the delay of digestion, in minutes.
        meal_steps: the steps at which the day's meals begin [3].
        meal_grams: the grams that the patient eats at each meal [3].
        announced_grams: the grams that the wearer announces to the pump [3].
    """

    body: Body
    fluid: Float[Array, ""]
    sensor_error: Float[Array, ""]
    reading: Float[Array, ""]
    trend: Float[Array, ""]
    average: Float[Array, ""]
    reckoned_gut: Float[Array, " 2"]
    step: Int[Array, ""]
    sensitivity: Float[Array, ""]
    meal_delay: Float[Array, ""]
    meal_steps: Int[Array, " 3"]
    meal_grams: Float[Array, " 3"]
    announced_grams: Float[Array, " 3"]


class GlucoseOutcome(NamedTuple):
    """A quarter of an hour: glucose in the blood at its end (mg/dl), insulin given and food eaten.

    Attributes:
        glucose: the glucose in the blood, mg/dl.
        insulin: the insulin that was infused, in units.
        carbohydrate: the carbohydrate that was eaten, in grams.
    """

    glucose: Float[Array, ""]
    insulin: Float[Array, ""]
    carbohydrate: Float[Array, ""]


@cache
def usual_therapy() -> tuple[Body, float]:
    """Return the published body at rest at the usual level, and its basal rate in mU/kg/min."""
    with jax.ensure_compile_time_eval():
        body, infusion = at_rest(USUAL_LEVEL / MG_PER_MMOL)
        return jax.tree.map(np.asarray, body), infusion


@dataclass(frozen=True)
class ArtificialPancreas:
    """A day of one wearer, from midnight."""

    time_limit: int = DAY_STEPS
    observation_size: int = 11

    @property
    def action_space(self) -> Box:
        """An action sets basal rate and bolus: 0 as usual, -1 none, 1 four and two times that."""
        return Box((-1.0, -1.0), (1.0, 1.0))

    def reset(self, key: PRNGKey) -> tuple[PatientState, Float[Array, " 11"]]:
        """Draw a wearer and their day; their glucose rests at the usual level."""
        bodies, times, foods, counts = jax.random.split(key, 4)
        sensitivity, slowness = jnp.exp(BODY_SPREAD * jax.random.normal(bodies, (2,)))
        shift = jax.random.randint(times, (3,), -MEAL_JITTER, MEAL_JITTER + 1)
        grams = jnp.array(MEAL_GRAMS) * jnp.exp(MEAL_SPREAD * jax.random.normal(foods, (3,)))
        told = grams * jnp.exp(COUNTING_ERROR * jax.random.normal(counts, (3,)))
        level = jnp.array(USUAL_LEVEL)
        state = PatientState(
            body=jax.tree.map(jnp.asarray, usual_therapy()[0]),
            fluid=level,
            sensor_error=jnp.zeros(()),
            reading=level,
            trend=jnp.zeros(()),
            average=jnp.zeros(()),
            reckoned_gut=jnp.zeros(2),
            step=jnp.zeros((), jnp.int32),
            sensitivity=sensitivity,
            meal_delay=MEAL_DELAY * slowness,
            meal_steps=jnp.array(MEAL_STEPS) + shift,
            meal_grams=grams,
            announced_grams=told,
        )
        return state, self.observe(state)

    def step(
        self, key: PRNGKey, state: PatientState, action: Float[Array, " 2"]
    ) -> tuple[PatientState, TimeStep]:
        """Let a quarter of an hour pass: infuse insulin, perhaps eat, and read the sensor."""
        _, basal = usual_therapy()
        eaten, told = self._meal(state, state.meal_grams), self._meal(state, state.announced_grams)
        bolus = 1000.0 * told / GRAMS_PER_UNIT / WEIGHT / STEP_MINUTES  # mU/kg/min
        infusion = basal * (1.0 + action[0]) ** 2 + bolus * (1.0 + action[1])
        body = live(
            state.body,
            STEP_MINUTES,
            infusion,
            _eating(eaten),
            state.sensitivity,
            state.meal_delay,
        )
        level = body.concentration * MG_PER_MMOL
        state = self._sense(key, state._replace(body=body), level, told)
        outcome = GlucoseOutcome(level, infusion * STEP_MINUTES * WEIGHT / 1000.0, eaten)
        over = state.step >= self.time_limit
        return state, TimeStep(self.observe(state), outcome, jnp.zeros((), bool), over)

    def observe(self, state: PatientState) -> Float[Array, " 11"]:
        """Return what the pump knows [11]: sensor, insulin, carbohydrate, and the time."""
        _, basal = usual_therapy()
        clock = 2 * jnp.pi * state.step / DAY_STEPS
        on_board = state.body.depot / (basal * 100.0)
        return jnp.stack(
            [
                jnp.log(state.reading / USUAL_LEVEL),
                state.trend,
                state.average,
                on_board[0],
                on_board[1],
                self._meal(state, state.announced_grams) / MEAL_GRAMS[1],
                state.reckoned_gut[0],
                state.reckoned_gut[1],
                jnp.sin(clock),
                jnp.cos(clock),
                state.step / self.time_limit,
            ]
        )

    def _meal(self, state: PatientState, grams: Float[Array, " 3"]) -> Float[Array, ""]:
        """Return the grams of the meal that starts now; 0 if none does."""
        return jnp.sum(jnp.where(state.meal_steps == state.step, grams, 0.0))

    def _sense(
        self, key: PRNGKey, state: PatientState, level: Float[Array, ""], told: Float[Array, ""]
    ) -> PatientState:
        """Update the sensor, and what the pump reckons, after the body has lived through a step."""
        follows = 1.0 - np.exp(-STEP_MINUTES / SENSOR_LAG)
        fluid = state.fluid + follows * (level - state.fluid)
        fresh = SENSOR_ERROR * np.sqrt(1 - SENSOR_MEMORY**2) * jax.random.normal(key)
        error = SENSOR_MEMORY * state.sensor_error + fresh
        reading = jnp.clip(fluid + error, LOWEST_READING, HIGHEST_READING)
        relative = jnp.log(reading / USUAL_LEVEL)
        return state._replace(
            fluid=fluid,
            sensor_error=error,
            reading=reading,
            trend=jnp.log(reading / state.reading),
            average=state.average + _MEMORY * (relative - state.average),
            reckoned_gut=self._reckon(state.reckoned_gut, told),
            step=state.step + 1,
        )

    def _reckon(self, gut: Float[Array, " 2"], told: Float[Array, ""]) -> Float[Array, " 2"]:
        """Return the carbohydrate on board [2] a step later, by the published delay."""

        def minute(_: Any, gut: Float[Array, " 2"]) -> Float[Array, " 2"]:
            return gut + gut_rates(gut, _eating(told), jnp.array(MEAL_DELAY))

        return jax.lax.fori_loop(0, STEP_MINUTES, minute, gut, unroll=5)


def _eating(grams: Float[Array, ""]) -> Float[Array, ""]:
    """Convert a meal's grams into mmol/kg/min, as a meal takes one step."""
    return grams * MMOL_PER_GRAM / WEIGHT / STEP_MINUTES
