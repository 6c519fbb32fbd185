"""Exploring: which problems are explored, and how interest in novelty falls."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Discrete
from handful.learner.exploring import END, LARGEST_INTEREST, Exploration, has_rare_rewards
from handful.transitions import Transitions

LANES = 50


def batch_of(features):
    start = features.shape[:3]
    seen = jnp.zeros((*start, 2))
    flags = jnp.zeros(start, bool)
    return Transitions(seen, jnp.zeros(start, jnp.int32), flags * 1.0, features, seen, flags, flags)


def begun():
    return Exploration.begin(LANES, 4, 2, Discrete(3), 2)


RARE = np.zeros((LANES, 4, 1, 2), np.float32)
RARE[..., 1] = -np.arange(4)[:, None]
RARE[0, 0, 0, 0] = 1.0
USERS = jnp.eye(2)
DENSE = np.random.default_rng(0).normal(size=RARE.shape).astype(np.float32)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (RARE, True),
        (np.full_like(RARE, -1.0), True),
        (DENSE, False),
        (-np.abs(DENSE), False),
        (-RARE, False),
    ],
    ids=["paid once", "the same cost", "all vary", "costs vary", "one feature pays often"],
)
def test_rewards_are_rare_where_a_feature_stays_the_same_and_hardly_any_are_paid(
    features, expected
):
    assert bool(has_rare_rewards(jnp.asarray(features), USERS)) is expected


def test_a_share_of_a_twentieth_is_not_rare():
    """19 in 20 transitions pay nothing: rare; 18 in 20: not."""
    rows = np.zeros((40, 1), np.float32)
    rows[:2] = 1.0
    assert has_rare_rewards(jnp.asarray(rows), jnp.ones((1, 1)))
    rows[:4] = 1.0
    assert not has_rare_rewards(jnp.asarray(rows), jnp.ones((1, 1)))


def test_nothing_is_counted_or_kept_where_rewards_are_not_rare():
    batch = batch_of(jnp.asarray(DENSE))
    state, _ = begun().meet(batch, 10.0)
    state = state.decided(batch.features, USERS)
    assert int(state.recall.number) == LANES  # the first batch is kept, whatever it shows
    after, found = state.meet(batch, 10.0)
    assert int(after.recall.number) == LANES
    assert not np.asarray(found).any()
    same = state.interested(jax.random.key(0), jnp.ones(LANES, bool), False, jnp.zeros(()))
    assert not np.asarray(same.interest).any()


def test_novelty_that_is_usual_is_worth_one_within_the_horizon():
    batch = batch_of(jnp.asarray(RARE))
    state, found = begun().meet(batch, 10.0)
    assert float(found.mean()) * 10.0 == pytest.approx(1.0, rel=1e-4)
    state = state.decided(batch.features, USERS)
    assert int(state.meet(batch, 10.0)[0].recall.number) == 2 * LANES


def test_interest_falls_to_nothing_and_only_some_draw_it_anew():
    state = begun().decided(jnp.asarray(RARE), USERS)
    everyone = jnp.ones(LANES, bool)
    first = state.interested(jax.random.key(0), everyone, True, jnp.zeros(()))
    weights = np.asarray(first.interest)
    assert weights.min() >= 0
    assert 0.7 * LARGEST_INTEREST < weights.max() <= LARGEST_INTEREST
    later = first.interested(
        jax.random.key(1), everyone.at[1:].set(False), False, jnp.asarray(END / 2)
    )
    np.testing.assert_allclose(
        later.interest[1:], np.minimum(weights[1:], LARGEST_INTEREST / 2), rtol=1e-6
    )
    ended = later.interested(jax.random.key(2), everyone, False, jnp.asarray(END))
    assert not np.asarray(ended.interest).any()
