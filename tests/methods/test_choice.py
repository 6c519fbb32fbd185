"""Choosing policies by what users were seen to get from them."""

from itertools import combinations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.methods.choice import choose_policies, greedy_choice, swap, total_gain

tables = st.tuples(st.integers(1, 7), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-5, 9).map(float))
)


def test_policies_that_serve_different_users_go_together():
    returns = np.array([[6, 6, 0, 0], [9, 0, 0, 0], [0, 0, 7, 7], [4, 4, 4, 4]], float)
    chosen, policy = choose_policies(returns, 2)
    assert sorted(chosen.tolist()) == [0, 2]
    assert [chosen[j] for j in policy] == [0, 0, 2, 2]


def test_swaps_mend_what_greed_got_wrong():
    """The best single policy is in no best pair."""
    returns = np.array([[3, 3, 3, 3], [5, 5, 0, 0], [0, 0, 5, 5]], float)
    assert sorted(choose_policies(returns, 1)[0].tolist()) == [0]
    assert sorted(choose_policies(returns, 2)[0].tolist()) == [1, 2]


@given(tables, st.integers(1, 7))
def test_against_every_choice(returns, num_policies):
    num_policies = min(num_policies, len(returns))
    chosen, policy = choose_policies(returns, num_policies)
    assert len(set(chosen.tolist())) == num_policies
    np.testing.assert_array_equal(
        returns[chosen][policy, np.arange(returns.shape[1])], returns[chosen].max(axis=0)
    )
    floor = returns.min(axis=0)
    total = (returns[chosen].max(axis=0) - floor).sum()
    best = max(
        (returns[list(rows)].max(axis=0) - floor).sum()
        for rows in combinations(range(len(returns)), num_policies)
    )
    assert (1 - np.exp(-1)) * best <= total + 1e-9
    assert total <= best + 1e-9
    if num_policies == 1:
        assert total == pytest.approx(best)


def test_gains_may_be_worth_anything_else_than_their_sum():
    """The first and the last row leave nobody below 4; the first two have the largest sum."""
    gains = jnp.asarray([[9, 9, 0, 0], [0, 0, 9, 1], [4, 4, 0, 4], [0, 0, 4, 4]], float)
    everyone = jnp.ones(4, bool)

    def value(some):
        return jnp.min(some, axis=-1) + 0.01 * jnp.mean(some, axis=-1)

    start = greedy_choice(gains, everyone, 2, value)
    chosen = swap(gains, everyone, start, value)
    best = max(
        float(total_gain(gains, jnp.asarray(rows), value)) for rows in combinations(range(4), 2)
    )
    assert float(total_gain(gains, chosen, value)) == pytest.approx(best)
    assert sorted(chosen.tolist()) == [0, 3]
    assert float(total_gain(gains, jnp.asarray([0, 1]))) == 28.0
