"""Gymnasium environments to test with, at the top level of a module: processes import them."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium import spaces


class Counter(gymnasium.Env):
    """Counts its steps and its episodes, so that a test can tell which episode it sees.

    Observations are (episode modulo 3, age, chance of the episode); the reward is the action; the
    info holds numbers nested and not. Episodes end by themselves after ``length`` steps.
    """

    def __init__(self, length=7, noise=0.0, reuse=False, action_space=None):
        self.observation_space = spaces.Box(-10.0, 100.0, (3,), np.float64)
        self.action_space = action_space or spaces.Discrete(3, start=-1)
        self.length, self.reuse = length, reuse
        self.buffer = np.zeros(3)
        self.episode, self.age, self.luck, self.ended = 0, 0, 0.0, True

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.age, self.luck = (self.episode + 1) % 3, 0, self.np_random.uniform()
        self.ended = False
        return self._observe(), {}

    def step(self, action):
        assert not self.ended, "an ended episode was stepped"
        assert self.action_space.contains(action), f"{action!r} is outside the action space"
        self.age += 1
        self.ended = self.age >= self.length
        reward = float(np.sum(action))
        info = {"age": self.age, "rewards": {"moved": reward, "luck": self.luck}, "note": "text"}
        return self._observe(), reward, self.ended, False, info

    def _observe(self):
        values = np.array([self.episode, self.age, self.luck])
        if not self.reuse:
            return values
        self.buffer[:] = values
        return self.buffer


class Vectorial(Counter):
    """A counter whose reward is a vector."""

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, np.array([reward, self.luck]), terminated, truncated, info


class Slow(Counter):
    """A counter whose steps keep a core busy for a while."""

    def __init__(self, seconds=1e-3, length=50):
        super().__init__(length)
        self.seconds = seconds

    def step(self, action):
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            pass
        return super().step(action)


class FailsElsewhere(Counter):
    """A counter that does something terrible in its fourth step, but only in another process."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def step(self, action):
        if self.age == 3 and multiprocessing.parent_process() is not None:
            if self.how == "raise":
                raise ZeroDivisionError("the wheel came off")
            if self.how == "exit":
                os._exit(3)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(action)


class Hangs(Counter):
    """A counter that takes very long over its fourth step, but only in another process."""

    def step(self, action):
        if self.age == 3 and multiprocessing.parent_process() is not None:
            time.sleep(3600)
        return super().step(action)


def went_up(observation, action, next_observation, reward, info):
    """A feature function: how much the first entry grew."""
    return [next_observation[0] - observation[0]]


class Telling(Counter):
    """A counter that leaves a file named after the process that steps it."""

    def __init__(self, folder):
        super().__init__()
        (Path(folder) / str(os.getpid())).touch()

    def step(self, action):
        time.sleep(0.001)
        return super().step(action)
