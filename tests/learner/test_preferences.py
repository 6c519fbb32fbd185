"""Mixes of preferences and their embedding, against hand computations and invariants."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import handful
from handful.learner.networks import Conditioning
from handful.learner.preferences import (
    WIDTHS,
    balanced,
    blend_moments,
    draw_mixes,
    embed_by_rewards,
    landmarks,
    neighbourhoods,
    prior_moment,
    refitted,
)


def users_of(seed, num_users=12, num_features=5):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(num_users, num_features)))


@given(st.integers(0, 50), st.integers(1, 8))
def test_each_entry_varies_by_one_over_users_and_none_goes_with_another(seed, size):
    users = users_of(seed)
    contexts = np.asarray(embed_by_rewards(users, jnp.diag(jnp.arange(1.0, 6.0)), size)(users))
    used = min(size, 5)
    assert contexts.shape == (12, size)
    np.testing.assert_allclose(contexts.mean(axis=0), 0.0, atol=1e-4)
    covariance = contexts.T @ contexts / 12
    np.testing.assert_allclose(covariance[:used, :used], np.eye(used), atol=1e-3)
    assert not contexts[:, used:].any()


def test_users_whose_rewards_never_differ_have_the_same_context():
    users = jnp.array([[1.0, 0.0, 0.0], [1.0, 0.0, 9.0], [0.0, 1.0, 0.0]])
    met = jnp.diag(jnp.array([1.0, 1.0, 0.0]))  # the third feature was never anything but 0
    first, second, third = np.asarray(embed_by_rewards(users, met, 2)(users))
    np.testing.assert_allclose(first, second, atol=1e-3)
    assert np.abs(first - third).max() > 0.5


def test_the_embedding_is_linear_in_mixes():
    users = users_of(3)
    embedding = embed_by_rewards(users, jnp.eye(5), 3)
    mean = embedding(jnp.mean(users[:4], axis=0, keepdims=True))[0]
    np.testing.assert_allclose(mean, jnp.mean(embedding(users[:4]), axis=0), atol=1e-5)


def test_a_layer_computes_the_same_for_an_embedding_that_is_turned_and_stretched():
    before = embed_by_rewards(users_of(1), jnp.eye(5), 5)(users_of(1))
    stretch = jnp.diag(jnp.array([1.0, 2.0, 3.0, 1.0, 0.5]))
    turned = jnp.linalg.qr(users_of(2, 5, 5))[0] @ stretch
    after = before @ turned
    layer = Conditioning(users_of(4, 5, 7), before)
    told = refitted(layer, before, after)
    np.testing.assert_allclose(after @ told.weight, before @ layer.weight, atol=2e-3)


def test_a_narrow_neighbourhood_is_its_user_and_a_wide_one_is_nearly_everybody():
    contexts = users_of(5, num_users=30)
    centres = jnp.array([4, 4])
    narrow, wide = np.asarray(neighbourhoods(centres, jnp.array([1e-3, 50.0]), contexts))
    assert narrow[4] == pytest.approx(1.0)
    np.testing.assert_allclose(wide, 1 / 30, rtol=0.02)


def test_nearer_users_weigh_more():
    line = jnp.arange(6.0)[:, None]
    weights = np.asarray(neighbourhoods(jnp.array([0]), jnp.array([0.7]), line))[0]
    assert weights.sum() == pytest.approx(1.0)
    assert (np.diff(weights) < 0).all()


def test_no_neighbourhoods_are_drawn_if_none_are_wanted_and_only_these_if_all_are():
    users = users_of(6)
    embedding = embed_by_rewards(users, jnp.eye(5), 5)
    single = np.asarray(draw_mixes(jax.random.key(0), 200, users, embedding, 0.0)[0])
    rows = {tuple(row) for row in np.asarray(users)}
    assert {tuple(row) for row in single} == rows  # every user comes in 200 draws
    groups = np.asarray(draw_mixes(jax.random.key(0), 200, users, embedding, 1.0)[0])
    assert np.mean([tuple(row) not in rows for row in groups]) > 0.6  # the narrowest are one user
    assert WIDTHS[0] < 1 < WIDTHS[1]


def test_outcomes_that_a_policy_might_keep_up_come_before_any_is_met():
    problem = handful.make("glide", users=4)
    features = np.asarray(jax.vmap(problem.population.features)(problem.constant_outcomes()))
    expected = features.T @ features / len(features)
    np.testing.assert_allclose(prior_moment(problem), expected, rtol=1e-5)
    bare = dataclasses.replace(problem, constant_outcomes=None)
    np.testing.assert_array_equal(prior_moment(bare), np.eye(4))


def test_moments_count_alike_whatever_their_units_are():
    blended = blend_moments(jnp.eye(2), 100 * jnp.diag(jnp.array([3.0, 1.0])))
    np.testing.assert_allclose(blended, np.diag([0.5 + 0.75, 0.5 + 0.25]))
    assert np.isfinite(blend_moments(jnp.eye(2), jnp.zeros((2, 2)))).all()


def test_of_many_users_a_thousand_are_drawn_from():
    many = jnp.arange(3000.0)[:, None]
    drawn = np.asarray(landmarks(jax.random.key(0), many))[:, 0]
    assert len(set(drawn)) == 1000
    assert landmarks(jax.random.key(0), many[:1000]).shape == (1000, 1)


def test_balanced_mixes_are_paid_alike_and_as_much_as_before_on_average():
    """A mix of two users who want different things is paid 1 where each of them is paid 2."""
    moment = jnp.diag(jnp.array([4.0, 4.0]))
    mixes = jnp.array([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]])
    sizes = np.array([2.0, math.sqrt(2.0), 0.0])
    expected = np.array([[1.0, 0.0], [0.5, 0.5]]) * (sizes.mean() / sizes[:2, None])
    even = balanced(mixes, moment)
    np.testing.assert_allclose(even[:2], expected, rtol=1e-6)
    assert not np.asarray(even[2]).any()
