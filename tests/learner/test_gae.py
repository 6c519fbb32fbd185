import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.learner.gae import advantage_scale, gae, mix_advantages, standardize

NUM_STEPS, NUM_FEATURES = 7, 2
FLOATS = st.floats(-10, 10, width=32)
TABLES = arrays(np.float32, (3, NUM_STEPS, NUM_FEATURES), elements=FLOATS)
ENDS = arrays(np.bool_, (2, NUM_STEPS))
SHARES = st.sampled_from([0.0, 0.5, 0.9, 1.0])


def advantages(rewards, values, next_values, terminated, truncated, discount=0.5, gae_lambda=0.5):
    column = [jnp.asarray(x, jnp.float32).reshape(-1, 1) for x in (rewards, values, next_values)]
    ends = [jnp.asarray(x, bool) for x in (terminated, truncated)]
    return gae(*column, *ends, discount=discount, gae_lambda=gae_lambda)[:, 0]


NOT = [False, False, False]
LAST = [False, False, True]


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [
        # Deltas 1+.5*4-2 = 1, 2+.5*6-4 = 1, 3+.5*8-6 = 1; tail factor 1/4.
        pytest.param(NOT, NOT, [1.3125, 1.25, 1.0], id="the batch's end"),
        pytest.param(NOT, LAST, [1.3125, 1.25, 1.0], id="truncated at the end"),
        # The last delta is 3-6 = -3.
        pytest.param(LAST, NOT, [1.0625, 0.25, -3.0], id="terminated at the end"),
        # The middle delta is 2-4 = -2 and the first one is its own.
        pytest.param([False, True, False], NOT, [0.5, -2.0, 1.0], id="terminated in between"),
        pytest.param(NOT, [False, True, False], [1.25, 1.0, 1.0], id="truncated in between"),
    ],
)
def test_advantages_agree_with_computation_by_hand(terminated, truncated, expected):
    computed = advantages([1, 2, 3], [2, 4, 6], [4, 6, 8], terminated, truncated)
    np.testing.assert_allclose(computed, expected)


def test_truncated_episode_counts_its_own_final_value_and_not_the_next_start():
    computed = advantages([1, 0], [0, 5], [100, 0], NOT[:2], [True, False], discount=0.9)
    np.testing.assert_allclose(computed[0], 91.0)


def by_definition(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    """A_t = sum over l of (discount * lambda)^l * delta_{t+l}, up to the episode's end."""
    result = np.zeros(rewards.shape)
    for t in range(len(rewards)):
        for later in range(t, len(rewards)):
            bootstrap = 0.0 if terminated[later] else discount * next_values[later]
            delta = rewards[later] + bootstrap - values[later]
            result[t] += (discount * gae_lambda) ** (later - t) * delta
            if terminated[later] or truncated[later]:
                break
    return result


@settings(max_examples=50)
@given(TABLES, ENDS, SHARES, SHARES)
def test_advantages_agree_with_their_definition(tables, ends, discount, gae_lambda):
    tables = tables.astype(np.float32)
    expected = by_definition(*tables.astype(np.float64), *ends, discount, gae_lambda)
    computed = gae(*map(jnp.asarray, (*tables, *ends)), discount=discount, gae_lambda=gae_lambda)
    np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-3)


@settings(max_examples=25)
@given(TABLES, ENDS, arrays(np.float32, NUM_FEATURES, elements=FLOATS))
def test_mixing_advantages_equals_advantages_of_mixed_rewards(tables, ends, mix):
    """Value is linear in reward: so GAE may run on features and the mix may come last."""
    ends = tuple(map(jnp.asarray, ends))
    per_feature = gae(*map(jnp.asarray, tables), *ends, discount=0.9, gae_lambda=0.95)
    mixed_first = gae(
        *(jnp.asarray(table @ mix)[:, None] for table in tables),
        *ends,
        discount=0.9,
        gae_lambda=0.95,
    )
    mixed_last = mix_advantages(per_feature[None], jnp.asarray(mix)[None])
    np.testing.assert_allclose(mixed_last[0], mixed_first[:, 0], rtol=1e-3, atol=0.05)


def test_each_policy_is_mixed_by_its_own_row():
    ones = jnp.array([[[1.0, 2.0], [3.0, 4.0]]])
    mixed = mix_advantages(jnp.concatenate([ones, ones]), jnp.array([[1.0, 0.0], [10.0, -1.0]]))
    np.testing.assert_array_equal(mixed, [[1.0, 3.0], [8.0, 26.0]])


def test_standardizing_gives_each_policy_zero_mean_and_unit_spread():
    mixed = jnp.array([[1.0, 2.0, 3.0, 6.0], [100.0, 300.0, 100.0, 300.0]])
    scale = advantage_scale(mixed)
    np.testing.assert_allclose(scale.mean, [3.0, 200.0])
    standard = standardize(mixed, scale)
    np.testing.assert_allclose(standard.mean(axis=1), 0.0, atol=1e-6)
    np.testing.assert_allclose(standard[0] * 3.5**0.5, [-2.0, -1.0, 0.0, 3.0], rtol=1e-5)
    np.testing.assert_allclose(standard[1], [-1.0, 1.0, -1.0, 1.0], rtol=1e-6)


def test_advantages_that_do_not_vary_become_zero():
    constant = jnp.full((1, 5), 3.0)
    np.testing.assert_array_equal(standardize(constant, advantage_scale(constant)), 0.0)
