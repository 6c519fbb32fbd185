"""The two bounds meet in the optimum that trying every policy gives."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from handful.exact.coverage import cover
from handful.exact.search import enumerated_optimum
from handful.exact.tabular import TabularRMDP
from tests.exact.rmdps import few_features, random_rmdp


def with_coefficients(rmdp, coefficients):
    return TabularRMDP(
        rmdp.transitions, rmdp.features, np.array(coefficients), rmdp.start, rmdp.discount
    )


@pytest.mark.parametrize("num_features", [1, 2, 3, 4])
@pytest.mark.parametrize("num_policies", [1, 2, 3])
def test_against_every_policy(num_features, num_policies):
    for seed in range(4):
        rmdp = few_features(seed, num_features)
        best = enumerated_optimum(rmdp, num_policies).welfare
        found = cover(rmdp, num_policies)
        assert found.is_proven
        assert found.welfare == pytest.approx(best, abs=1e-4)
        assert found.upper_bound >= best - 1e-6
        for policy, returns in zip(found.policies, found.returns, strict=True):
            np.testing.assert_allclose(rmdp.returns(policy), returns)


def test_users_who_want_opposite_things():
    rmdp = few_features(5, 2)
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    around = with_coefficients(rmdp, np.column_stack([np.cos(angles), np.sin(angles)]))
    for num_policies in (1, 2, 4):
        best = enumerated_optimum(around, num_policies).welfare
        found = cover(around, num_policies)
        assert found.is_proven
        assert found.welfare == pytest.approx(best, abs=1e-4)


def test_users_who_care_more_weigh_more():
    rmdp = few_features(7, 3)
    weighed = with_coefficients(rmdp, rmdp.coefficients * np.linspace(0.1, 9, 8)[:, None])
    best = enumerated_optimum(weighed, 2).welfare
    found = cover(weighed, 2)
    assert found.welfare == pytest.approx(best, abs=1e-3)
    assert found.is_proven
    assert best - 1e-6 <= found.upper_bound <= best + 1e-3


class _MergedHull:
    """A hull whose lower faces lie under their corners, as those do that Qhull makes of several."""

    def __init__(self, points):
        hull = ConvexHull(points)
        self.simplices, self.equations = hull.simplices, hull.equations.copy()
        heights = np.where(self.equations[:, -2] < 0, 0.2, 0.0)
        self.equations[:, -1] += heights * self.equations[:, -2]


@pytest.mark.parametrize("num_policies", [1, 2, 3])
def test_a_bound_stays_one_where_faces_are_merged(monkeypatch, num_policies):
    monkeypatch.setattr("handful.exact.coverage.ConvexHull", _MergedHull)
    for seed in range(4):
        rmdp = few_features(seed, 3)
        best = enumerated_optimum(rmdp, num_policies).welfare
        found = cover(rmdp, num_policies)
        assert found.upper_bound >= best - 1e-9
        assert found.welfare <= best + 1e-9


def test_episodes_that_are_cut():
    rmdp = few_features(1, 2, num_states=3, num_actions=2)
    cut = TabularRMDP(
        rmdp.transitions, rmdp.features, rmdp.coefficients, rmdp.start, discount=1.0, horizon=2
    )
    found = cover(cut, 2)
    every = [
        cut.returns(np.array(np.unravel_index(i, (2,) * 6)).reshape(2, 3)) for i in range(2**6)
    ]
    best = max(np.maximum(a, b).mean() for a in every for b in every)
    assert found.welfare == pytest.approx(best, abs=1e-5)


def test_without_time_the_bounds_are_stated_as_they_are():
    rmdp = few_features(2, 3)
    best = enumerated_optimum(rmdp, 2).welfare
    found = cover(rmdp, 2, seconds=0.0)
    assert not found.is_proven
    assert found.welfare <= best + 1e-9
    assert found.upper_bound == pytest.approx(rmdp.own_optima.mean())


def test_users_who_differ_in_too_many_ways():
    with pytest.raises(ValueError, match="rank from 1 to 4"):
        cover(random_rmdp(0, "dense"), 2)
