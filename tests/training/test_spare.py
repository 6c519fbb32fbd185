"""Spare policies serve the users for whom it is clear that they are better."""

import numpy as np
import pytest

from handful.evaluation.played import FeatureReturns
from handful.population import Population
from handful.training.assigning import EVEN, ODD, choose_assignment
from handful.training.spare import use_spare_policies

HALVES = (EVEN, ODD)


def played_of(episodes):
    episodes = np.array(episodes, float)
    return FeatureReturns(episodes, Population.identity(episodes.shape[2]))


USERS = 100


def some_clear_users(seed=0):
    """Policy 0 earns everybody 1; policy 1 earns the first 20 users 3, and nobody else anything.

    Policy 2 is good for nobody. The noise of single users is so large that everybody's best policy
    is mostly luck.
    """
    rng = np.random.default_rng(seed)
    means = np.zeros((3, USERS))
    means[0] = 1.0
    means[1, :20] = 3.0
    return means, means + 5.0 * rng.normal(size=(40, 3, USERS))[:20]


def test_clear_users_move_and_the_others_stay():
    """User 0 gains 3 in every episode; user 1 gains 3 in one and loses 2 in the next.

    That is 0.5 in the mean, with a standard error of 0.94.
    """
    rows = [[[0, 0], [3, 3]], [[0, 0], [3, 3]], [[0, 0], [3, -2]], [[0, 0], [3, -2]]] * 2
    moves = use_spare_policies(played_of(rows), np.array([0, 0]), HALVES)
    assert moves is not None
    assert moves.policy.tolist() == [1, 0]
    assert (moves.welfare, moves.gain, moves.gain_stderr) == (1.5, 1.5, 0.0)


def test_luck_in_one_half_moves_nobody():
    """The user gains 3 in every even episode and loses 2 in every odd one.

    Over all episodes that looks clear: 0.5, with a standard error of 0.4.
    """
    episodes = [[[0], [3]], [[0], [-2]]] * 20
    assert use_spare_policies(played_of(episodes), np.array([0]), HALVES) is None


def test_users_go_to_the_spare_policy_that_is_clearest():
    sure = [[[0], [2], [3]]] * 4
    moves = use_spare_policies(played_of(sure), np.array([0]), HALVES)
    assert moves is not None
    assert moves.policy.tolist() == [2]


def test_policies_that_serve_somebody_are_left_as_they_are():
    sure = [[[0, 0], [3, 3]]] * 4
    assert use_spare_policies(played_of(sure), np.array([0, 1]), HALVES) is None


def test_users_are_looked_at_in_portions(monkeypatch):
    _, episodes = some_clear_users(5)
    policy = np.zeros(USERS, int)
    at_once = use_spare_policies(played_of(episodes), policy, HALVES)
    monkeypatch.setattr("handful.population.LARGEST_TABLE", 1)
    monkeypatch.setattr("handful.population.CHUNK", 20 * 3 * 7)
    in_portions = use_spare_policies(played_of(episodes), policy, HALVES)
    assert at_once is not None
    assert in_portions is not None
    assert at_once.policy.tolist() == in_portions.policy.tolist()
    np.testing.assert_allclose(at_once[1:], in_portions[1:])


@pytest.mark.parametrize("seed", [2, 5, 6, 7, 10])
def test_the_choice_puts_spare_policies_to_use_and_gains_on_fresh_episodes(seed):
    """Where the choice would leave everybody with policy 0, which earns them 1."""
    means, episodes = some_clear_users(seed)
    choice = choose_assignment(Population.identity(USERS), episodes, np.zeros(USERS, int))
    everyone = np.arange(USERS)
    assert choice.rule == "spare"
    assert means[choice.policy, everyone].mean() > 1.03
    # What is said of the choice is that of the assignment.
    mine = episodes.mean(axis=0)[choice.policy, everyone].mean()
    assert choice.welfare == pytest.approx(mine)
    assert choice.welfare >= choice.one
    assert choice.gain > choice.gain_stderr > 0.0
