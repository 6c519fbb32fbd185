"""What policies are trained for: hand-computed, and what holds for every assignment."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.mix import Mix, mean_mix_of_policies

COEFFICIENTS = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], np.float32)
ALPHA = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]], np.float32)
SMALL = st.integers(-4, 4)


def test_the_sum_of_what_the_users_of_a_policy_want():
    mix = Mix.of(jnp.asarray(ALPHA), jnp.asarray(COEFFICIENTS))
    np.testing.assert_allclose(mix.weights, [[1.0, 1.0], [1.0, 2.0]])
    np.testing.assert_allclose(mix.trained, [1.5, 1.5])
    np.testing.assert_allclose(mix.mean, [[2 / 3, 2 / 3], [2 / 3, 4 / 3]], rtol=1e-6)


def test_users_count_as_much_as_the_welfare_says():
    weights = jnp.array([2.0, 4.0, 0.5])
    mix = Mix.of(jnp.asarray(ALPHA), jnp.asarray(COEFFICIENTS), weights)
    np.testing.assert_allclose(mix.weights, [[2.0, 4.0], [0.5, 4.5]])
    np.testing.assert_allclose(mix.trained, [4.0, 2.5])


def test_a_policy_that_is_trained_for_nobody_wants_nothing_in_the_mean():
    mix = Mix.of(jnp.array([[1.0, 0.0]] * 3), jnp.asarray(COEFFICIENTS))
    np.testing.assert_allclose(mix.mean, [[2 / 3, 1.0], [0.0, 0.0]], rtol=1e-6)


def test_one_more_user_of_each_policy_is_as_if_they_had_been_there():
    some = Mix.of(jnp.asarray(ALPHA[:2]), jnp.asarray(COEFFICIENTS[:2]))
    both = some.plus(jnp.array([0.0, 1.0]), jnp.asarray(COEFFICIENTS[[0, 2]]))
    whole = Mix.of(jnp.asarray(ALPHA), jnp.asarray(COEFFICIENTS))
    np.testing.assert_allclose(both.weights, whole.weights)
    np.testing.assert_allclose(both.trained, whole.trained)


@settings(max_examples=50)
@given(st.data(), st.booleans())
def test_sums_by_policy_are_the_mix_of_a_hard_assignment(data, in_chunks):
    num_users, num_policies, num_features = (data.draw(st.integers(1, 5)) for _ in range(3))
    coefficients = data.draw(arrays(np.float32, (num_users, num_features), elements=SMALL))
    policy = data.draw(arrays(np.int64, num_users, elements=st.integers(0, num_policies - 1)))
    weights = data.draw(st.none() | arrays(np.float64, num_users, elements=st.integers(0, 4)))
    with pytest.MonkeyPatch.context() as patch:
        if in_chunks:
            patch.setattr("handful.population.LARGEST_TABLE", 1)
            patch.setattr("handful.population.CHUNK", 2 * num_features)
        mean = mean_mix_of_policies(policy, coefficients, num_policies, weights)
    alpha = jnp.asarray(np.eye(num_policies, dtype=np.float32)[policy])
    on_device = None if weights is None else jnp.asarray(weights, jnp.float32)
    mix = Mix.of(alpha, jnp.asarray(coefficients), on_device)
    np.testing.assert_allclose(num_users * mean, mix.weights, atol=1e-5)


@settings(max_examples=50)
@given(st.data())
def test_the_mean_mix_is_the_gradient_of_the_welfare_in_the_policies_returns(data):
    """Of the welfare sum(w * u) / N, which is linear, a difference is the gradient."""
    num_users, num_policies, num_features = (data.draw(st.integers(1, 4)) for _ in range(3))
    coefficients = data.draw(arrays(np.float32, (num_users, num_features), elements=SMALL))
    policy = data.draw(arrays(np.int64, num_users, elements=st.integers(0, num_policies - 1)))
    weights = data.draw(arrays(np.float64, num_users, elements=st.integers(0, 4)))
    returns = data.draw(arrays(np.float64, (num_policies, num_features), elements=SMALL))
    utilities = (coefficients @ returns.T)[np.arange(num_users), policy]
    mix = mean_mix_of_policies(policy, coefficients, num_policies, weights)
    assert np.sum(mix * returns) == pytest.approx(np.mean(weights * utilities), abs=1e-9)
