"""Compressed rewards against the exact ones, of users and shapes of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.compression import Interpolation, compress
from handful.errors import HandfulError


def bumps(centres, width):
    """Rewards that peak at each user's centre and are nothing a few widths away."""

    def rewards(users, outcomes):
        return np.exp(-(((centres[users, None] - outcomes) / width) ** 2))

    return rewards


def decompressed(compression, outcomes):
    """The users' rewards as training sees them, [N, G]."""
    features = jax.vmap(compression.features)(jnp.asarray(outcomes, jnp.float32))
    return compression.coefficients @ np.asarray(features).T


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.sampled_from([0.05, 0.2, 1.0]),
    st.sampled_from([0.003, 0.01, 0.1]),
)
def test_every_users_error_is_within_the_tolerance_and_as_stated(centres, width, tolerance):
    rewards = bumps(np.array(centres), width)
    compression = compress(rewards, len(centres), -1.0, 2.0, 301, tolerance)
    outcomes = np.linspace(-1.0, 2.0, 601)
    error = decompressed(compression, outcomes) - rewards(slice(None), outcomes)
    rms = np.sqrt(np.mean(error**2, axis=1)).max()
    assert rms == pytest.approx(compression.rms_error, abs=1e-4)
    assert np.abs(error).max() == pytest.approx(compression.max_error, abs=1e-3)
    assert compression.rms_error <= tolerance


def test_one_feature_less_is_not_enough():
    """Truncation is the best approximation in the mean; here the best for the worst user too."""
    rewards, outcomes = bumps(np.linspace(0, 1, 300), 0.1), np.linspace(-0.5, 1.5, 201)
    compression = compress(rewards, 300, -0.5, 1.5, 201, 0.01)
    num_features = compression.coefficients.shape[1]
    table = rewards(slice(None), outcomes)
    left, singular, right = np.linalg.svd(table, full_matrices=False)
    short = (left * singular)[:, : num_features - 1] @ right[: num_features - 1]
    assert np.sqrt(np.mean((table - short) ** 2, axis=1)).max() > 0.01


def test_the_tolerance_holds_between_the_points_of_the_grid_too():
    """Twelve features are enough at 61 points, and not in the middles between them."""
    rewards, tolerance = bumps(np.linspace(0, 1, 20), 0.1), 0.01
    compression = compress(rewards, 20, -1.0, 2.0, 61, tolerance)
    between = np.linspace(-1.0, 2.0, 121)
    error = decompressed(compression, between) - rewards(slice(None), between)
    assert np.sqrt(np.mean(error**2, axis=1)).max() <= tolerance
    assert compression.coefficients.shape[1] > 12


def test_equal_users_need_one_feature():
    compression = compress(bumps(np.full(50, 0.5), 0.2), 50, -1.0, 2.0, 301, 0.01)
    assert compression.coefficients.shape == (50, 1)


def test_rewards_that_are_always_zero_stay_zero():
    compression = compress(lambda users, g: np.zeros((3, len(g))), 3, 0.0, 1.0, 11, 0.01)
    np.testing.assert_array_equal(decompressed(compression, [0.2, 0.7]), np.zeros((3, 2)))


def test_a_critic_of_features_weighs_users_as_one_of_users_does():
    rewards = bumps(np.linspace(0, 1, 400), 0.05)
    compression = compress(rewards, 400, -0.5, 1.5, 401, 0.01)
    num_features = compression.coefficients.shape[1]
    error = np.random.default_rng(0).normal(size=num_features)
    in_users = compression.coefficients @ error
    assert np.mean(in_users**2) == pytest.approx(np.mean(error**2), rel=1e-3)


def test_users_that_the_features_were_not_found_of_are_served_too():
    """Every third of 9,000 users, those that the sample leaves out, wants something else."""
    centres = np.linspace(0, 1, 9_000)
    centres[1::3] += 3.0
    rewards = bumps(centres, 0.2)
    compression = compress(rewards, 9_000, -1.0, 5.0, 401, 0.02)
    error = decompressed(compression, np.linspace(-1, 5, 50)) - rewards(
        slice(None), np.linspace(-1, 5, 50)
    )
    assert compression.rms_error <= 0.02
    assert np.sqrt(np.mean(error**2, axis=1)).max() <= 0.03


def test_a_tolerance_that_the_grid_cannot_keep_is_refused():
    with pytest.raises(HandfulError, match="5 points are too few to compress rewards to within"):
        compress(bumps(np.linspace(0, 1, 20), 0.1), 20, -1.0, 2.0, 5, 0.001)
    with pytest.raises(HandfulError, match=r"must be positive, not 0\.0"):
        compress(bumps(np.zeros(1), 0.1), 1, -1.0, 2.0, 5, 0.0)


def test_interpolation_is_linear_inside_and_constant_outside():
    features = Interpolation(1.0, 2.0, np.array([[0.0, 1.0], [4.0, 1.0], [0.0, 3.0]], np.float32))
    outcomes = jnp.array([-9.0, 1.0, 1.25, 1.5, 1.75, 2.0, 9.0])
    expected = [[0, 1], [0, 1], [2, 1], [4, 1], [2, 2], [0, 3], [0, 3]]
    np.testing.assert_allclose(jax.jit(jax.vmap(features))(outcomes), expected, atol=1e-6)
