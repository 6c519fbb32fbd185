"""Baselines on a problem whose answer is known: two ways, and users who want one or the other."""

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.problem import RMDP
from studies.suite.baselines import (
    BASELINES,
    Workshop,
    best_of,
    constant_agents,
    constants,
    cover,
    own_optima,
)
from tests.environments import ContextualBandit

STEPS = 2 * 2048
WAYS = np.zeros((3, 2, 3))
WAYS[0, 0, 1] = WAYS[0, 1, 2] = 1.0
PAID = np.zeros((3, 2, 2))
PAID[1, :, 0] = PAID[2, :, 1] = 1.0
# Three like the first way and one likes the second, much.
WEIGHTS = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.0], [0.0, 3.0]])


def fork():
    return handful.tabular_problem(WAYS, features=PAID, coefficients=WEIGHTS)


@pytest.fixture
def trained_for(monkeypatch):
    """Policies are known beforehand: each takes the way that is best for the users' mean."""
    groups = []

    def train_for(workshop, users):
        groups.append(sorted(int(user) for user in users))
        way = int(np.argmax(WEIGHTS[users].mean(axis=0)))
        workshop.policies.append(lambda seen: way)

    monkeypatch.setattr(Workshop, "train_for", train_for)
    return groups


def test_groups_are_those_of_k_means_and_keep_their_policies(trained_for):
    pytest.importorskip("sklearn")
    served = BASELINES["by-hand"](fork(), 2, 0, STEPS)
    assert sorted(trained_for) == [[0, 1, 2], [3]]
    assert served.welfare == pytest.approx(5.7 / 4)
    assert served.transitions == 0  # nothing is played to choose


def test_a_policy_for_each_centre_and_users_by_validation(trained_for):
    served = BASELINES["cover"](fork(), 2, 0, STEPS)
    assert trained_for[0][0] < 3
    assert trained_for[1] == [3]
    assert served.assignment.tolist() == [0, 0, 0, 1]
    assert served.transitions == 2 * 100 * 2  # a hundred episodes of two steps for each


def test_the_user_who_misses_most_is_next(trained_for):
    served = BASELINES["regret"](fork(), 2, 0, STEPS)
    # The second way is best for all; then the first user misses 1.
    assert trained_for == [[0, 1, 2, 3], [0]]
    assert served.assignment.tolist() == [1, 1, 1, 0]
    assert served.welfare == pytest.approx(5.7 / 4)


def test_training_is_for_the_mean_of_the_users_and_is_counted():
    workshop = Workshop(fork(), 0, STEPS)
    workshop.train_for(np.array([0, 1, 2, 3]))
    assert workshop.transitions >= STEPS
    validated = workshop.tried()
    np.testing.assert_allclose(validated, [[0.0, 0.1, 0.0, 3.0]], atol=1e-6)
    served = workshop.serve(np.zeros(4, int))
    assert served.welfare == pytest.approx(3.1 / 4)


def test_the_best_constants_are_counted_and_chosen_by_validation():
    served = constants(fork(), 1, 0, 0)
    # All together get 2.7 of the first way, and 3.1 of the second.
    assert served.welfare == pytest.approx(3.1 / 4)
    assert served.assignment.tolist() == [0, 0, 0, 0]
    assert served.transitions == 2 * 100 * 2  # two actions, a hundred episodes of two steps


def test_the_choice_pays_for_what_made_the_agents():
    agents = dict(constant_agents(fork()))
    assert best_of(fork(), agents, 2, 0, spent=17).transitions == 17 + 400


def test_constant_actions_of_a_box_are_a_grid_in_its_units():
    gymnasium = pytest.importorskip("gymnasium")
    problem = handful.from_gymnasium("Pendulum-v1", [[1.0]], time_limit=3)
    assert isinstance(gymnasium.make("Pendulum-v1").action_space, gymnasium.spaces.Box)
    played = [agent(None) for _, agent in constant_agents(problem)]
    np.testing.assert_allclose(np.concatenate(played), np.linspace(-2.0, 2.0, 21), atol=1e-6)


def test_a_cover_leaves_out_those_who_are_far_from_everybody():
    near_x = [[1.0, 0.0], [1.0, 0.01], [2.0, 0.0], [1.0, -0.01]]
    near_y = [[0.0, 1.0], [0.01, 1.0], [-0.01, 1.0], [0.0, 5.0], [0.0, 0.5]]
    users = np.array([*near_x, *near_y, [-1.0, 0.0]])
    centres = cover(users, 2, covered=0.9)
    assert sorted(centre > 3 for centre in centres) == [False, True]
    assert 9 not in centres
    assert 9 in cover(users, 3, covered=1.0)


def test_regret_needs_an_exact_optimum():
    problem = RMDP(ContextualBandit(), handful.Population(np.eye(2)))
    with pytest.raises(HandfulError):
        BASELINES["regret"](problem, 2, 0, 100)
    np.testing.assert_allclose(own_optima(fork()), [1.0, 0.9, 0.8, 3.0])
