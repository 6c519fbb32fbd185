"""The best policies under every welfare: against every choice, and against occupancy measures."""

import itertools

import numpy as np
import pytest

import handful
from handful.choice.floors import Floor
from handful.choice.infeasible import FloorsNotMet
from handful.errors import HandfulError
from handful.exact.reachable import ListedPolicies, TabularPolicies, reachable_by
from handful.exact.tabular import TabularRMDP, random_rmdp
from handful.optima.best import best_policies
from tests.exact.rmdps import few_features
from tests.optima.occupancy import best_worst

WELFARES = ["utilitarian", "nash", "power:-2", "power:0.5", "egalitarian", "gini", "cvar:0.4"]
GROUPS = ["a", "b", "a", "b"]


def tiny(seed, users=4):
    return random_rmdp(seed, "dense", num_states=3, num_actions=2, num_users=users)


def every_choice(rmdp, num_policies, welfare, weights=None, outside=None):
    """The best welfare of deterministic policies, by trying all of them."""
    policies = itertools.product(range(2), repeat=3)
    returns = [rmdp.returns(np.array(policy)) for policy in policies]
    chosen = itertools.combinations(returns, num_policies)
    utilities = [np.max(choice, axis=0) for choice in chosen]
    if outside is not None:
        utilities = [np.maximum(one, outside) for one in utilities]
    return max(welfare.value(one, weights) for one in utilities)


@pytest.mark.parametrize("text", [*WELFARES, "groups:egalitarian", "groups:nash"])
@pytest.mark.parametrize("num_policies", [1, 2])
def test_deterministic_policies_against_every_choice(text, num_policies):
    weights, outside = np.array([1.0, 2.0, 1.0, 4.0]), np.array([0.0, 6.0, 0.0, 8.0])
    welfare = handful.parse_welfare(text)
    if text.startswith("groups"):
        welfare = welfare.bind([0, 1, 0, 1])
    for seed in range(2):
        rmdp = tiny(seed)
        settings = {"welfare": text, "groups": GROUPS, "weights": weights, "outside": outside}
        best = best_policies(reachable_by(rmdp), num_policies, **settings)
        known = every_choice(rmdp, num_policies, welfare, weights, outside)
        assert best.deterministic == pytest.approx(known, rel=1e-6)
        assert best.welfare >= known - 1e-6 >= 0.0
        assert best.attained >= known - 1e-6
        utilities = np.maximum(best.returns.max(axis=0), outside)
        assert welfare.value(utilities, weights) == pytest.approx(best.attained)
        is_outside = best.returns.max(axis=0) < outside
        np.testing.assert_array_equal(best.assignment == -1, is_outside)


@pytest.mark.parametrize("num_policies", [1, 2])
def test_drawn_policies_against_occupancy_measures(num_policies):
    was_better = 0
    for seed in range(3):
        rmdp = tiny(seed)
        known = best_worst(rmdp, num_policies)
        for reachable in (reachable_by(rmdp), TabularPolicies(rmdp)):
            best = best_policies(reachable, num_policies, welfare="egalitarian")
            assert best.attained == pytest.approx(known, abs=1e-5)
            assert best.welfare >= known - 1e-5
            if num_policies == 1:
                assert best.kind == "exact"
            was_better += best.deterministic is not None and known > best.deterministic + 1e-3
    assert was_better >= 1


def test_floors_against_occupancy_measures():
    met = 0
    for seed in range(3):
        rmdp = tiny(seed)
        own = rmdp.own_optima
        for share in (0.8, 0.93):
            floors = share * own
            known = best_worst(rmdp, 1, floors)
            if np.isfinite(known):
                met += 1
                best = best_policies(reachable_by(rmdp), 1, welfare="egalitarian", floors=floors)
                assert best.welfare == pytest.approx(known, abs=1e-4)
                assert (best.returns.max(axis=0) >= floors - 1e-5).all()
            else:
                with pytest.raises(FloorsNotMet) as refused:
                    best_policies(reachable_by(rmdp), 1, welfare="egalitarian", floors=floors)
                smallest = int(refused.value.smallest)
                assert np.isfinite(best_worst(rmdp, smallest, floors))
                assert not np.isfinite(best_worst(rmdp, smallest - 1, floors))
    assert 0 < met < 6


def test_a_mixture_by_hand():
    """Of two policies that serve one user each, the worst served have half of both."""
    two = ListedPolicies(np.array([[1.0, 0.0], [0.0, 1.0]]), lambda row: (row,), "policies")
    best = best_policies(two, 1, welfare="egalitarian")
    assert best.kind == "exact"
    assert best.welfare == pytest.approx(0.5)
    assert best.deterministic == 0.0
    assert best.chances[0] == pytest.approx((0.5, 0.5))
    assert sorted(best.certificate[0]) == [(0,), (1,)]
    nash = best_policies(two, 1, welfare="nash@-1", weights=[3.0, 1.0])  # chance 1.25 > 1
    assert nash.chances is None
    assert nash.welfare == pytest.approx(2**0.75 - 1)
    nash = best_policies(two, 1, welfare="nash@-1", weights=[1.2, 1.0])
    chance = 3 * 1.2 / 2.2 - 1
    assert nash.chances[0] == pytest.approx((chance, 1 - chance), abs=1e-3)


def test_floors_that_only_a_mixture_meets():
    two = ListedPolicies(np.array([[1.0, 0.0], [0.0, 1.0]]), lambda row: (row,), "policies")
    best = best_policies(two, 1, floors=0.4)
    assert best.welfare == pytest.approx(0.5)
    assert best.deterministic is None
    with pytest.raises(FloorsNotMet, match="2 policies") as refused:
        best_policies(two, 1, floors=0.6)
    assert refused.value.smallest == 2
    with pytest.raises(FloorsNotMet) as refused:
        best_policies(two, 1, floors=[0.6, 1.5])
    assert refused.value.unreachable.tolist() == [1]
    assert refused.value.smallest is None


def test_floors_of_groups():
    rmdp = tiny(1)
    free = best_policies(reachable_by(rmdp), 1)
    means = free.returns[0].reshape(2, 2).mean(axis=0)  # of users 0, 2 and of 1, 3
    least = float(means.min()) + 0.3 * float(np.ptp(means))
    best = best_policies(
        reachable_by(rmdp), 1, groups=GROUPS, floors=Floor([least, least], "groups")
    )
    assert best.returns[0].reshape(2, 2).mean(axis=0).min() >= least - 1e-5
    assert best.welfare < free.welfare


def test_a_floor_of_a_share_of_the_users():
    rmdp = tiny(2)
    level = float(np.sort(rmdp.own_optima)[2])
    best = best_policies(reachable_by(rmdp), 2, floors=Floor(level, "share", 0.25))
    assert (best.returns.max(axis=0) >= level - 1e-6).sum() >= 1


@pytest.mark.parametrize("text", ["nash", "gini", "cvar:0.4", "egalitarian"])
def test_a_table_with_few_features_is_bounded_by_promises(text):
    """The hull over users' weights and the list of all policies lead to the same answers."""
    rmdp = few_features(3, 2, num_users=6, num_states=4)
    for num_policies in (1, 2):
        listed = best_policies(reachable_by(rmdp), num_policies, welfare=text)
        hull = best_policies(TabularPolicies(rmdp), num_policies, welfare=text)
        assert hull.deterministic is None
        assert hull.welfare >= listed.attained - 1e-5
        assert hull.attained <= listed.welfare + 1e-5
        assert hull.welfare == pytest.approx(listed.welfare, rel=5e-3)


def test_policies_that_nobody_can_play_give_a_bound_only():
    levels, promises = np.array([[0.9, 0.1], [0.1, 0.9]]), 1.1 * np.eye(2)
    alone = ListedPolicies(levels, lambda row: (row,), "levels", promises)
    best = best_policies(alone, 2, welfare="nash")
    assert best.kind == "upper bound"
    assert best.attained is None
    assert best.welfare == pytest.approx(1.1)
    np.testing.assert_array_equal(best.returns, levels)
    assert best_policies(alone, 1, welfare="egalitarian").welfare == 0.0
    with pytest.raises(FloorsNotMet, match="2 policies"):
        best_policies(alone, 1, floors=0.99)


def test_a_welfare_that_is_not_defined_is_refused():
    rmdp = tiny(0)
    worse = TabularRMDP(
        rmdp.transitions, rmdp.features - 50.0, rmdp.coefficients, rmdp.start, rmdp.discount
    )
    with pytest.raises(HandfulError, match="reference point"):
        best_policies(reachable_by(worse), 1, welfare="nash")
