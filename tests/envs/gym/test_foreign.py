"""Environments that do what no library expects, from being made to being trained in."""

import os
import signal
from functools import partial

import numpy as np
import pytest
from gymnasium import spaces

import handful
from handful.envs.gym.problem import open_environment
from handful.errors import HandfulError
from tests.gym_environments import (
    Blind,
    Clock,
    Counter,
    Quits,
    Reuses,
    Structured,
    Wanders,
    acted,
    silent,
    whole_reward,
)

LIMIT = 7


class Strange(BaseException):
    """Of no kind that anybody catches."""


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit(), KeyboardInterrupt(), Strange("x")])
@pytest.mark.parametrize("where", ["init", "reset", "step"])
def test_an_environment_that_ends_the_program_is_told_in_one_sentence(error, where):
    sentence = f"failed .*{type(error).__name__}.*gym_environments.py, line"
    with pytest.raises(HandfulError, match=sentence):
        open_environment(partial(Quits, error, where), time_limit=LIMIT)


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt()])
def test_it_is_told_from_another_process_too(error):
    env = partial(Quits, error, "elsewhere")
    batch = open_environment(env, time_limit=LIMIT, processes=2).open(2, 0, 2)
    try:
        batch.reset(np.arange(2))
        for _ in range(3):
            batch.step(np.zeros(2, int))
        with pytest.raises(HandfulError, match=f"in step.. with {type(error).__name__}"):
            batch.step(np.zeros(2, int))
    finally:
        batch.close()


def test_a_feature_function_that_ends_the_program_is_told_too():
    with pytest.raises(HandfulError, match="feature function 'silent' failed with SystemExit: 0"):
        open_environment(Counter, silent, time_limit=LIMIT)


def test_what_goes_wrong_when_it_is_closed_costs_nothing():
    environment = open_environment(partial(Quits, SystemExit(0), "close"), time_limit=LIMIT)
    batch = environment.open(2, 0, 1)
    batch.reset(np.arange(2))
    batch.close()


def test_ctrl_c_in_a_step_is_no_fault_of_the_environment():
    class Waits(Counter):
        def step(self, action):
            signal.raise_signal(signal.SIGINT)
            return super().step(action)

    # A shell that starts the tests in the background has them ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            open_environment(Waits, time_limit=LIMIT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_reused_rewards_and_infos_are_copied():
    # Episodes of seven steps pay 1, 2, ... 7, and twice as much of the other feature.
    environment = open_environment(Reuses, whole_reward, time_limit=LIMIT)
    whole = environment.probe.episode_features[environment.probe.lengths == LIMIT]
    assert len(whole) == 14
    np.testing.assert_array_equal(whole, np.tile([28.0, 56.0], (14, 1)))
    by_name = open_environment(Reuses, ["age", "reward"], time_limit=LIMIT)
    assert by_name.feature_names == ("age", "reward_0", "reward_1")
    np.testing.assert_array_equal(by_name.probe.episode_features[0], [28.0, 28.0, 56.0])
    checked = handful.check_env(Reuses, features=["age", "reward"], time_limit=LIMIT)
    assert checked.feature_names == by_name.feature_names


def test_functions_see_the_action_that_was_taken_and_policies_what_was_observed():
    environment = open_environment(Reuses, acted, time_limit=LIMIT)
    batch = environment.open(1, 0, 1)
    batch.reset(np.array([0]))
    taken = batch.step(np.array([[-1.0, 1.0]], np.float32))
    batch.close()
    np.testing.assert_array_equal(taken.outcome, [[1.0, 3.0]])
    assert taken.observation[0, 1] == 1.0  # the age, which the function writes over


@pytest.mark.parametrize("when", ["init", "reset"])
def test_the_working_directory_is_as_it_was(tmp_path, monkeypatch, when):
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    monkeypatch.chdir(home)
    problem = handful.from_gymnasium(partial(Wanders, away, when), np.eye(1), time_limit=LIMIT)
    assert os.getcwd() == str(home)
    settings = {"batch_size": 64, "minibatch_size": 32, "num_envs": 8}
    result = handful.train(problem, 1, "random", steps=64, settings=settings, out="run")
    assert os.getcwd() == str(home)
    assert (home / "run" / "evaluation.json").is_file()
    assert result.folder == home / "run"
    assert not list(away.iterdir())


@pytest.mark.parametrize(
    "space", [None, spaces.Dict({}), spaces.Tuple(()), spaces.Box(-1.0, 1.0, (3, 0), np.float64)]
)
def test_observations_without_entries_are_one_that_is_always_0(space):
    environment = open_environment(partial(Blind, space), time_limit=LIMIT)
    assert environment.observation_size == 1
    batch = environment.open(2, 0, 1)
    np.testing.assert_array_equal(batch.reset(np.arange(2)), np.zeros((2, 1)))
    np.testing.assert_array_equal(batch.step(np.zeros(2, int)).observation, np.zeros((2, 1)))
    batch.close()


def test_observations_without_entries_are_checked_too():
    assert handful.check_env(Blind, time_limit=LIMIT).passed


def test_a_clock_is_refused_and_trained_in_with_an_offset():
    with pytest.raises(HandfulError, match=r"Entry 0 .* observation_offset=.\"0\": 1700000000.0"):
        open_environment(Clock, time_limit=LIMIT)
    environment = open_environment(Clock, time_limit=LIMIT, observation_offset={"0": 1.7e9})
    batch = environment.open(1, 0, 1)
    ages = [batch.reset(np.array([0]))[0, 0]]
    ages += [batch.step(np.array([1])).observation[0, 0] for _ in range(5)]
    batch.close()
    np.testing.assert_array_equal(ages, [0, 1, 2, 3, 4, 5])
    seen = np.array([1.7e9 + 3, 0.5])
    np.testing.assert_array_equal(environment.flatten(seen), [3.0, 0.5])
    # Vectors in float32 have been through it; those in float64 are the environment's own.
    np.testing.assert_array_equal(environment.read_observation(seen), [3.0, 0.5])
    np.testing.assert_array_equal(environment.read_observation(np.float32([3.0, 0.5])), [3, 0.5])


@pytest.mark.parametrize("offset", [{"2": 1.0}, {"x": 1.0}, [1.0], {"0": float("nan")}, ["a", 1]])
def test_offsets_that_do_not_fit(offset, as_users_call):
    with pytest.raises(HandfulError, match="observation_offset must give finite numbers by entry"):
        open_environment(Clock, time_limit=LIMIT, observation_offset=offset)


def test_observations_are_read_alone_and_in_batches():
    read = open_environment(Structured, time_limit=LIMIT).read_observation
    one = {"picture": np.arange(6.0).reshape(2, 3), "side": 1}
    vector = [0, 1, 2, 3, 4, 5, 0, 1]
    np.testing.assert_array_equal(read(one), vector)
    np.testing.assert_array_equal(read([one, one]), [vector, vector])
    np.testing.assert_array_equal(read(np.array(vector)), vector)
    np.testing.assert_array_equal(read(np.array([[vector]])), [[vector]])
    with pytest.raises(HandfulError, match="does not fit its observation space"):
        read({"side": 1})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere/Thing-v0", "write the module first, as 'nowhere:nowhere/Thing-v0'"),
        ("tests/Thing-v0", "If the module 'tests' registers it, write 'tests:tests/Thing-v0'"),
        ("Thing-v0", "as 'MODULE:Thing-v0'"),
    ],
)
def test_a_name_that_is_not_known_gets_a_hint(name, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.make(f"gymnasium:{name}")


def test_columns_for_a_functions_features_are_hinted_at(tmp_path):
    table = tmp_path / "users.csv"
    table.write_text("id,speed\nann,1\n")
    with pytest.raises(HandfulError, match="called feature_0, feature_1 and so on where feature_n"):
        handful.from_gymnasium(Reuses, str(table), features=whole_reward, time_limit=LIMIT)


class Pays(Counter):
    """A counter with a reward of any kind."""

    def __init__(self, reward):
        super().__init__()
        self.reward = reward

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, self.reward, *rest


@pytest.mark.parametrize("reward", [None, "3", np.datetime64("2020-01-01"), 1j, [1.0, None], []])
def test_what_is_no_reward(reward):
    with pytest.raises(HandfulError, match="The reward must be a number or a list of numbers, not"):
        open_environment(partial(Pays, reward), time_limit=LIMIT)


@pytest.mark.parametrize("reward", [True, np.float16(0.5), 3, np.uint8(7), np.array(2.0), [1]])
def test_every_kind_of_number_is_a_reward(reward):
    environment = open_environment(partial(Pays, reward), time_limit=LIMIT)
    worth = float(np.ravel(reward)[0])
    assert environment.probe.episode_features[0] == pytest.approx([7 * worth])
