"""What the wearers want: hand-computed rewards, and the bound."""

import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.domains.glucose.environment import DAY_STEPS, GlucoseOutcome
from handful.domains.glucose.users import GlucoseFeatures, relative_level, wearers
from handful.errors import HandfulError


def at(glucose):
    return GlucoseOutcome(jnp.array(float(glucose)), jnp.zeros(()), jnp.zeros(()))


def day(population, glucose):
    """Returns [N] of a day at one level."""
    return DAY_STEPS * np.asarray(population.rewards(at(glucose)), dtype=float)


USERS = wearers(np.array([110.0, 160.0]), np.array([3.0, 0.0]), DAY_STEPS)


def test_a_day_at_the_target_is_worth_a_hundred():
    assert day(USERS, 110.0)[0] == pytest.approx(100.0, rel=1e-5)
    assert day(USERS, 160.0)[1] == pytest.approx(100.0, rel=1e-4)


def test_twice_the_target_is_worth_nothing():
    assert day(USERS, 220.0)[0] == pytest.approx(0.0, abs=1e-3)
    assert day(USERS, 320.0)[1] == pytest.approx(0.0, abs=1e-3)


def test_lows_frighten():
    distance = (np.log(54 / 110) / np.log(2)) ** 2
    low = (np.log(54 / 70) / np.log(2)) ** 2
    assert day(USERS, 54.0)[0] == pytest.approx(100 * (1 - distance - 3 * low), rel=1e-4)
    distance = (np.log(54 / 160) / np.log(2)) ** 2
    assert day(USERS, 54.0)[1] == pytest.approx(100 * (1 - distance), rel=1e-4)


def test_rewards_are_bounded_by_what_sensors_show():
    np.testing.assert_array_equal(day(USERS, 5.0), day(USERS, 40.0))
    np.testing.assert_array_equal(day(USERS, 900.0), day(USERS, 400.0))


def test_the_bound_is_perfect_tracking_by_the_best_constants():
    table = {"target": [100.0, 100.0, 150.0], "user": ["ann", "bob", "cleo"]}
    problem = handful.make("glucose", population=table)
    bound = handful.optimum(problem, 2)
    assert (bound.kind, bound.unit) == ("upper bound", "mg/dl")
    np.testing.assert_allclose(bound.certificate, [[100.0], [150.0]], rtol=1e-5)
    assert bound.welfare == pytest.approx(100.0, rel=1e-5)
    shared = handful.optimum(problem, 1)
    np.testing.assert_allclose(shared.certificate[0], (100.0 * 100.0 * 150.0) ** (1 / 3), rtol=1e-5)
    assert shared.welfare == pytest.approx(
        np.mean([day(problem.population, shared.certificate[0][0])]), rel=1e-4
    )


@pytest.mark.parametrize("glucose", [[70, 90, 110], [110, 250, 60, 400], [45], [140, 130]])
def test_no_mixture_of_levels_beats_the_bound(glucose):
    problem = handful.make("glucose", users=20, population_seed=100)
    earned = np.mean([day(problem.population, level) for level in glucose], axis=0)
    assert earned.mean() <= handful.optimum(problem, 1).welfare + 1e-6


def test_sampled_users_and_those_of_a_table():
    problem = handful.make("glucose", users=300)
    targets, fears = (problem.population.attributes[name] for name in ("target", "fear"))
    assert (targets.min() >= 90.0, targets.max() <= 160.0) == (True, True)
    assert (fears.min() >= 0.5, fears.max() <= 20.0) == (True, True)
    assert problem.num_features == 4
    table = {"target": ["100"], "fear": ["2"], "clinic": ["north"], "id": ["ann"]}
    population = handful.make("glucose", population=table).population
    assert list(population.attributes) == ["target", "fear", "clinic"]
    z = relative_level(100.0)
    np.testing.assert_allclose(population.coefficients, [[1 - z**2, 2 * z, -1, -2]], rtol=1e-6)


def test_others_who_wear_it_have_no_bound():
    problem = handful.make("glucose", users=3)
    for population in (
        handful.Population(np.ones((3, 4)), GlucoseFeatures(DAY_STEPS)),
        handful.Population(problem.population.coefficients, GlucoseFeatures(5)),
    ):
        with pytest.raises(HandfulError, match="Neither an exact optimum nor a bound"):
            handful.optimum(handful.RMDP(problem.environment, population), 1)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"users": 0}, "at least one user"),
        ({"population_seed": -1}, "seed must be 0 or more"),
        ({"population": {"target": [5.5]}}, "targets in mg/dl, from 70 to 250"),
        ({"population": {"target": [100.0], "fear": [-1.0]}}, "fears of lows, from 0 to 1000"),
    ],
)
def test_what_cannot_be_is_one_clear_sentence(parameters, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.make("glucose", **parameters)
