"""Remembered episodes, against a plain search through a stream of transitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.archive import EpisodeArchive
from handful.collect.jax_rollout import collect, init_collector
from handful.learner.distributions import Categorical
from handful.problem import make
from tests.environments import errands_problem

K, B, T, LIMIT = 2, 4, 12, 5
NOTHING = jnp.array([-1])


def total(returns):
    return jnp.sum(returns, axis=-1)


@pytest.fixture(scope="module")
def stream():
    """Three batches that follow each other, and the problem."""
    problem = make("resource-gathering", height=3, width=3, time_limit=LIMIT)
    state = init_collector(jax.random.split(jax.random.key(0), K), problem, B)
    uniform = lambda seen: Categorical(jnp.zeros((*seen.shape[:2], 4)))  # noqa: E731
    step = jax.jit(lambda s: collect(s, problem, uniform, T))
    batches = []
    for _ in range(3):
        state, batch, _ = step(state)
        batches.append(batch)
    return problem, batches


def whole_episodes(batches):
    """Every episode that lies in one batch: its return, observations and actions."""
    found = []
    for policy in range(K):
        for env in range(B):
            is_new = True
            for batch in batches:
                one = jax.tree.map(lambda leaf, p=policy, e=env: np.asarray(leaf[p, :, e]), batch)
                ended = one.terminated | one.truncated
                start = 0 if is_new else None
                for t in range(T):
                    if ended[t]:
                        if start is not None:
                            rows = slice(start, t + 1)
                            found.append(
                                (
                                    one.features[rows].sum(axis=0),
                                    one.observations[rows],
                                    one.actions[rows],
                                )
                            )
                        start = t + 1
                is_new = ended[-1]
    return found


def filled(problem, batches, size, worth_fn=total, protected=NOTHING):
    archive = EpisodeArchive.empty(problem, K, B, T, size)
    for update, batch in enumerate(batches):
        archive = archive.add(batch, jnp.asarray(update), LIMIT, worth_fn, protected)
    return archive


def test_it_keeps_the_different_episodes_that_are_worth_most(stream):
    problem, batches = stream
    found = whole_episodes(batches)
    different = np.unique(np.round([returns for returns, *_ in found], 4), axis=0)
    best = np.sort(different.sum(axis=1))[::-1]
    assert len(best) > 4
    archive = filled(problem, batches, 4)
    np.testing.assert_allclose(np.sort(archive.returns.sum(axis=1))[::-1], best[:4], rtol=1e-6)
    roomy = filled(problem, batches, 100)
    assert int(roomy.is_filled.sum()) == len(best)


def test_an_episode_is_kept_with_all_that_was_seen_and_done_in_it(stream):
    problem, batches = stream
    found = whole_episodes(batches)
    archive = filled(problem, batches, 4)
    for row in range(4):
        length = int(archive.lengths[row])
        seen = np.asarray(archive.observations[row])
        done = np.asarray(archive.actions[row])
        assert any(
            len(actions) == length
            and np.allclose(returns, archive.returns[row], rtol=1e-6)
            and np.array_equal(observations, seen[:length])
            and np.array_equal(actions, done[:length])
            for returns, observations, actions in found
        )
        assert not seen[length:].any()
        assert not done[length:].any()
        assert 0 <= int(archive.born[row]) < len(batches)


def test_protected_rows_stay_and_others_make_room(stream):
    problem, batches = stream
    first = filled(problem, batches[:1], 3)
    least = int(jnp.argmin(first.returns.sum(axis=1)))
    later = first
    for update, batch in enumerate(batches[1:], start=1):
        later = later.add(
            batch, jnp.asarray(update), LIMIT, lambda r: -total(r), jnp.array([-1, least])
        )
    np.testing.assert_array_equal(later.returns[least], first.returns[least])
    others = np.arange(3) != least
    assert (later.born[others] > 0).any()


def test_the_same_batch_again_adds_nothing(stream):
    problem, batches = stream
    once = filled(problem, batches[:1], 50)
    again = once.add(batches[0], jnp.asarray(1), LIMIT, total, NOTHING)
    np.testing.assert_array_equal(again.is_filled, once.is_filled)
    assert not (again.born == 1).any()


def test_episodes_longer_than_there_is_room_for_are_left_out(stream):
    problem, batches = stream
    assert max(len(actions) for *_, actions in whole_episodes(batches)) > 3
    archive = EpisodeArchive.empty(problem, K, B, 3, 100)
    for update, batch in enumerate(batches):
        archive = archive.add(batch, jnp.asarray(update), LIMIT, total, NOTHING)
    assert 0 < int(archive.lengths.max()) <= 3


def test_demonstrations_are_the_rows_asked_for(stream):
    problem, batches = stream
    archive = filled(problem, batches, 4)
    demonstrations = archive.demonstrations(jnp.array([2, -1]))
    np.testing.assert_array_equal(demonstrations.observations[0], archive.observations[2])
    assert int(demonstrations.is_step[0].sum()) == int(archive.lengths[2])
    assert not demonstrations.is_step[1].any()


def test_an_episode_that_was_cut_before_its_time_limit_is_no_whole_one():
    """Half of the environments cut episodes of seven steps after three: only falls count there."""
    problem, limit, short = errands_problem(), 7, 3
    state = init_collector(jax.random.split(jax.random.key(1), K), problem, B, False, short)
    uniform = lambda seen: Categorical(jnp.zeros((*seen.shape[:2], 3)))  # noqa: E731
    _, batch, _ = jax.jit(lambda s: collect(s, problem, uniform, 28, short))(state)
    archive = EpisodeArchive.empty(problem, K, B, 28, 100)
    archive = archive.add(batch, jnp.asarray(0), limit, total, NOTHING)
    ends = np.asarray(batch.terminated | batch.truncated)
    expected = []
    for policy, env in np.ndindex(K, B):
        start = 0
        for end in np.flatnonzero(ends[policy, :, env]) + 1:
            if batch.terminated[policy, end - 1, env] or end - start == limit:
                expected.append(np.asarray(batch.features[policy, start:end, env]).sum(axis=0))
            start = end
    cut = np.asarray(batch.truncated)[:, :, : B // 2]
    assert cut.sum() > 10
    kept = np.asarray(archive.returns)[np.asarray(archive.is_filled)]
    assert len(kept) == len(expected) > 5
    np.testing.assert_allclose(
        np.sort(kept.sum(axis=1)), np.sort(np.sum(expected, axis=1)), rtol=1e-5
    )
