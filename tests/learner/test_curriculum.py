"""The curriculum of mixes, against hand computations."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.learner.curriculum import (
    FIRST_WIDTH,
    FOOTING,
    LEADING,
    Curriculum,
    chained,
    loses_by_ends,
)
from handful.transitions import Transitions

LIMIT = 10
STEPS = 5

LINK = math.sqrt(2.0 - 2.0 * 0.8)
"""The length of a link between users whose rewards have a cosine of 0.8."""


def batch_of(features, terminated=None, truncated=None):
    """Return a batch of the features [K, T, B, D]."""
    start = features.shape[:3]
    nothing = jnp.zeros(start, bool)
    seen = jnp.zeros((*start, 1))
    return Transitions(
        seen,
        jnp.zeros(start, jnp.int32),
        jnp.zeros(start),
        jnp.asarray(features),
        seen,
        nothing if terminated is None else jnp.asarray(terminated),
        nothing if truncated is None else jnp.asarray(truncated),
    )


def ends(*at):
    """Return flags [K, T, 1] that are set at the given steps of each policy."""
    flags = np.zeros((len(at), STEPS, 1), bool)
    for policy, steps in enumerate(at):
        flags[policy, list(steps)] = True
    return flags


PAID = np.ones((2, STEPS, 1, 2), np.float32)
AT_ENDS = PAID * ends([0, 2], [])[..., None]
USERS = jnp.eye(2)


def chain_of_three():
    """Three users, of whom the first and the last are paid for nothing together."""
    return jnp.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.8], [0.0, 0.8, 1.0]])


def test_distances_add_up_along_a_chain_of_users():
    expected = [[0.0, LINK, 2 * LINK], [LINK, 0.0, LINK], [2 * LINK, LINK, 0.0]]
    np.testing.assert_allclose(chained(chain_of_three()), expected, rtol=1e-5)


def test_users_without_a_chain_are_one_step_between_strangers_farther_than_all_others():
    cosines = jnp.eye(4).at[:3, :3].set(chain_of_three())
    np.testing.assert_allclose(chained(cosines)[3, :3], 2 * LINK + math.sqrt(2.0), rtol=1e-5)


@given(st.integers(0, 30))
def test_distances_are_those_of_a_metric(seed):
    users = np.random.default_rng(seed).normal(size=(7, 3))
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    distances = np.asarray(chained(jnp.asarray(users @ users.T, jnp.float32)))
    np.testing.assert_allclose(distances, distances.T, rtol=1e-4, atol=1e-5)
    assert not np.diagonal(distances).any()
    # Those whom only the step between strangers joins do not go over others.
    over = (distances[:, :, None] + distances[None]).min(axis=1)
    assert (distances <= over + 1e-4).all()


def begun(num_policies=2, users=USERS, centres=None):
    centres = jnp.arange(num_policies) if centres is None else jnp.asarray(centres)
    none = Curriculum.none(users, jnp.eye(users.shape[1]), centres)
    return dataclasses.replace(none, come=jnp.zeros(len(users)), has_begun=jnp.array(True))


def test_there_is_no_curriculum_before_a_batch_has_shown_that_users_lose():
    none = Curriculum.none(USERS, jnp.eye(2), jnp.array([0, 1]))
    mixes = jnp.array([[0.3, 0.7], [1.0, 0.0]])
    np.testing.assert_array_equal(none.led(jnp.array([0, 1]), mixes, USERS), mixes)
    falls = batch_of(PAID, terminated=ends([0, 2], [1]))
    after = none.after(falls, USERS, jnp.array(0.1), LIMIT, jnp.array(False))
    np.testing.assert_array_equal(after.come, 1.0)
    assert not after.has_begun
    after = none.after(falls, USERS, jnp.array(0.1), LIMIT, jnp.array(True))
    np.testing.assert_array_equal(after.come, 0.0)
    assert after.has_begun


def test_mixes_are_paid_alike_where_there_is_a_curriculum_also_when_it_is_over():
    mixes, moment = jnp.array([[1.0, 0.0], [0.5, 0.5]]), jnp.eye(2)
    over = dataclasses.replace(begun(), come=jnp.ones(2))
    sizes = np.linalg.norm(over.paid(mixes, moment), axis=1)
    np.testing.assert_allclose(sizes, (1.0 + math.sqrt(0.5)) / 2, rtol=1e-6)
    none = Curriculum.none(USERS, moment, jnp.array([0, 1]))
    np.testing.assert_array_equal(none.paid(mixes, moment), mixes)


@pytest.mark.parametrize(
    ("features", "terminated", "expected"),
    [
        (PAID, ends([0, 2], []), True),
        (PAID, ends([0], []), True),
        (PAID, ends([], []), False),
        (PAID - 1.5, ends([0, 2], [1, 3]), False),
        (AT_ENDS + 0.1 * PAID, ends([0, 2], []), False),
        (0.2 * AT_ENDS + 0.1 * PAID, ends([0, 2], []), True),
        (PAID * [1.0, 0.0], ends([0, 2], []), True),
    ],
    ids=[
        "often",
        "just often enough",
        "never",
        "costs",
        "ends pay most",
        "ends pay some",
        "one user is paid",
    ],
)
def test_users_lose_by_early_ends_where_nothing_costs_and_other_steps_pay(
    features, terminated, expected
):
    """One end in ten steps: episodes of ten, the limit.

    Of two ends and eight other steps, ends are paid 2 * 1.1 or 2 * 0.3, and the others 0.1 each.
    """
    batch = batch_of(np.asarray(features, np.float32), terminated)
    assert bool(loses_by_ends(batch, USERS, LIMIT)) is expected


def test_a_time_limit_that_cuts_is_no_loss():
    assert not loses_by_ends(batch_of(PAID, truncated=ends([0, 2], [1, 3])), USERS, LIMIT)


def test_a_user_whom_nothing_pays_spoils_no_mix():
    users = jnp.array([[1.0, 0.0], [0.9, 0.1], [0.0, 0.0]])
    state = begun(users=users, centres=[0, 2])
    np.testing.assert_array_equal(jnp.diagonal(state.distances), 0.0)
    assert float(state.shares[2]) == 1.0
    assert np.isfinite(state.led(jnp.arange(3), users, users)).all()


def test_at_first_a_mix_counts_users_by_how_near_their_wishes_are():
    cosines = np.asarray(chain_of_three(), float)
    # Users whose products under the moment are these cosines: the moment holds them.
    state = Curriculum.none(jnp.eye(3), jnp.asarray(cosines), jnp.array([0]))
    state = dataclasses.replace(state, come=jnp.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(state.shares, [1 / 1.8, 1 / 2.6, 1 / 1.8], rtol=1e-5)
    assert 2 * LINK * FIRST_WIDTH > 1.0
    mixes = state.led(jnp.array([0, 1, 2]), jnp.full((3, 3), 7.0), jnp.eye(3))
    first = 2 * LINK * FIRST_WIDTH
    weights = np.array([1.0, math.exp(-LINK / first), math.exp(-2 * LINK / first)])
    weights *= np.asarray(state.shares)
    np.testing.assert_allclose(mixes[0], weights / weights.sum(), rtol=1e-4)
    half = math.exp(-LINK / math.sqrt(first))
    weights = np.array([half, 1.0, half]) * np.asarray(state.shares)
    np.testing.assert_allclose(mixes[1], weights / weights.sum(), rtol=1e-4)
    np.testing.assert_array_equal(mixes[2], 7.0)


def test_a_way_goes_on_where_an_episode_lasted_and_back_where_it_did_not():
    """The first policy ends an episode of 8 steps, the second two of 2 and 3."""
    state = dataclasses.replace(begun(), come=jnp.array([0.5, 0.5]), ages=jnp.array([4.0, 0.0]))
    assert FOOTING * LIMIT == 8
    batch = batch_of(PAID, terminated=ends([3], [1, 4]))
    after = state.after(batch, USERS, jnp.array(0.01), LIMIT, jnp.array(False))
    near = math.exp(-math.sqrt(2.0))
    episodes = 2 * STEPS / LIMIT
    step = 0.01 / (LEADING * episodes * (1 + near) / 2)
    moved = step * (1.0 - near)
    np.testing.assert_allclose(after.come, [0.5 + moved, 0.5 - moved], rtol=1e-5)
    np.testing.assert_array_equal(after.ages, [1.0, 0.0])
    assert float(after.progress) == pytest.approx(0.01)


def test_a_policy_whose_episode_goes_on_moves_nothing():
    state = dataclasses.replace(begun(), come=jnp.array([0.5, 0.5]))
    after = state.after(batch_of(PAID), USERS, jnp.array(0.2), LIMIT, jnp.array(False))
    np.testing.assert_array_equal(after.come, [0.5, 0.5])
    np.testing.assert_array_equal(after.ages, [5.0, 5.0])


def test_ways_are_over_after_the_leading_share_if_no_episode_ends_early():
    state, batches = begun(centres=[0, 1]), 40
    whole = batch_of(PAID, truncated=ends([4], [4]))
    going = batch_of(PAID)
    for update in range(1, batches + 1):
        batch = going if update % 2 else whole
        progress = jnp.array(LEADING * update / batches)
        state = state.after(batch, USERS, progress, LIMIT, jnp.array(False))
        if update == batches // 2:
            np.testing.assert_allclose(state.come, 0.5, rtol=1e-4)
    np.testing.assert_allclose(state.come, 1.0, rtol=1e-4)


def test_a_curriculum_that_is_over_does_not_begin_again():
    state = dataclasses.replace(begun(), come=jnp.ones(2))
    falls = batch_of(PAID, terminated=ends([0, 2], [1]))
    after = state.after(falls, USERS, jnp.array(0.5), LIMIT, jnp.array(False))
    np.testing.assert_array_equal(after.come, 1.0)


def test_policies_whose_episodes_ended_head_for_other_users():
    after = begun(centres=[0, 1]).following(jnp.array([True, False]), jnp.array([1, 0]))
    np.testing.assert_array_equal(after.centres, [1, 1])
