"""Which proof a tabular problem gets."""

import numpy as np
import pytest

from handful.exact.search import enumerated_optimum, tabular_optimum
from handful.exact.tabular import TabularRMDP
from tests.exact.rmdps import few_features, random_rmdp


def test_few_features_are_covered():
    rmdp = few_features(0, 2, num_states=20)
    best = tabular_optimum(rmdp, 2)
    assert best.kind == "exact"
    assert best.attained == best.welfare
    for policy, returns in zip(best.certificate, best.returns, strict=True):
        np.testing.assert_allclose(rmdp.returns(np.array(policy)), returns)


def test_small_problems_are_enumerated():
    rmdp = random_rmdp(0, "dense")
    assert tabular_optimum(rmdp, 2).welfare == enumerated_optimum(rmdp, 2).welfare


def test_others_have_a_bound_and_what_was_found():
    rmdp = random_rmdp(0, "dense", num_states=20)
    best = tabular_optimum(rmdp, 3)
    assert best.kind == "upper bound"
    assert best.welfare == pytest.approx(rmdp.own_optima.mean())
    served = best.returns[best.assignment, np.arange(8)].mean()
    assert best.attained == pytest.approx(served)
    assert best.attained < best.welfare


@pytest.mark.parametrize("num_policies", [1, 8])
def test_one_policy_for_all_and_one_for_each_are_exact(num_policies):
    rmdp = random_rmdp(1, "dense", num_states=20)
    assert tabular_optimum(rmdp, num_policies).kind == "exact"


def test_the_time_counts():
    """Two steps: one may take 1 and stay, or go for 3; with one step left there is no going."""
    rmdp = TabularRMDP(
        transitions=np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]),
        features=np.array([[[1.0], [0.0]], [[3.0], [3.0]]]),
        coefficients=np.ones((1, 1)),
        start=np.array([1.0, 0.0]),
        discount=1.0,
        horizon=2,
    )
    best = tabular_optimum(rmdp, 1)
    assert (best.kind, best.welfare) == ("exact", 3.0)
    assert best.certificate[0][0] == 1  # in state 0, with two steps left
    assert best.certificate[0][2] == 0  # and with one


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1e6])
@pytest.mark.parametrize(
    "make", [lambda: random_rmdp(0, "sparse", 12, 3, 8), lambda: few_features(0, 3)]
)
def test_the_unit_of_rewards_changes_nothing_but_the_unit(make, unit):
    """Small returns were once taken for none, and what was found for the optimum."""
    rmdp = make()
    scaled = TabularRMDP(
        rmdp.transitions, unit * rmdp.features, rmdp.coefficients, rmdp.start, rmdp.discount
    )
    one, other = tabular_optimum(rmdp, 2), tabular_optimum(scaled, 2)
    assert other.kind == one.kind
    assert other.welfare == pytest.approx(unit * one.welfare, rel=1e-6)
    assert other.attained == pytest.approx(unit * one.attained, rel=1e-6)
