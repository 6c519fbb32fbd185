"""Environments that are vectorised already, in each of Gymnasium's three reset modes."""

from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import Autoreset

from handful.envs.gym.problem import open_environment
from handful.errors import HandfulError
from tests.gym_environments import Counter

M, T = 4, 26


def vectors(kind, mode, length, num_envs):
    how = {"context": "forkserver"} if kind is AsyncVectorEnv else {}  # forking JAX deadlocks it
    copies = [partial(Counter, length + i % 2) for i in range(num_envs)]
    return kind(copies, autoreset_mode=mode, **how)


def roll(environment, num_envs=M):
    """Rows of steps, with the first three copies also cut by the caller now and then."""
    batch = environment.open(num_envs, 11, 1)
    rng, rows = np.random.default_rng(0), []
    try:
        seen = batch.reset(np.arange(num_envs))
        for step in range(T):
            taken = batch.step(rng.integers(3, size=num_envs))
            cut = np.zeros(num_envs, bool)
            cut[:3] = step % 9 == 8
            rows.append((seen, *taken))
            ended = taken.terminated | taken.truncated | cut
            seen = taken.observation.copy()
            if ended.any():
                seen[ended] = batch.reset(np.flatnonzero(ended))
    finally:
        batch.close()
    return [np.array([row[j] for row in rows]) for j in range(5)]


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_in_every_reset_mode_each_step_is_of_one_episode(kind, mode):
    environment = open_environment(
        partial(vectors, kind, mode, 5),
        features=["age", "rewards.luck", "reward"],
        time_limit=50,
        vectorized=True,
    )
    before, after, features, terminated, truncated = roll(environment)
    np.testing.assert_array_equal(after[..., 1], before[..., 1] + 1)  # one step older
    np.testing.assert_allclose(after[..., 2], before[..., 2])  # the same episode
    np.testing.assert_array_equal(features[..., 0], after[..., 1])  # the info of this step
    np.testing.assert_allclose(features[..., 1], after[..., 2], rtol=1e-6)
    np.testing.assert_array_equal(terminated, after[..., 1] == 5 + np.arange(M) % 2)
    assert set(np.unique(features[..., 2])) == {-1.0, 0.0, 1.0}
    assert not truncated.any()
    fresh = before[..., 1] == 0
    assert len(np.unique(before[fresh][:, 2])) == fresh.sum()  # every episode has its own chance


def test_the_time_limit_holds_for_vectors_too():
    make = partial(vectors, SyncVectorEnv, AutoresetMode.SAME_STEP, 5)
    environment = open_environment(make, time_limit=3, vectorized=True)
    _, after, _, terminated, truncated = roll(environment)
    np.testing.assert_array_equal(truncated, after[..., 1] == 3)
    assert not terminated.any()


def test_the_same_seed_gives_the_same_episodes():
    make = partial(vectors, SyncVectorEnv, AutoresetMode.NEXT_STEP, 5)
    environment = open_environment(make, time_limit=50, vectorized=True)
    for one, other in zip(roll(environment), roll(environment), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_of_a_vector_environment_itself_its_first_environment_is_copied(mode):
    environment = open_environment(vectors(SyncVectorEnv, mode, 5, 2), time_limit=50)
    before, after, *_ = roll(environment)
    np.testing.assert_array_equal(after[..., 1], before[..., 1] + 1)


def test_a_single_environment_that_resets_itself_is_reset_before_it_can():
    environment = open_environment(lambda: Autoreset(Counter(5)), time_limit=50)
    before, after, _, terminated, _ = roll(environment)
    np.testing.assert_array_equal(after[..., 1], before[..., 1] + 1)
    np.testing.assert_array_equal(terminated, after[..., 1] == 5)


def test_vectors_that_cannot_reset_single_copies_are_refused():
    def make(num_envs):
        return gymnasium.make_vec("CartPole-v1", num_envs, vectorization_mode="vector_entry_point")

    environment = open_environment(make, time_limit=20, vectorized=True)
    with pytest.raises(HandfulError, match="resets all copies where it was asked to reset one"):
        environment.open(M, 0, 1)


def test_vectors_of_other_sizes_and_kinds_are_refused():
    two = vectors(SyncVectorEnv, AutoresetMode.DISABLED, 5, 2)
    with pytest.raises(HandfulError, match="asked for 1 copies and made one of 2"):
        open_environment(lambda num_envs: two, time_limit=20, vectorized=True)
    wrapped = gymnasium.wrappers.vector.ClipReward(two, 0, 1)
    with pytest.raises(HandfulError, match="give a function of the number of copies"):
        open_environment(wrapped, time_limit=20)


def vectors_of(make, num_envs):
    return SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def growing(observation, action, next_observation, reward, info):
    """Features of which there are more later in an episode."""
    return [reward] * (1 + info["age"] // 4)


@pytest.mark.parametrize("vectorized", [False, True])
def test_the_number_of_features_must_stay_the_same(vectorized):
    make = partial(vectors_of, Counter) if vectorized else Counter
    with pytest.raises(HandfulError, match="gave 2 reward features at a step and 1 at first"):
        open_environment(make, features=growing, time_limit=50, vectorized=vectorized)


class GrowsOnceOpened:
    """Features of which there are more when the flag is up."""

    def __init__(self):
        self.flag = False

    def __call__(self, observation, action, next_observation, reward, info):
        return [reward] * (2 if self.flag else 1)


@pytest.mark.parametrize("vectorized", [False, True])
def test_the_number_of_features_must_stay_the_same_in_training_too(vectorized):
    make = partial(vectors_of, Counter) if vectorized else Counter
    features = GrowsOnceOpened()
    environment = open_environment(make, features=features, time_limit=50, vectorized=vectorized)
    features.flag = True
    with pytest.raises(HandfulError, match="gave 2 reward features at a step and 1 at first"):
        roll(environment)
