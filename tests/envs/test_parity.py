"""Step for step the same as MO-Gymnasium's `resource-gathering` with its map emptied."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.problem import make

pytest.importorskip("mo_gymnasium")

HOME = (4, 2)
LIMIT = 40


class Episode(NamedTuple):
    """What MO-Gymnasium did, padded to the time limit; users' rewards as the paper has them."""

    actions: np.ndarray
    positions: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    rewards: np.ndarray
    length: int


@pytest.fixture(scope="module")
def original():
    import gymnasium
    from mo_gymnasium.envs.resource_gathering.resource_gathering import ResourceGathering

    environment = ResourceGathering()
    environment.map[:] = " "
    environment.map[HOME] = "H"
    return gymnasium.wrappers.TimeLimit(environment, LIMIT)


def random_action(generator, position):
    return int(generator.integers(4))


def action_away_from_home(generator, position):
    """Random, but home is stepped on at the end only, if the last step happens to lead there."""
    moves = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    after = [tuple(np.clip(np.add(position, move), 0, 4)) for move in moves]
    return int(generator.choice([action for action in range(4) if after[action] != HOME]))


def scripted(*actions):
    remaining = iter(actions)
    return lambda generator, position: next(remaining)


def drive(original, choose, generator):
    original.reset(seed=0)
    position, visited = HOME, set()
    parts = [[], [], [], []]
    rewards = np.zeros((LIMIT, 25), np.float32)
    for step in range(1, LIMIT + 1):
        action = choose(generator, position)
        observation, _, terminated, truncated, _ = original.step(action)
        position = (int(observation[0]), int(observation[1]))
        visited.add(position)
        for part, value in zip(parts, (action, position, terminated, truncated), strict=True):
            part.append(value)
        if terminated:
            for row, column in visited:
                rewards[step - 1, row * 5 + column] = 100 - step
        if terminated or truncated:
            padding = LIMIT - step
            padded = [np.array(part + part[-1:] * padding) for part in parts]
            return Episode(*padded, rewards, step)
    raise AssertionError("the time limit did not cut the episode")


@pytest.fixture(scope="module")
def run_ours():
    """Positions, ends and rewards of a batch of action sequences, with no reset in between."""
    problem = make("resource-gathering")
    environment, key = problem.environment, jax.random.key(0)

    def one(actions):
        def step(state, action):
            state, step = environment.step(key, state, action)
            rewards = problem.population.features(step.outcome)
            return state, (state.position, step.terminated, step.truncated, rewards)

        return jax.lax.scan(step, environment.reset(key)[0], actions)[1]

    return jax.jit(jax.vmap(one))


def assert_same(run_ours, episodes):
    actions = np.stack([episode.actions for episode in episodes]).astype(np.int32)
    positions, terminated, truncated, rewards = jax.device_get(run_ours(jnp.asarray(actions)))
    for index, episode in enumerate(episodes):
        steps = slice(0, episode.length)
        np.testing.assert_array_equal(positions[index, steps], episode.positions[steps])
        np.testing.assert_array_equal(terminated[index, steps], episode.terminated[steps])
        np.testing.assert_array_equal(rewards[index, steps], episode.rewards[steps])
        # Gymnasium's TimeLimit calls an episode truncated even where it also terminated.
        only_truncated = episode.truncated & ~episode.terminated
        np.testing.assert_array_equal(truncated[index, steps], only_truncated[steps])


def test_thousands_of_random_actions_have_the_same_effect(original, run_ours):
    generator = np.random.default_rng(0)
    episodes = [drive(original, random_action, generator) for _ in range(500)]
    assert sum(episode.length for episode in episodes) > 3000
    assert_same(run_ours, episodes)


def test_long_walks_have_the_same_effect_and_are_cut_at_the_same_step(original, run_ours):
    generator = np.random.default_rng(1)
    episodes = [drive(original, action_away_from_home, generator) for _ in range(100)]
    assert all(episode.length == LIMIT for episode in episodes)
    assert_same(run_ours, episodes)


@pytest.mark.parametrize(
    ("actions", "best"),
    [
        pytest.param([1], 99, id="bump at the start"),
        pytest.param([0, *[2, 3] * 19, 1], 60, id="home in the last step"),
        pytest.param([0, 1], 98, id="there and back"),
    ],
)
def test_particular_tours_have_the_same_effect(original, run_ours, actions, best):
    episode = drive(original, scripted(*actions), None)
    assert episode.length == len(actions)
    assert episode.rewards.max() == best
    assert_same(run_ours, [episode])
