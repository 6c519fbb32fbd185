"""What utilities are worth to a run, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.training.fairness.pressure import MISSING
from handful.training.fairness.worth import LOWEST, SHARE_OF_MEAN, worth_to_users
from tests.environments import ContextualBandit, problem_of

EVERYONE = np.array([2, 0, 1])


def run_of(welfare, **claims):
    problem = problem_of(ContextualBandit(3), np.eye(3))
    return handful.prepare(problem, 1, "em", steps=2048, welfare=welfare, **claims)


def between(welfare, mean):
    return (1 - SHARE_OF_MEAN) * welfare + SHARE_OF_MEAN * mean


def test_it_is_the_welfare_and_a_little_of_the_mean():
    worth = worth_to_users(run_of("egalitarian"), EVERYONE)
    np.testing.assert_allclose(worth(jnp.array([3.0, 1.0, 5.0])), between(1.0, 3.0), rtol=1e-6)
    both = worth(jnp.array([[3.0, 1.0, 5.0], [0.0, 0.0, 6.0]]))
    np.testing.assert_allclose(both, [between(1.0, 3.0), between(0.0, 2.0)], rtol=1e-6)


def test_users_have_at_least_what_they_have_outside():
    run = run_of("egalitarian", outside=[0.0, 4.0, 0.0])
    worth = worth_to_users(run, np.array([1, 2]))
    np.testing.assert_allclose(worth(jnp.array([3.0, 5.0])), between(4.0, 4.5), rtol=1e-6)


def test_groups_are_those_of_the_users_who_are_asked():
    run = run_of("groups:egalitarian", groups=["a", "b", "a"])
    worth = worth_to_users(run, np.array([0, 2, 1]))
    np.testing.assert_allclose(worth(jnp.array([1.0, 3.0, 5.0])), between(2.0, 3.0), rtol=1e-6)


def test_floors_come_before_the_welfare():
    floors = handful.Floor([2.0, 4.0], "groups")
    run = run_of("utilitarian", groups=["a", "b", "a"], floors=floors)
    met, missed = jnp.array([2.0, 2.0, 4.0]), jnp.array([9.0, 9.0, 3.0])
    worth = worth_to_users(run, EVERYONE)  # the last of these is the user of group b
    np.testing.assert_allclose(worth(met), 8 / 3, rtol=1e-6)
    np.testing.assert_allclose(worth(missed), 7.0 - MISSING, rtol=1e-6)
    some = worth_to_users(run, np.array([0, 1]))
    assert float(some(jnp.array([0.0, 1.0]))) == pytest.approx(0.5)


def test_policies_and_assignments_are_chosen_by_floors_first():
    floors = handful.Floor([2.0, 4.0], "groups")
    run = run_of("utilitarian", groups=["a", "b", "a"], floors=floors, outside=[3.0, 0.0, 0.0])
    met, missed = jnp.array([2.0, 4.0, 2.0]), jnp.array([9.0, 3.5, 9.0])
    np.testing.assert_allclose(run.worth(met), 3.0, rtol=1e-6)  # the first user has 3 outside
    np.testing.assert_allclose(run.worth(missed), 21.5 / 3 - 0.5 * MISSING, rtol=1e-6)
    without = run_of("egalitarian")
    assert without.worth is without.welfare


def test_what_is_not_defined_is_worth_least():
    worth = worth_to_users(run_of("nash@-1"), EVERYONE)
    assert float(worth(jnp.array([-2.0, 1.0, 1.0]))) == pytest.approx(LOWEST)
    assert float(worth(jnp.array([0.0, 0.0, 0.0]))) == pytest.approx(0.0)
