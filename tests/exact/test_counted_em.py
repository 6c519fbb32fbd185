"""The best k policies in a model: as good as the optimum of the same problem."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.exact.budgets import choose_budgets
from handful.exact.counted_em import pool_of
from handful.exact.search import tabular_optimum
from handful.exact.tabular import random_rmdp
from tests.exact.test_counted import DISCOUNT, model_of


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["dense", "sparse"]))
def test_no_budget_is_far_from_its_optimum(seed, kind):
    rmdp = random_rmdp(seed, kind, discount=DISCOUNT)
    model = model_of(DISCOUNT * rmdp.transitions, rmdp.features, rmdp.start)
    budgets = [1, 2, 3]
    found = pool_of(model, rmdp.coefficients, budgets, np.random.default_rng(0))
    for budget in budgets:
        best = tabular_optimum(rmdp, budget).welfare
        choice = choose_budgets(found.returns @ rmdp.coefficients.T, [budget])[budget]
        policies = found.policies[choice.indices]
        earned = np.array([rmdp.returns(policy) for policy in policies])
        assert earned.max(axis=0).mean() >= best - 1e-3 * abs(best) - 1e-4
        assert choice.welfare == pytest.approx(earned.max(axis=0).mean(), rel=1e-4, abs=1e-5)


def test_every_policy_is_in_the_pool_once():
    rmdp = random_rmdp(3, "dense", num_users=40)
    model = model_of(DISCOUNT * rmdp.transitions, rmdp.features, rmdp.start)
    found = pool_of(model, rmdp.coefficients, [1, 4], np.random.default_rng(0))
    assert len(np.unique(found.policies, axis=0)) == len(found.policies) == len(found.returns)
    again = model.returns(found.policies)
    np.testing.assert_allclose(again, found.returns, rtol=1e-5, atol=1e-6)


def test_policies_for_those_who_have_least_are_in_the_pool():
    """Two users want one end of an axis and one the other; a third action serves all somewhat."""
    features = np.array([[[1.0, 0.0], [0.0, 1.0], [0.6, 0.6]]])
    model = model_of(np.zeros((1, 3, 1)), features, np.ones(1))
    users = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    plain = pool_of(model, users, [1], np.random.default_rng(0))
    fair = pool_of(model, users, [1], np.random.default_rng(0), fair=True)
    least = [(pool.returns @ users.T).min(axis=1).max() for pool in (plain, fair)]
    assert least == pytest.approx([0.0, 0.6])
