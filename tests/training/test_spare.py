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


def some_clear_users(seed=0, clear=10, gain=4.0, users=60):
    """Policy 0 earns everybody 1; policy 1 earns the first users 4 more, and nobody else anything.

    Policy 2 is good for nobody. The noise of single users is so large that everybody's best policy
    is mostly luck.
    """
    rng = np.random.default_rng(seed)
    means = np.zeros((3, users))
    means[0] = 1.0
    means[1, :clear] += 1.0 + gain
    return means, means + 5.0 * rng.normal(size=(40, 3, users))


def test_clear_users_move_and_the_others_stay():
    """By hand: user 0 gains 3 in every episode; user 1 gains 3 in one and loses 3 in the next."""
    swing = [[[0, 0], [3, 3]], [[0, 0], [3, 3]], [[0, 0], [3, -3]], [[0, 0], [3, -3]]] * 2
    moves = use_spare_policies(played_of(swing), np.array([0, 0]), HALVES)
    assert moves is not None
    assert moves.policy.tolist() == [1, 0]
    assert (moves.welfare, moves.gain, moves.gain_stderr) == (1.5, 1.5, 0.0)


def test_luck_in_one_half_moves_nobody():
    """The user gains 3 in every even episode and loses 3 in every odd one."""
    episodes = [[[0], [3]], [[0], [-3]]] * 4
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
    _, episodes = some_clear_users()
    policy = np.zeros(60, int)
    at_once = use_spare_policies(played_of(episodes), policy, HALVES)
    monkeypatch.setattr("handful.population.LARGEST_TABLE", 1)
    monkeypatch.setattr("handful.population.CHUNK", 40 * 3 * 7)
    in_portions = use_spare_policies(played_of(episodes), policy, HALVES)
    assert at_once is not None
    assert in_portions is not None
    assert at_once.policy.tolist() == in_portions.policy.tolist()
    np.testing.assert_allclose(at_once[1:], in_portions[1:])


def test_the_choice_puts_spare_policies_to_use_and_gains_on_fresh_episodes():
    gained = []
    for seed in range(8):
        means, episodes = some_clear_users(seed)
        choice = choose_assignment(Population.identity(60), episodes, np.zeros(60, int))
        assert choice.rule in ("spare", "best")
        assert choice.welfare >= choice.one
        gained.append(means[choice.policy, np.arange(60)].mean() - 1.0)
    # A fifth of what the clear users could gain, beside those who were moved by luck.
    assert np.mean(gained) > 0.2 * 10 * 4.0 / 60


@pytest.mark.parametrize("seed", range(3))
def test_what_is_said_of_the_choice_is_that_of_the_assignment(seed):
    _, episodes = some_clear_users(seed)
    choice = choose_assignment(Population.identity(60), episodes, np.zeros(60, int))
    mine = episodes.mean(axis=0)[choice.policy, np.arange(60)].mean()
    assert choice.welfare == pytest.approx(mine)
    assert choice.gain > choice.gain_stderr > 0.0
