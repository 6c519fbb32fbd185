import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.learner.normalize import CLIP, Normalizer

K, O = 2, 3  # noqa: E741


def batches_of(sizes, seed=0):
    """Batches [K, M, O] whose policies and entries differ in place and spread."""
    generator = np.random.default_rng(seed)
    scale = np.array([1.0, 10.0, 0.1]) * np.array([[1.0], [3.0]])
    place = np.array([[5.0, -100.0, 0.0], [0.0, 20.0, 1.0]])
    return [
        generator.normal(place[:, None], scale[:, None], (K, size, O)).astype(np.float32)
        for size in sizes
    ]


@settings(max_examples=20)
@given(st.lists(st.sampled_from([1, 2, 7, 50]), min_size=1, max_size=5), st.integers(0, 99))
def test_statistics_are_those_of_everything_seen_by_each_policy(sizes, seed):
    batches = batches_of(sizes, seed)
    normalizer = Normalizer.identity(K, O)
    for batch in batches:
        normalizer = normalizer.update(jnp.asarray(batch))
    everything = np.concatenate(batches, axis=1, dtype=np.float64)
    np.testing.assert_array_equal(normalizer.count, sum(sizes))
    np.testing.assert_allclose(normalizer.mean, everything.mean(axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(normalizer.variance, everything.var(axis=1), rtol=2e-3, atol=1e-5)


@settings(max_examples=20)
@given(st.lists(st.sampled_from([1, 2, 7, 50]), min_size=1, max_size=5), st.integers(0, 99))
def test_statistics_together_are_those_of_everything_seen_by_any_policy(sizes, seed):
    batches = batches_of(sizes, seed)
    normalizer = Normalizer.identity(K, O)
    for batch in batches:
        normalizer = normalizer.update(jnp.asarray(batch), together=True)
    everything = np.concatenate(batches, axis=1, dtype=np.float64).reshape(-1, O)
    np.testing.assert_array_equal(normalizer.count, K * sum(sizes))
    for row in range(K):
        np.testing.assert_allclose(normalizer.mean[row], everything.mean(0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(normalizer.variance[row], everything.var(0), rtol=2e-3)


def test_normalised_observations_have_zero_mean_and_unit_variance():
    (batch,) = map(jnp.asarray, batches_of([500]))
    standard = Normalizer.identity(K, O).update(batch)(batch)
    np.testing.assert_allclose(standard.mean(axis=1), 0.0, atol=1e-3)
    np.testing.assert_allclose(standard.std(axis=1), 1.0, rtol=1e-3)


def test_observations_are_left_alone_before_anything_was_seen():
    observations = jnp.array([[[1.0, -2.0, 3.0]], [[0.0, 0.5, 9.0]]])
    np.testing.assert_allclose(Normalizer.identity(K, O)(observations), observations, rtol=1e-6)


def test_outliers_are_clipped_on_both_sides():
    outliers = jnp.array([[[1e9, -1e9, 0.0]], [[0.0, 0.0, 11.0]]])
    clipped = Normalizer.identity(K, O)(outliers)
    np.testing.assert_array_equal(clipped, [[[CLIP, -CLIP, 0.0]], [[0.0, 0.0, CLIP]]])


@pytest.mark.parametrize("value", [0.0, 7.0, 100.1, 1234.567, -1e6])
@pytest.mark.parametrize("size", [10, 2048])
def test_entry_that_never_varied_is_the_same_number_for_ever_and_never_above_one(value, size):
    """It is 0 where the mean is exact: rounding may add what the small variance makes much of."""
    constant = jnp.full((K, size, O), value)
    normalizer = Normalizer.identity(K, O).update(constant)
    standard = np.asarray(normalizer(constant))
    assert (standard == standard[:, :1]).all()
    assert (np.abs(standard) <= 1.0 + 1e-5).all()


def test_statistics_survive_a_large_offset():
    """Sums of squares would lose the variance of 100,000 +- 1 in single precision."""
    observations = jnp.asarray(1e5 + np.random.default_rng(0).normal(size=(K, 4000, O)))
    normalizer = Normalizer.identity(K, O)
    for part in jnp.split(observations.astype(jnp.float32), 4, axis=1):
        normalizer = normalizer.update(part)
    np.testing.assert_allclose(normalizer.variance, 1.0, rtol=0.1)


@pytest.mark.parametrize("source", [[1, 0], [1, 1]])
def test_take_copies_rows_of_statistics(source):
    (batch,) = batches_of([5])
    normalizer = Normalizer.identity(K, O).update(jnp.asarray(batch))
    taken = normalizer.take(jnp.array(source))
    for j, origin in enumerate(source):
        np.testing.assert_array_equal(taken.mean[j], normalizer.mean[origin])
        np.testing.assert_array_equal(taken.variance[j], normalizer.variance[origin])


def test_observations_that_are_taken_as_they_are_are_not_clipped_either():
    raw = jnp.array([[[1e3, -40.0, 0.5]], [[11.0, 250.0, -1e6]]])
    np.testing.assert_array_equal(Normalizer.identity(K, O, clip=math.inf)(raw), raw)
    assert float(jnp.max(jnp.abs(Normalizer.identity(K, O)(raw)))) == CLIP
