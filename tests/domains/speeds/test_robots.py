"""Parity with Gymnasium, step for step from the same states and actions."""

import re
import sys
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from handful._support.installing import install_command
from handful.domains.speeds.robots import ANT, HALF_CHEETAH, HOPPER, WALKER2D
from handful.errors import HandfulError

ROBOTS = {robot.name: robot for robot in (HALF_CHEETAH, ANT, HOPPER, WALKER2D)}
HIDDEN_POSITIONS = {"half-cheetah": 1, "ant": 2, "hopper": 1, "walker2d": 1}

# Contacts are solved iteratively, by MuJoCo builds that differ in their last digits, and a robot
# on the ground amplifies them; the ant, with four feet down, most of all.
TOLERANCE = {"half-cheetah": 1e-6, "ant": 2e-3, "hopper": 1e-9, "walker2d": 1e-6}
COMPARED_STEPS = {"half-cheetah": 25, "ant": 4, "hopper": 1000, "walker2d": 1000}

pytestmark = pytest.mark.filterwarnings("ignore")  # of Gymnasium: v4 is not the newest version


def opened(robot, num_envs, seed, time_limit=1000):
    """The robot in EnvPool, and one in Gymnasium beside it."""
    options = (*robot.envpool_options, ("max_episode_steps", time_limit))
    pool = replace(robot, backend="envpool", envpool_options=options)
    twin = gymnasium.make(
        robot.gymnasium_id, max_episode_steps=time_limit, **dict(robot.gymnasium_options)
    )
    return pool.open(num_envs, seed, num_threads=2), twin


def put_into_state(env, robot, observation):
    """The state that an observation right after a reset shows; where along x does not matter."""
    hidden, nq = HIDDEN_POSITIONS[robot.name], env.unwrapped.model.nq
    positions = np.concatenate([np.zeros(hidden), observation[: nq - hidden]])
    env.unwrapped.set_state(positions, observation[nq - hidden :])


def assert_same_step(step, copy, twins, tolerance, velocity_tolerance=None):
    """One robot of a batch's step is the twin's; its flags (terminated, truncated)."""
    observation, _, terminated, truncated, info = twins
    close = {"rtol": 0, "atol": tolerance}
    np.testing.assert_allclose(step.observation[copy], observation, **close)
    close["atol"] = velocity_tolerance or tolerance
    np.testing.assert_allclose(step.outcome.velocity[copy], info["x_velocity"], **close)
    assert (step.terminated[copy], step.truncated[copy]) == (terminated, truncated)
    return terminated, truncated


@pytest.mark.parametrize("name", ROBOTS)
def test_steps_as_gymnasium_does_from_the_same_state_with_the_same_actions(name):
    robot, rng = ROBOTS[name], np.random.default_rng(0)
    batch, twin = opened(robot, num_envs=3, seed=5)
    for copy in range(3):
        observations = batch.reset(np.arange(3))
        twin.reset(seed=0)
        put_into_state(twin, robot, observations[copy])
        for _ in range(COMPARED_STEPS[name]):
            actions = rng.uniform(-1, 1, (3, robot.num_joints)).astype(np.float32)
            step = batch.step(actions)
            terminated, _ = assert_same_step(step, copy, twin.step(actions[copy]), TOLERANCE[name])
            others_ended = np.flatnonzero(step.terminated | step.truncated)
            if copy in others_ended:
                break
            if len(others_ended):
                batch.reset(others_ended)
        if name in ("hopper", "walker2d"):
            assert terminated, "a robot on two thin legs falls under random actions"
    batch.close()


@pytest.mark.parametrize("name", ROBOTS)
def test_a_time_limit_cuts_an_episode_as_gymnasiums_does(name):
    robot, rng = ROBOTS[name], np.random.default_rng(2)
    batch, twin = opened(robot, num_envs=1, seed=6, time_limit=4)
    for _ in range(3):
        observations = batch.reset(np.arange(1))
        twin.reset(seed=0)
        put_into_state(twin, robot, observations[0])
        for left in reversed(range(4)):
            actions = rng.uniform(-1, 1, (1, robot.num_joints)).astype(np.float32)
            step = batch.step(actions)
            ends = assert_same_step(step, 0, twin.step(actions[0]), TOLERANCE[name])
            assert ends == (False, left == 0)
    batch.close()


# The walker's observations hide how fast it moves beyond 10 a second: it is compared above, from
# its start to its fall. The ant's feet, and its velocity, remember a little of the step before.
@pytest.mark.parametrize(
    ("name", "tolerance", "velocity_tolerance", "end"),
    [
        ("half-cheetah", 1e-9, 1e-9, (False, True)),
        ("ant", 2e-3, 0.1, (True, False)),
        ("hopper", 1e-9, 1e-9, (True, False)),
    ],
)
def test_every_step_of_an_episode_is_gymnasiums_from_the_state_before_it(
    name, tolerance, velocity_tolerance, end
):
    robot, rng = ROBOTS[name], np.random.default_rng(0)
    batch, twin = opened(robot, num_envs=1, seed=5)
    observation = batch.reset(np.arange(1))[0]
    twin.reset(seed=0)
    ends = (False, False)
    while not any(ends):
        put_into_state(twin, robot, observation)
        actions = rng.uniform(-1, 1, (1, robot.num_joints)).astype(np.float32)
        step = batch.step(actions)
        ends = assert_same_step(step, 0, twin.step(actions[0]), tolerance, velocity_tolerance)
        observation = step.observation[0]
    assert ends == end
    batch.close()


@pytest.mark.parametrize("backend", ["envpool", "gymnasium"])
def test_episodes_are_cut_at_a_thousand_steps_with_their_final_observation(backend):
    batch = replace(HALF_CHEETAH, backend=backend).open(num_envs=2, seed=1, num_threads=1)
    observations = batch.reset(np.arange(2))
    still = np.zeros((2, 6), dtype=np.float32)
    for _ in range(999):
        step = batch.step(still)
        assert not (step.terminated | step.truncated).any()
    last = batch.step(still)
    assert last.truncated.all()
    assert not last.terminated.any()
    # At rest after fifty seconds: the final observation hardly moves, and a reset one would.
    np.testing.assert_allclose(last.observation, step.observation, atol=1e-2)
    again = batch.reset(np.array([1]))
    assert again.shape == (1, 17)
    assert np.abs(again[0] - last.observation[1]).max() > 0.01
    assert np.abs(again[0] - observations[1]).max() > 0.001  # a new draw
    batch.close()


@pytest.mark.parametrize("backend", ["envpool", "gymnasium"])
@pytest.mark.parametrize("robot", [ANT, HOPPER], ids=lambda robot: robot.name)
def test_a_fall_ends_the_episode_with_the_observation_of_the_fall(backend, robot):
    batch = replace(robot, backend=backend).open(num_envs=4, seed=3, num_threads=2)
    rng = np.random.default_rng(1)
    batch.reset(np.arange(4))
    falls = 0
    for _ in range(300):
        step = batch.step(rng.uniform(-1, 1, (4, robot.num_joints)).astype(np.float32))
        for fallen in step.observation[step.terminated]:
            falls += 1
            height = fallen[0]
            if robot is ANT:
                assert not 0.4 <= height <= 1.0
            else:
                healthy_angle = abs(fallen[1]) < 0.2
                healthy_state = (np.abs(fallen[1:]) < 100).all()
                assert not (height > 0.7 and healthy_angle and healthy_state)
        ended = np.flatnonzero(step.terminated | step.truncated)
        if len(ended):
            started = batch.reset(ended)
            assert (started[:, 0] > 0.6).all()  # upright again
    assert falls > 0
    batch.close()


@pytest.mark.parametrize("backend", ["envpool", "gymnasium"])
def test_a_reset_of_some_leaves_the_others_alone_and_keeps_the_order(backend):
    def play(reset_some):
        batch = replace(HOPPER, backend=backend).open(num_envs=5, seed=8, num_threads=2)
        batch.reset(np.arange(5))
        batch.step(np.full((5, 3), 0.1, dtype=np.float32))
        started = batch.reset(np.array([3, 1])) if reset_some else None
        after = batch.step(np.zeros((5, 3), dtype=np.float32)).observation
        batch.close()
        return started, after

    started, after = play(reset_some=True)
    _, untouched = play(reset_some=False)
    np.testing.assert_array_equal(after[[0, 2, 4]], untouched[[0, 2, 4]])
    for row, copy in enumerate((3, 1)):  # one step of 8 ms from where it started
        assert np.abs(started[row][:5] - after[copy][:5]).max() < 0.05


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_episodes_whatever_the_threads(threads):
    def play(seed, threads):
        batch = replace(HALF_CHEETAH, backend="envpool").open(4, seed, threads)
        batch.reset(np.arange(4))
        rng = np.random.default_rng(0)
        for _ in range(20):
            step = batch.step(rng.uniform(-1, 1, (4, 6)).astype(np.float32))
        batch.close()
        return step.observation

    np.testing.assert_array_equal(play(7, threads), play(7, 1))
    assert not np.array_equal(play(7, threads), play(8, threads))


def test_gymnasium_stands_in_where_envpool_is_not_installed(monkeypatch):
    monkeypatch.setattr("handful.domains.speeds.envpool_batch.is_installed", lambda: False)
    batch = HALF_CHEETAH.open(num_envs=2, seed=0, num_threads=1)
    assert type(batch).__name__ == "GymnasiumBatch"
    assert batch.reset(np.array([1])).shape == (1, 17)
    batch.close()


@pytest.mark.parametrize(
    ("backend", "missing"), [("envpool", "envpool"), ("gymnasium", "gymnasium")]
)
def test_what_is_missing_is_said(monkeypatch, backend, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(HandfulError, match=re.escape(install_command("mujoco"))):
        replace(HOPPER, backend=backend).open(num_envs=1, seed=0, num_threads=1)


def test_an_unknown_backend_is_refused():
    with pytest.raises(HandfulError, match="auto, envpool or gymnasium, not 'mjx'"):
        replace(HOPPER, backend="mjx")
