from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.jax_rollout import collect, init_collector
from handful.environment import Box, TimeStep
from handful.learner.distributions import Categorical, Gaussian
from handful.problem import make
from handful.types import Array, Float, Int, PRNGKey
from tests.environments import POISON, ContextualBandit, Push, TwoRooms, Weather, problem_of

NUM_ENVS = 4


def keys_of(num_policies, seed=0):
    return jax.random.split(jax.random.key(seed), num_policies)


def uniform(num_actions):
    return lambda observations: Categorical(jnp.zeros((*observations.shape[:2], num_actions)))


def wide_gaussian(observations):
    shape = (*observations.shape[:2], 1)
    return Gaussian(jnp.full(shape, 0.3), jnp.full(shape, 0.7))


def collect_uniform(problem, num_steps, state=None, num_policies=2):
    state = state or init_collector(keys_of(num_policies), problem, NUM_ENVS)
    policy_fn = uniform(problem.environment.action_space.num_actions)
    return jax.jit(lambda s: collect(s, problem, policy_fn, num_steps))(state)


@pytest.fixture(scope="module")
def grid():
    """Two batches that follow each other on a grid whose episodes end both ways."""
    problem = make("resource-gathering", height=3, width=3, time_limit=5)
    state, first, finished = collect_uniform(problem, 30)
    _, second, later = collect_uniform(problem, 30, state)
    return problem, (first, second), (finished, later)


def test_transitions_are_what_the_environment_gives_by_hand(grid):
    problem, (batch, _), _ = grid
    step = jax.jit(problem.environment.step)
    key = jax.random.key(0)
    for policy in range(2):
        for env in range(NUM_ENVS):
            one = jax.tree.map(lambda leaf, p=policy, b=env: np.asarray(leaf[p, :, b]), batch)
            state, observation = problem.environment.reset(key)
            for t in range(30):
                np.testing.assert_array_equal(one.observations[t], observation)
                state, expected = step(key, state, jnp.asarray(one.actions[t]))
                features = problem.population.features(expected.outcome)
                np.testing.assert_array_equal(one.next_observations[t], expected.observation)
                np.testing.assert_array_equal(one.features[t], features)
                assert one.terminated[t] == expected.terminated
                assert one.truncated[t] == expected.truncated
                observation = expected.observation
                if expected.terminated or expected.truncated:
                    state, observation = problem.environment.reset(key)


def test_both_kinds_of_end_occurred_and_never_together(grid):
    _, batches, _ = grid
    for batch in batches:
        assert batch.terminated.any()
        assert batch.truncated.any()
        assert not (batch.terminated & batch.truncated).any()


def test_finished_episodes_add_up_also_across_batches(grid):
    _, batches, reports = grid
    running = np.zeros((2, NUM_ENVS, 9))
    for batch, finished in zip(batches, reports, strict=True):
        total, count = np.zeros((2, 9)), np.zeros(2, int)
        ended = np.asarray(batch.terminated | batch.truncated)
        for t in range(30):
            running += np.asarray(batch.features[:, t])
            for policy, env in np.argwhere(ended[:, t]):
                total[policy] += running[policy, env]
                count[policy] += 1
                running[policy, env] = 0
        np.testing.assert_array_equal(finished.count, count)
        np.testing.assert_allclose(finished.total_return, total)
    assert (running == 0).all(), "this grid pays at the end of an episode only"


def test_returns_of_running_episodes_are_carried_over():
    problem = problem_of(Weather(time_limit=4))
    state, first, finished = collect_uniform(problem, 3)
    np.testing.assert_array_equal(finished.count, 0)
    _, second, finished = collect_uniform(problem, 3, state)
    np.testing.assert_array_equal(finished.count, NUM_ENVS)
    whole = first.features.sum(axis=1) + second.features[:, 0]
    np.testing.assert_allclose(finished.total_return, whole.sum(axis=1), rtol=1e-5)


def test_environment_gets_the_clipped_action_and_learning_the_raw_one():
    problem = problem_of(Push(low=(-0.5,), high=(0.75,)), np.ones((1, 1)))
    state = init_collector(keys_of(2), problem, NUM_ENVS)
    _, batch, _ = collect(state, problem, wide_gaussian, 50)
    assert batch.actions.min() < -1.0
    assert batch.actions.max() > 1.5
    np.testing.assert_array_equal(batch.features, np.clip(batch.actions, -0.5, 0.75))
    raw = wide_gaussian(jnp.zeros((2, 50 * NUM_ENVS, 3)))
    expected = raw.log_prob(batch.actions.reshape(2, -1, 1))
    np.testing.assert_allclose(batch.log_probs.reshape(2, -1), expected, rtol=1e-5)


def test_final_observations_are_kept_and_resets_follow_them():
    _, batch, _ = collect_uniform(problem_of(ContextualBandit()), 20)
    np.testing.assert_array_equal(batch.next_observations, POISON)
    np.testing.assert_array_equal(batch.observations.sum(axis=-1), 1.0)
    _, batch, _ = collect_uniform(problem_of(TwoRooms()), 40)
    np.testing.assert_array_equal(batch.next_observations[..., 1], 1.0)
    assert 0.6 < batch.observations[..., 0].mean() < 0.9


def test_all_environments_and_steps_have_chance_of_their_own():
    problem = problem_of(Weather())
    state, first, _ = collect_uniform(problem, 10)
    _, second, _ = collect_uniform(problem, 10, state)
    drawn = np.concatenate([batch.features.reshape(-1, 2) for batch in (first, second)])
    assert len(np.unique(drawn, axis=0)) == len(drawn)
    actions = np.asarray(first.actions)
    assert not np.array_equal(actions[0], actions[1])


def test_a_new_episode_has_chance_of_its_own_and_not_that_of_the_step_before():
    """Here a reset and a step draw alike: with one key the new start would be the old end."""
    _, batch, _ = collect_uniform(problem_of(Weather(time_limit=2)), 12)
    ends = np.asarray(batch.next_observations[:, 1:-1:2]).reshape(-1, 2)
    starts = np.asarray(batch.observations[:, 2::2]).reshape(-1, 2)
    assert batch.truncated[:, 1::2].all()
    drawn = np.concatenate([ends, starts])
    assert len(np.unique(drawn, axis=0)) == len(drawn)


def pieces(key):
    """A key as four numbers that single precision holds exactly."""
    words = jax.random.key_data(key).astype(jnp.uint32)
    return jnp.concatenate([words >> 16, words & 0xFFFF]).astype(jnp.float32)


class TellKey(eqx.Module):
    """A policy's distribution whose sample says by which key it was drawn."""

    observations: Array

    def sample(self, key):
        return jnp.broadcast_to(pieces(key), self.observations.shape)

    def mode(self):
        return jnp.zeros_like(self.observations)

    def log_prob(self, action):
        return jnp.zeros(action.shape[:-1])


@dataclass(frozen=True)
class TellKeys:
    """What is seen at a start, and what is earned and seen after a step, is the key itself."""

    time_limit: int = 3
    observation_size: int = 4
    action_space: Box = Box((0.0,) * 4, (65536.0,) * 4)  # noqa: RUF009

    def reset(self, key: PRNGKey):
        return jnp.zeros((), jnp.int32), pieces(key)

    def step(self, key: PRNGKey, state: Int[Array, ""], action: Float[Array, " A"]):
        told, over = pieces(key), state + 1 >= self.time_limit
        return state + 1, TimeStep(told, told, jnp.zeros((), bool), over)


def test_no_two_draws_share_a_key():
    """Neither actions, steps nor starts, of whichever policy, environment or batch."""
    problem = problem_of(TellKeys(), np.eye(4))
    state = init_collector(keys_of(2), problem, NUM_ENVS)
    drawn = [np.asarray(state.observations).reshape(-1, 4)]
    for _ in range(2):
        state, batch, _ = collect(state, problem, TellKey, 6)
        drawn.append(np.asarray(batch.actions[:, :, 0]).reshape(-1, 4))  # one key for all copies
        drawn.append(np.asarray(batch.features).reshape(-1, 4))
        ended = np.asarray(batch.truncated)
        starts = np.concatenate([batch.observations[:, 1:], state.observations[:, None]], axis=1)
        drawn.append(starts[ended])
        assert ended.sum() == 2 * 2 * NUM_ENVS
    everything = np.concatenate(drawn)
    assert len(np.unique(everything, axis=0)) == len(everything)


def test_policy_depends_on_its_own_key_and_not_on_its_label():
    problem = problem_of(Weather())
    keys = keys_of(3)
    order = jnp.array([2, 0, 1])
    policy_fn = uniform(2)
    results = [
        collect(init_collector(some, problem, NUM_ENVS), problem, policy_fn, 6)
        for some in (keys, keys[order])
    ]
    (_, batch, finished), (_, permuted, permuted_finished) = results
    for one, other in zip(
        jax.tree.leaves((batch, finished)),
        jax.tree.leaves((permuted, permuted_finished)),
        strict=True,
    ):
        np.testing.assert_array_equal(other, one[order])


def test_short_episodes_are_cut_in_half_of_the_environments_and_do_not_count():
    problem = problem_of(Weather(time_limit=6))
    state = init_collector(keys_of(2), problem, 4, short_episodes=2)
    state, first, finished = collect(state, problem, uniform(2), 3, 2)
    np.testing.assert_array_equal(finished.count, 0)
    _, second, finished = collect(state, problem, uniform(2), 3, 2)
    truncated = np.concatenate([first.truncated, second.truncated], axis=1)
    np.testing.assert_array_equal(np.flatnonzero(truncated[0, :, 0]) + 1, [2, 4, 6])
    np.testing.assert_array_equal(np.flatnonzero(truncated[0, :, 3]) + 1, [6])
    np.testing.assert_array_equal(finished.count, 2)
    earned = np.concatenate([first.features, second.features], axis=1)[:, :, 2:]
    np.testing.assert_allclose(finished.total_return, earned.sum(axis=(1, 2)), rtol=1e-5)
