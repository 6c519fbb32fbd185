"""Three ways to the best policy of one mix of rewards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.exact.tabular import (
    Dynamics,
    backward_induction,
    linear_program,
    policy_iteration,
    value_iteration,
)
from tests.exact.rmdps import random_rmdp

METHODS = [policy_iteration, value_iteration, linear_program]

# Go on (action 0, pays 1, ends the episode half of the time) or take 1.5 and end it (action 1).
COIN = Dynamics(np.array([[[0.5], [0.0]]]), 1.0)


@pytest.mark.parametrize("solve", METHODS)
def test_a_coin_by_hand(solve):
    policy = solve(COIN, np.array([[1.0, 1.5]]))  # going on for ever is worth 2
    assert policy.tolist() == [0]
    assert COIN.evaluate(policy, np.array([1.0])) == pytest.approx([2.0])
    assert solve(COIN, np.array([[1.0, 2.5]])).tolist() == [1]


def test_backward_induction_by_hand():
    # With one step left 1.5 beats 1; with two or more, going on does: 1 + 0.5 * 1.5 > 1.5.
    assert backward_induction(COIN, np.array([[1.0, 1.5]]), 3).tolist() == [[0], [0], [1]]


@given(st.integers(0, 2**32 - 1), st.sampled_from(["dense", "sparse"]))
def test_the_three_methods_agree(seed, kind):
    rmdp = random_rmdp(seed, kind)
    reward = rmdp.features.sum(axis=2)
    states = np.arange(len(reward))
    values = [
        rmdp.dynamics.evaluate(policy, reward[states, policy])
        for policy in (solve(rmdp.dynamics, reward) for solve in METHODS)
    ]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(values[2], values[0], rtol=1e-6, atol=1e-6)


def test_a_good_first_policy_changes_nothing():
    rmdp = random_rmdp(3, "dense")
    reward = rmdp.features.sum(axis=2)
    best = policy_iteration(rmdp.dynamics, reward)
    for first in (best, (best + 1) % 3):
        np.testing.assert_array_equal(policy_iteration(rmdp.dynamics, reward, first), best)


def test_values_that_never_settle():
    forever = Dynamics(np.array([[[1.0]]]), 1.0)
    with pytest.raises(RuntimeError, match="not settled"):
        value_iteration(forever, np.array([[1.0]]))
