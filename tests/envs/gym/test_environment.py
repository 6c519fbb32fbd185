"""Copies of Gymnasium environments, here and in processes, against stepping them by hand."""

from functools import partial

import gymnasium
import mo_gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from handful.envs.gym.environment import copy_seeds
from handful.envs.gym.problem import open_environment
from handful.errors import HandfulError
from tests.gym_environments import Counter, FailsElsewhere, Vectorial

PARITY = [
    (lambda: gymnasium.make("CartPole-v1"), "CartPole-v1"),
    (lambda: gymnasium.make("Pendulum-v1"), "Pendulum-v1"),
    (lambda: gymnasium.make("FrozenLake-v1"), "FrozenLake-v1"),
    (lambda: mo_gymnasium.make("four-room-v0"), "four-room-v0"),
    (lambda: mo_gymnasium.make("deep-sea-treasure-v0"), "deep-sea-treasure-v0"),
    (lambda: mo_gymnasium.make("mo-mountaincarcontinuous-v0"), "mo-mountaincarcontinuous-v0"),
]


def by_hand(make, environment, seed, actions, limit):
    """Single environments stepped one by one, reset where they end; rows [T, M, ...]."""
    rows = []
    for copy, copy_seed in enumerate(copy_seeds(seed, actions.shape[1])):
        env, mine, age = make(), [], 0
        env.reset(seed=copy_seed)
        for action in actions[:, copy]:
            observation, reward, terminated, truncated, _ = env.step(environment.decode(action))
            age += 1
            truncated = truncated or (age >= limit and not terminated)
            flat = gymnasium.spaces.flatten(env.observation_space, observation)
            mine.append((flat, np.atleast_1d(reward), terminated, truncated))
            if terminated or truncated:
                env.reset()
                age = 0
        rows.append(mine)
    return [np.array([[row[i][j] for row in rows] for i in range(len(actions))]) for j in range(4)]


def by_batch(environment, seed, actions):
    batch = environment.open(actions.shape[1], seed, 2)
    rows = []
    try:
        batch.reset(np.arange(actions.shape[1]))
        for action in actions:
            rows.append(batch.step(action))
            ended = rows[-1].terminated | rows[-1].truncated
            if ended.any():
                batch.reset(np.flatnonzero(ended))
    finally:
        batch.close()
    return [np.array([row[j] for row in rows]) for j in range(4)]


def random_actions(environment, num_steps, num_envs):
    rng = np.random.default_rng(5)
    space = environment.action_space
    if hasattr(space, "num_actions"):
        return rng.integers(space.num_actions, size=(num_steps, num_envs))
    return rng.uniform(-1, 1, (num_steps, num_envs, space.size)).astype(np.float32)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("make", "name"), PARITY)
def test_a_batch_is_what_stepping_by_hand_gives(make, name, processes):
    environment = open_environment(
        name, time_limit=40, processes=processes, registry="mo_gymnasium"
    )
    actions = random_actions(environment, 90, 3)
    ours = by_batch(environment, 7, actions)
    theirs = by_hand(make, environment, 7, actions, 40)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)
    assert ours[2].any() or ours[3].any()


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_no_reset_is_in_the_data_and_what_was_given_out_stays(processes, reuse):
    environment = open_environment(
        partial(Counter, 4, reuse=reuse), time_limit=100, processes=processes
    )
    observations, features, terminated, truncated = by_batch(
        environment, 0, random_actions(environment, 12, 5)
    )
    np.testing.assert_array_equal(observations[:, :, 1], np.tile([[1], [2], [3], [4]], (3, 5)))
    np.testing.assert_array_equal(observations[:, 0, 0], [1] * 4 + [2] * 4 + [0] * 4)
    np.testing.assert_array_equal(terminated, observations[:, :, 1] == 4)
    assert not truncated.any()
    assert set(np.unique(features)) == {-1.0, 0.0, 1.0}


def test_the_same_seed_gives_the_same_episodes_whatever_the_number_of_processes():
    runs = []
    for processes in (1, 2, 4):
        environment = open_environment(Counter, time_limit=5, processes=processes)
        runs.append(by_batch(environment, 3, random_actions(environment, 20, 6)))
    for one, *others in zip(*runs, strict=True):
        for other in others:
            np.testing.assert_array_equal(one, other)
    other_seed = by_batch(environment, 4, random_actions(environment, 20, 6))
    assert not np.array_equal(other_seed[0], runs[0][0])


def test_only_those_asked_for_are_reset_and_in_their_order():
    environment = open_environment(Counter, time_limit=100, processes=2)
    batch = environment.open(4, 0, 2)
    batch.reset(np.arange(4))
    batch.step(np.ones(4, int))
    again = batch.reset(np.array([3, 0]))
    assert again.shape == (2, 3)
    step = batch.step(np.ones(4, int))
    batch.close()
    np.testing.assert_array_equal(step.observation[:, 1], [1, 2, 2, 1])
    np.testing.assert_array_equal(step.observation[:, 0], [2, 1, 1, 2])
    np.testing.assert_array_equal(again[:, 2], step.observation[[3, 0], 2])


def test_the_time_limit_truncates_and_never_an_episode_that_ends_by_itself():
    environment = open_environment(partial(Counter, 3), time_limit=3, processes=1)
    *_, terminated, truncated = by_batch(environment, 0, random_actions(environment, 3, 2))
    assert terminated[-1].all()
    assert not truncated.any()


def test_features_of_functions_see_the_observation_before_although_it_is_reused():
    def age_and_growth(observation, action, next_observation, reward, info):
        return [next_observation[1] - observation[1], info["rewards"]["luck"]]

    environment = open_environment(
        lambda: Counter(reuse=True), features=age_and_growth, time_limit=9
    )
    observations, features, *_ = by_batch(environment, 0, random_actions(environment, 20, 3))
    np.testing.assert_array_equal(features[:, :, 0], 1.0)
    np.testing.assert_allclose(features[:, :, 1], observations[:, :, 2], rtol=1e-6)


def test_vector_rewards_are_features():
    environment = open_environment(Vectorial, time_limit=9, processes=2)
    assert environment.feature_names == ("reward_0", "reward_1")
    observations, features, *_ = by_batch(environment, 0, random_actions(environment, 9, 3))
    np.testing.assert_allclose(features[:, :, 1], observations[:, :, 2], rtol=1e-6)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(np.array([0.0, -3.0], np.float32), np.array([50.0, 3.0], np.float32)),
        spaces.Box(-np.inf, np.inf, (2,), np.float64),
        spaces.Box(0, 4, (2,), np.int32),
        spaces.MultiDiscrete([2, 5]),
        spaces.MultiBinary(3),
    ],
)
def test_every_action_space_gets_actions_of_its_own(space):
    environment = open_environment(partial(Counter, action_space=space), time_limit=9)
    by_batch(environment, 0, random_actions(environment, 20, 2))  # the counter looks at each


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("raise", r"failed in step\(\) with ZeroDivisionError: the wheel came off \(gym_env"),
        ("kill", r"was killed by signal 9"),
        ("exit", r"ended by itself \(exit code 3\)"),
    ],
)
def test_what_goes_wrong_in_a_process_comes_back_as_a_sentence(how, sentence):
    environment = open_environment(partial(FailsElsewhere, how), time_limit=100, processes=2)
    with pytest.raises(HandfulError, match=sentence):
        by_batch(environment, 0, random_actions(environment, 9, 4))


def test_an_environment_that_cannot_be_sent_is_stepped_here_unless_processes_are_asked_for():
    environment = open_environment(lambda: Counter(), time_limit=9)
    assert by_batch(environment, 0, random_actions(environment, 3, 2))
    environment = open_environment(lambda: Counter(), time_limit=9, processes=2)
    with pytest.raises(HandfulError, match="cannot be sent to another process"):
        environment.open(4, 0, 2)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"env": "CartPool-v1"}, "doesn't exist"),
        ({"env": "no_such_module:Env-v0"}, "'no_such_module' cannot be imported"),
        ({"env": "tests.gym_environments:Nothing"}, "neither registers an environment 'Nothing'"),
        ({"env": 3}, "not as int"),
        ({"env": lambda: 3}, "made a int, which is no gymnasium.Env"),
        ({"env": Counter}, "does not say after how many steps"),
        ({"env": Counter, "time_limit": 0}, "time_limit must be a whole number"),
        ({"env": "CartPole-v1", "processes": 0}, "processes must be 1 or more"),
        (
            {"env": Counter, "options": {"length": 3}},
            "Options belong to an environment that is given by name",
        ),
        ({"env": "CartPole-v1", "options": {"colour": 1}}, "Making the environment .* TypeError"),
        ({"env": "CartPole-v1", "features": "speed"}, "'speed' is not in the environment's info"),
    ],
)
def test_bad_requests_get_one_sentence(request_, sentence):
    with pytest.raises(HandfulError, match=sentence):
        open_environment(**request_)


@pytest.mark.parametrize("env", ["tests.gym_environments:Counter", Counter, Counter()])
def test_names_classes_and_objects_are_the_same_environment(env):
    environment = open_environment(env, time_limit=9)
    rows = by_batch(environment, 0, random_actions(environment, 12, 3))
    expected = by_batch(
        open_environment(lambda: Counter(), time_limit=9), 0, random_actions(environment, 12, 3)
    )
    for mine, other in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(mine, other)
