"""The choice of candidates under a welfare, against every choice there is."""

from itertools import combinations

import numpy as np
import pytest

from handful.choice.floors import Floor
from handful.training.fairness.claims import Claims
from handful.training.universal.chooser import Chooser, welfare_of_users
from handful.welfare import utilitarian
from handful.welfare_functions import GroupWelfare, PowerMean, parse_welfare

RNG = np.random.default_rng(3)
WANTS = RNG.uniform(0, 1, (7, 3))
RETURNS = RNG.uniform(0, 10, (9, 3))


def best_of_all(welfare, k):
    values = RETURNS @ WANTS.T
    return max(welfare.value(values[list(some)].max(axis=0)) for some in combinations(range(9), k))


@pytest.mark.parametrize("name", ["egalitarian", "cvar:0.3", "gini", "nash"])
@pytest.mark.parametrize("k", [1, 3])
def test_candidates_are_chosen_under_the_welfare(name, k, monkeypatch):
    chooser = Chooser(WANTS, parse_welfare(name))
    values = RETURNS @ WANTS.T

    def worth(rows):
        assert len(rows) <= k
        return chooser.welfare.value(values[rows].max(axis=0))

    most = best_of_all(chooser.welfare, k)
    assert worth(chooser.best(RETURNS, k)) == pytest.approx(most)
    (quick,) = chooser.quick(RETURNS, [k])
    assert worth(quick) >= 0.9 * most
    # Larger tables are not proven, and give the choice by swaps.
    monkeypatch.setattr("handful.training.universal.chooser.MOST_PROVEN", 1)
    assert worth(chooser.best(RETURNS, k)) == worth(quick)


def test_the_mean_is_chosen_for_by_facility_location():
    rows = Chooser(WANTS).best(RETURNS, 2)
    served = (RETURNS @ WANTS.T)[rows].max(axis=0)
    assert served.mean() == pytest.approx(best_of_all(PowerMean(), 2))
    assert welfare_of_users(utilitarian, "utilitarian", np.arange(3)) is None


def test_groups_of_some_users_are_numbered_anew():
    """User 1 is the only one of group 1, and is left out."""
    groups = GroupWelfare(labels=(0, 1, 2, 2))
    some = welfare_of_users(groups, groups.name, np.array([0, 2, 3]))
    assert some.labels == (0, 1, 1)
    assert some.value(np.array([4.0, 1.0, 5.0])) == 3.0


def test_floors_of_all_users_are_no_floors_of_some_of_them():
    claims = Claims(floors=(Floor(tuple(map(float, range(7)))),))
    everyone = Chooser(WANTS, PowerMean(), claims, np.arange(7), 7)
    assert everyone.asked_floors == (claims.floors, ())
    some = Chooser(WANTS[:3], PowerMean(), claims, np.arange(3), 7)
    assert some.asked_floors == ((),)
    assert len(some.best(RETURNS, 2)) <= 2  # there are seven levels, and three users who choose
