import os
import subprocess
import sys
from functools import partial

import jax
import numpy as np
import pytest

import handful
from handful.environment import Discrete, TimeStep
from handful.errors import HandfulError
from tests.gym_environments import Counter
from tests.host_environments import track_problem

SETTINGS = {"batch_size": 64, "minibatch_size": 32, "num_envs": 8}


def counter_problem():
    return handful.from_gymnasium(partial(Counter, 7), np.eye(1), time_limit=7)


def grid_problem():
    return handful.make("resource-gathering", height=2, width=2)


@pytest.mark.parametrize("make", [counter_problem, grid_problem, track_problem])
def test_training_computes_in_32_bits_whatever_jax_is_set_to(make, tmp_path):
    def welfare(folder):
        settings = SETTINGS
        result = handful.train(make(), 1, "em", steps=128, settings=settings, out=folder)
        again = handful.evaluate(result.problem, result.policies, seed=0, num_episodes=4)
        return result.evaluation.welfare, again.welfare

    usual = welfare(tmp_path / "usual")
    with jax.enable_x64(True):
        assert welfare(tmp_path / "wide") == usual


def test_what_a_program_computes_with_64_bits_is_left_to_it():
    with jax.enable_x64(True):
        grid_problem()
        assert jax.numpy.ones(1).dtype == np.float64


@pytest.mark.parametrize("platform", ["nonsense", "cuda"])
def test_a_device_that_is_not_there_is_told_with_the_variable(platform, tmp_path):
    arguments = ["train", "glide", "--policies", "2", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "handful", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": platform},
    )
    assert done.returncode == 2, done.stderr
    assert f"JAX_PLATFORMS is '{platform}'" in done.stderr
    assert "Traceback" not in done.stderr


class Clock:
    """Seconds since 1970, in float32."""

    observation_size = 1
    action_space = Discrete(2)
    time_limit = 5

    def reset(self, key):
        del key
        state = jax.numpy.array([1.7e9, 0.0])
        return state, state[:1]

    def step(self, key, state, action):
        del key, action
        state = state + 1.0
        ended = state[1] >= self.time_limit
        return state, TimeStep(state[:1], jax.numpy.ones(1), ended & False, ended)


def test_a_clock_in_float32_is_told_at_the_first_update(tmp_path):
    problem = handful.RMDP(Clock(), handful.Population(np.eye(1)))
    with pytest.raises(HandfulError, match=r"was 1,700,000,000 at every step, .* are 128 apart"):
        handful.train(problem, 1, "em", steps=128, settings=SETTINGS, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
