"""The glucose and insulin of a person with type 1 diabetes: the model of Hovorka et al. (2004).

Equations and parameters are those of R. Hovorka et al., *Nonlinear model predictive control of
glucose concentration in subjects with type 1 diabetes*, Physiological Measurement 25 (2004),
905-920. Amounts are per kilogram of body weight: glucose in mmol/kg, insulin in mU/kg, rates per
minute. Glucose production never falls below zero, as insulin cannot make the liver take more than
it gives.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful.types import Array, Float

TRANSFER = 0.066
"""The parameter ``k12``: the rate from the tissues back to the blood, per minute."""

DEACTIVATION = (0.006, 0.06, 0.03)
"""The parameters ``ka1, ka2, ka3``: the decay of insulin's three actions, per minute."""

SENSITIVITY = (51.2e-4, 8.2e-4, 520e-4)
"""``S_IT, S_ID`` (a minute per mU/l) and ``S_IE`` (per mU/l): transport, disposal, production."""

PRODUCTION = 0.0161
"""The parameter ``EGP0``: the production by the liver without insulin, mmol/kg/min."""

CONSUMPTION = 0.0097
"""The parameter ``F01``: the consumption without insulin, as by the brain, mmol/kg/min."""

GLUCOSE_VOLUME = 0.16
"""``VG``, l/kg."""

INSULIN_VOLUME = 0.12
"""``VI``, l/kg."""

ELIMINATION = 0.138
"""The parameter ``ke``: the elimination of insulin from the blood, per minute."""

INSULIN_DELAY = 55.0
"""The parameter ``tmaxI``: the minutes until insulin under the skin is absorbed fastest."""

MEAL_DELAY = 40.0
"""The parameter ``tmaxG``: the minutes after a meal until it is absorbed fastest."""

BIOAVAILABILITY = 0.8
"""``AG``: the share of eaten carbohydrate that reaches the blood."""

SCARCE, RENAL, CLEARANCE = 4.5, 9.0, 0.003
"""Three parameters: below the first (mmol/l) less glucose is consumed; above the second (mmol/l)
the kidneys lose some of it, at the third as a rate (per minute)."""


class Body(NamedTuple):
    """The model's ten variables.

    Attributes:
        glucose: the glucose in the blood and in the tissues [2], mmol/kg.
        action: insulin's effects on transport and disposal (per minute), and on production [3].
        depot: insulin under the skin, in two compartments [2], mU/kg.
        insulin: the insulin in the blood, mU/l.
        gut: glucose of meals, in two compartments [2], mmol/kg.
    """

    glucose: Float[Array, " 2"]
    action: Float[Array, " 3"]
    depot: Float[Array, " 2"]
    insulin: Float[Array, ""]
    gut: Float[Array, " 2"]

    @property
    def concentration(self) -> Float[Array, ""]:
        """The concentration of glucose in the blood, mmol/l."""
        return self.glucose[0] / GLUCOSE_VOLUME


def rates(
    body: Body,
    infusion: Float[Array, ""],
    eating: Float[Array, ""],
    sensitivity: Float[Array, ""],
    meal_delay: Float[Array, ""],
) -> Body:
    """Return how much each variable changes in a minute.

    Args:
        body: the variables of the body.
        infusion: the rate at which insulin is infused, mU/kg/min.
        eating: the rate at which carbohydrate is eaten, mmol/kg/min.
        sensitivity: the factor of all three of insulin's actions, 1 for the published ones.
        meal_delay: the delay of digestion, in minutes.
    """
    blood, tissue = body.glucose
    level = body.concentration
    consumed = CONSUMPTION * jnp.minimum(level / SCARCE, 1.0)
    excreted = CLEARANCE * GLUCOSE_VOLUME * jnp.maximum(level - RENAL, 0.0)
    produced = PRODUCTION * jnp.maximum(1.0 - body.action[2], 0.0)
    taken = body.action[0] * blood
    returned = TRANSFER * tissue
    from_meals = body.gut[1] / meal_delay
    deactivation = jnp.asarray(DEACTIVATION)
    activation = deactivation * jnp.asarray(SENSITIVITY) * sensitivity
    return Body(
        glucose=jnp.stack(
            [
                from_meals + produced + returned - taken - consumed - excreted,
                taken - returned - body.action[1] * tissue,
            ]
        ),
        action=activation * body.insulin - deactivation * body.action,
        depot=jnp.stack(
            [
                infusion - body.depot[0] / INSULIN_DELAY,
                (body.depot[0] - body.depot[1]) / INSULIN_DELAY,
            ]
        ),
        insulin=body.depot[1] / INSULIN_DELAY / INSULIN_VOLUME - ELIMINATION * body.insulin,
        gut=gut_rates(body.gut, eating, meal_delay),
    )


def gut_rates(
    gut: Float[Array, " 2"], eating: Float[Array, ""], meal_delay: Float[Array, ""]
) -> Float[Array, " 2"]:
    """Return the rates of the gut alone, by which a pump reckons the carbohydrate on board."""
    inflow = BIOAVAILABILITY * eating
    return jnp.stack([inflow - gut[0] / meal_delay, (gut[0] - gut[1]) / meal_delay])


def at_rest(concentration: float, sensitivity: float = 1.0) -> tuple[Body, float]:
    """Find the body that stays at a concentration of glucose (mmol/l), and its infusion.

    Both sides of the blood's balance are polynomials of degree two in insulin's concentration, of
    which one root is positive.

    Returns:
        the variables, and the infusion in mU/kg/min.
    """
    transport, disposal, production = (float(s) * sensitivity for s in SENSITIVITY)
    blood = concentration * GLUCOSE_VOLUME
    lost = CONSUMPTION * min(concentration / SCARCE, 1.0)
    lost += CLEARANCE * GLUCOSE_VOLUME * max(concentration - RENAL, 0.0)
    # (EGP0 (1 - S_IE I) - lost) (k12 + S_ID I) - S_IT I Q1 S_ID I = 0
    roots = np.roots(
        [
            -PRODUCTION * production * disposal - transport * disposal * blood,
            (PRODUCTION - lost) * disposal - PRODUCTION * production * TRANSFER,
            (PRODUCTION - lost) * TRANSFER,
        ]
    )
    insulin = float(roots.real.max())
    tissue = transport * insulin * blood / (TRANSFER + disposal * insulin)
    infusion = ELIMINATION * INSULIN_VOLUME * insulin
    body = Body(
        glucose=jnp.array([blood, tissue]),
        action=jnp.array([transport * insulin, disposal * insulin, production * insulin]),
        depot=jnp.full(2, infusion * INSULIN_DELAY),
        insulin=jnp.array(insulin),
        gut=jnp.zeros(2),
    )
    return body, infusion


def live(
    body: Body,
    minutes: int,
    infusion: Float[Array, ""],
    eating: Float[Array, ""],
    sensitivity: Float[Array, ""],
    meal_delay: Float[Array, ""],
) -> Body:
    """Return the body after some minutes of constant infusion and eating, by Euler's method.

    One minute is a seventh of the quickest time constant (insulin's 7 minutes in the blood).
    """

    def minute(_: Any, body: Body) -> Body:
        change = rates(body, infusion, eating, sensitivity, meal_delay)
        return jax.tree.map(lambda value, rate: value + rate, body, change)

    return jax.lax.fori_loop(0, minutes, minute, body, unroll=5)
