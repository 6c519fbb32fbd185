"""The study of the router counts what it says it counts."""

import numpy as np
import pytest

from studies.routing import Found, chance_gap, curve, gap, shares
from studies.routing_cases import CASES, MEASURED, chosen


def found(confidence, right):
    return Found("t", 0, "w", np.array(confidence), np.array(right), 1.0, 1.0, 0.0)


def test_the_gap_is_the_distance_of_confidence_and_frequency():
    some = [found([0.9] * 5, [True] * 5), found([0.5] * 20, [True, False] * 10)]
    assert curve(some)[-1] == (0.9, 1.0, 5)
    assert gap(curve(some)) == pytest.approx((0.1 + 4 * 0.1) / 5, abs=0.03)
    assert chance_gap([found([1.0] * 10, [True] * 10)]) == 0.0


def test_shares_are_of_what_knowing_gives_and_adds():
    truth = np.array([[4.0, 0.0], [2.0, 4.0]])
    assert shares(np.array([4.0, 4.0]), truth) == (1.0, 1.0)
    assert shares(np.array([4.0, 2.0]), truth) == (0.75, 0.0)
    assert np.isnan(shares(np.array([4.0, 2.0]), truth[:1].repeat(2, axis=0))[1])


def test_policies_are_chosen_for_those_whom_the_others_serve_badly():
    pool = np.array([[1.0, 0.9], [2.0, 0.0], [0.0, 2.0], [1.9, 0.0]])
    assert set(chosen(pool, np.eye(2)).tolist()[:2]) <= {1, 2}


@pytest.mark.parametrize("task", ["resource-gathering", "fruit-tree", "market"])
def test_episodes_earn_what_is_exact_in_the_mean(task):
    case = CASES[task](100)
    error = case.episodes.std(axis=0) / np.sqrt(len(case.episodes))
    assert (np.abs(case.episodes.mean(axis=0) - case.exact) <= 4 * error + 1e-9).all()
    measured = case.measured(1)
    some = case.episodes[MEASURED : 2 * MEASURED]
    np.testing.assert_allclose(measured.covariance[0], np.cov(some[:, 0].T) / MEASURED, atol=1e-12)
    assert (case.users @ case.exact.T).argmax(axis=1).max() > 0
