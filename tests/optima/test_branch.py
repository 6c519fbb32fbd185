"""Branch and bound over groups, with programs whose answers are made by hand."""

import itertools
import time

import numpy as np
import pytest

from handful.optima.branch import OPEN, OUTSIDE, search_groups
from handful.optima.mixtures import Mixed


def search(worth, num_policies, seconds=10.0, outside=None):
    """Search groups that are worth the sum of pairs of users who share one, ``worth[i, j]``."""
    num_users, looked, best = len(worth), [], [-np.inf]

    def bound(assignment):
        same = (assignment[:, None] == assignment) & (assignment >= 0)[:, None]
        either = (assignment[:, None] == OPEN) | (assignment == OPEN)
        total = float(np.where(either, np.maximum(worth, 0.0), np.where(same, worth, 0.0)).sum())
        return total + 0.0 if outside is None else total + outside @ (assignment == OUTSIDE)

    def solve(assignment, known):
        looked.append(assignment)
        return Mixed(np.zeros(num_users), (), (), 0.0, bound(assignment))

    def found(mixed, assignment):
        if (assignment != OPEN).all():
            best[0] = max(best[0], mixed.bound)
        return best[0]

    labels = (*(() if outside is None else (OUTSIDE,)), *range(num_policies))
    order = np.arange(num_users)
    deadline = time.monotonic() + seconds
    result = search_groups(solve, found, order, labels, 1e-9, -np.inf, deadline)
    return result, best[0], len(looked)


@pytest.mark.parametrize("num_policies", [2, 3])
def test_against_every_assignment(num_policies):
    rng = np.random.default_rng(0)
    for _ in range(5):
        worth = rng.normal(size=(6, 6))
        every = itertools.product(range(num_policies), repeat=6)
        totals = [float(worth[np.equal.outer(a, a)].sum()) for a in map(np.array, every)]
        bound, best, looked = search(worth, num_policies)
        assert best == pytest.approx(max(totals))
        assert bound == pytest.approx(max(totals))
        assert looked < num_policies**6


def test_a_search_that_is_stopped_states_a_bound():
    worth = np.random.default_rng(1).normal(size=(6, 6))
    exact = search(worth, 2)[0]
    assert search(worth, 2, seconds=-1.0)[0] >= exact


def test_users_may_keep_what_they_have():
    worth = np.diag([1.0, -2.0, -3.0])
    outside = np.array([0.0, 1.0, 0.5])
    bound, best, _ = search(worth, 1, outside=outside)
    assert bound == best == pytest.approx(2.5)
