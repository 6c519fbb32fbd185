"""The test by betting errs no more often than it says, however often it is looked at."""

import math

import numpy as np
import pytest

from handful._support.betting import Bet


def test_the_first_bet_is_known_by_hand():
    bet = Bet(0.25)
    bet.add(1.0)
    edge = 0.5 - 0.25
    stake = edge / (0.25 + edge**2)
    assert bet.log_wealth == pytest.approx(math.log(1 + stake * 0.75))


def test_a_true_bound_is_seldom_passed_at_any_time():
    rng, won = np.random.default_rng(100), 0
    for _ in range(300):
        bet = Bet(0.5)
        for value in (rng.random(300) < 0.5).tolist():
            bet.add(float(value))
        won += bet.is_won(0.1)
    assert won / 300 < 0.1 + 2 * math.sqrt(0.1 * 0.9 / 300)


def test_a_mean_above_the_bound_is_found():
    rng, bet = np.random.default_rng(100), Bet(0.5)
    for value in (rng.random(300) < 0.7).tolist():
        bet.add(float(value))
    assert bet.is_won(0.01)
    assert bet.count == 300


def test_several_numbers_at_once_are_as_one_after_another():
    rng, single, joint = np.random.default_rng(0), Bet(1.0), Bet(1.0)
    for number in (1, 7, 3):
        values, bounds = rng.random((number, 2, 3)), rng.uniform(0.1, 1.2, (number, 2, 3))
        path = joint.add_all(values, bounds)
        for value, bound, wealth in zip(values, bounds, path, strict=True):
            single.add(value, bound)
            np.testing.assert_allclose(wealth, single.log_wealth, atol=1e-12)
    np.testing.assert_allclose(joint.highest, single.highest, atol=1e-12)
    assert joint.count == single.count == 11
