"""The artificial pancreas: the published equations against another solver, and the day's plan."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from handful.domains.glucose import model
from handful.domains.glucose.environment import (
    DAY_STEPS,
    GRAMS_PER_UNIT,
    MEAL_STEPS,
    MG_PER_MMOL,
    USUAL_LEVEL,
    ArtificialPancreas,
    usual_therapy,
)

KEY = jax.random.key(3)
ONE = jnp.array(1.0)
DELAY = jnp.array(40.0)


def hovorka(_, y, infusion, eating, sensitivity, meal_delay):
    """The equations of Hovorka et al. (2004) once more, written out from the paper."""
    q1, q2, x1, x2, x3, s1, s2, insulin, d1, d2 = y
    level = q1 / 0.16
    f01 = 0.0097 if level >= 4.5 else 0.0097 * level / 4.5
    renal = 0.003 * (level - 9) * 0.16 if level >= 9 else 0.0
    absorbed = d2 / meal_delay
    return [
        -(f01 + x1 * q1) + 0.066 * q2 - renal + absorbed + 0.0161 * max(0.0, 1 - x3),
        x1 * q1 - (0.066 + x2) * q2,
        -0.006 * x1 + 0.006 * 51.2e-4 * sensitivity * insulin,
        -0.06 * x2 + 0.06 * 8.2e-4 * sensitivity * insulin,
        -0.03 * x3 + 0.03 * 520e-4 * sensitivity * insulin,
        infusion - s1 / 55,
        s1 / 55 - s2 / 55,
        s2 / (55 * 0.12) - 0.138 * insulin,
        0.8 * eating - d1 / meal_delay,
        d1 / meal_delay - d2 / meal_delay,
    ]


def flat(body):
    return np.concatenate([np.ravel(part) for part in body]).astype(float)


@pytest.mark.parametrize(
    ("infusion", "eating", "sensitivity", "delay"),
    [(0.09, 0.0, 1.0, 40.0), (0.5, 0.1, 1.0, 40.0), (0.0, 0.05, 0.7, 60.0), (0.8, 0.0, 1.3, 30.0)],
)
def test_an_exact_solver_agrees(infusion, eating, sensitivity, delay):
    body, _ = model.at_rest(6.0)
    numbers = [jnp.array(value) for value in (infusion, eating, sensitivity, delay)]
    ours = flat(jax.jit(model.live, static_argnums=1)(body, 120, *numbers))
    theirs = solve_ivp(
        hovorka, (0, 120), flat(body), args=(infusion, eating, sensitivity, delay), rtol=1e-8
    ).y[:, -1]
    np.testing.assert_allclose(ours, theirs, rtol=0.03, atol=2e-3)


@pytest.mark.parametrize("level", [4.0, 6.1, 11.0])
@pytest.mark.parametrize("sensitivity", [0.6, 1.0, 1.7])
def test_a_body_at_rest_stays_there(level, sensitivity):
    body, infusion = model.at_rest(level, sensitivity)
    assert body.concentration == pytest.approx(level, rel=1e-5)
    assert infusion > 0
    change = model.rates(body, jnp.array(infusion), jnp.zeros(()), jnp.array(sensitivity), DELAY)
    np.testing.assert_allclose(flat(change), 0.0, atol=1e-6)


def test_insulin_lowers_and_meals_raise_and_both_take_their_time():
    body, infusion = model.at_rest(7.0)
    live = jax.jit(model.live, static_argnums=1)

    def after(minutes, factor, eating):
        dose, food = jnp.array(factor * infusion), jnp.array(eating)
        return float(live(body, minutes, dose, food, ONE, DELAY).concentration)

    assert after(15, 4.0, 0.0) > 6.9
    assert after(180, 4.0, 0.0) < 6.0
    assert after(60, 1.0, 0.05) > 8.0


def play(key, action):
    environment = ArtificialPancreas()
    state, first = environment.reset(key)

    def step(state, key):
        state, taken = environment.step(key, state, action)
        return state, (taken, state)

    _, (taken, states) = jax.lax.scan(step, state, jax.random.split(key, DAY_STEPS))
    return first, taken, states


@pytest.fixture(scope="module")
def days():
    keys = jax.random.split(KEY, 400)
    return jax.jit(jax.vmap(lambda key: play(key, jnp.zeros(2))))(keys)


def test_a_day_has_three_meals_near_their_times(days):
    _, taken, states = days
    eaten = np.asarray(taken.outcome.carbohydrate)
    assert ((eaten > 0).sum(axis=1) == 3).all()
    when = np.argwhere(eaten > 0)[:, 1].reshape(-1, 3)
    assert (np.abs(when - np.array(MEAL_STEPS)) <= 4).all()
    np.testing.assert_allclose(eaten.sum(axis=1), states.meal_grams[:, 0].sum(axis=1), rtol=1e-5)


def test_the_pump_gives_the_usual_basal_and_the_bolus_that_is_announced(days):
    _, taken, states = days
    _, basal = usual_therapy()
    given = np.asarray(taken.outcome.insulin).sum(axis=1)
    announced = np.asarray(states.announced_grams[:, 0]).sum(axis=1)
    expected = announced / GRAMS_PER_UNIT + basal * 75.0 * 24 * 60 / 1000
    np.testing.assert_allclose(given, expected, rtol=1e-4)
    assert 15.0 < given.mean() < 25.0  # what the rule of 500 was applied to


def test_an_action_scales_basal_and_bolus():
    environment = ArtificialPancreas()
    state, _ = environment.reset(KEY)

    act = jax.jit(environment.step)

    def given(action, state=state):
        return float(act(KEY, state, jnp.array(action))[1].outcome.insulin)

    assert given([-1.0, 1.0]) == 0.0  # no meal is announced at midnight
    assert given([1.0, 0.0]) == pytest.approx(4 * given([0.0, 0.0]))
    meal = state._replace(step=state.meal_steps[1])
    bolus = given([-1.0, 0.0], meal)
    assert bolus == pytest.approx(float(state.announced_grams[1]) / GRAMS_PER_UNIT, rel=1e-5)
    assert given([-1.0, 1.0], meal) == pytest.approx(2 * bolus)


def test_the_sensor_lags_and_errs_and_shows_what_sensors_show(days):
    _, taken, states = days
    glucose = np.asarray(taken.outcome.glucose)
    readings = np.asarray(states.reading)
    assert readings.min() >= 40.0
    assert readings.max() <= 400.0
    night = slice(4, 20)  # nobody has eaten, and some drift
    error = (readings - np.asarray(states.fluid))[:, night]
    assert error.std() == pytest.approx(10.0, rel=0.1)
    together = np.mean(error[:, 1:] * error[:, :-1]) / np.mean(error**2)
    assert together == pytest.approx(0.7, abs=0.06)
    assert np.corrcoef(readings[:, 40], glucose[:, 40])[0, 1] > 0.8


def test_observations_are_of_order_one_and_the_day_ends(days):
    first, taken, _ = days
    assert first.shape == (400, 11)
    observations = np.asarray(taken.observation)
    assert np.isfinite(observations).all()
    assert np.abs(observations).max() < 40.0
    assert np.asarray(taken.truncated)[:, -1].all()
    assert not np.asarray(taken.truncated)[:, :-1].any()
    assert not np.asarray(taken.terminated).any()


def test_wearers_differ_and_a_key_is_a_wearer(days):
    _, taken, states = days
    sensitivity = np.asarray(states.sensitivity[:, 0])
    assert np.log(sensitivity).std() == pytest.approx(0.2, rel=0.15)
    again = jax.jit(lambda key: play(key, jnp.zeros(2)))(jax.random.split(KEY, 400)[7])[1]
    np.testing.assert_allclose(again.outcome.glucose, taken.outcome.glucose[7], rtol=1e-4)
    assert float(taken.outcome.glucose[0, 0]) == pytest.approx(USUAL_LEVEL, rel=0.1)
    blood = float(usual_therapy()[0].glucose[0]) / model.GLUCOSE_VOLUME
    assert blood == pytest.approx(USUAL_LEVEL / MG_PER_MMOL, rel=1e-5)
