"""Gymnasium environments to test with, at the top level of a module: processes import them."""

import ctypes
import multiprocessing
import os
import signal
import sys
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


class Quits(Counter):
    """A counter that ends the program by an exception, in the place that is asked for."""

    def __init__(self, error, where="step"):
        super().__init__()
        self.error, self.where = error, where
        if where == "init":
            raise error

    def reset(self, *, seed=None, options=None):
        if self.where == "reset":
            raise self.error
        return super().reset(seed=seed)

    def step(self, action):
        is_here = self.where == "step" or (
            self.where == "elsewhere" and multiprocessing.parent_process() is not None
        )
        if is_here and self.age == 3:
            raise self.error
        return super().step(action)

    def close(self):
        if self.where == "close":
            raise self.error


class Reuses(Counter):
    """A counter that writes its rewards and its info over those of the step before."""

    def __init__(self):
        super().__init__(action_space=spaces.Box(1.0, 3.0, (2,), np.float64))
        self.rewards, self.told = np.zeros(2), {}

    def reset(self, *, seed=None, options=None):
        self.told.clear()
        self.rewards[:] = np.nan
        return super().reset(seed=seed)

    def step(self, action):
        observation, _, terminated, truncated, _ = super().step(action)
        self.rewards[:] = self.age, 2 * self.age
        self.told["age"] = self.age
        action[:] = 0.0  # it writes to what it is given, too
        return observation, self.rewards, terminated, truncated, self.told


class Wanders(Counter):
    """A counter that leaves the working directory, when it is made or when an episode starts."""

    def __init__(self, place, when="init"):
        super().__init__()
        self.place = place
        if when == "init":
            os.chdir(place)

    def reset(self, *, seed=None, options=None):
        os.chdir(self.place)
        return super().reset(seed=seed)


class Blind(Counter):
    """A counter with nothing to observe."""

    def __init__(self, space=None):
        super().__init__()
        self.observation_space = space or spaces.Box(-1.0, 1.0, (0,), np.float32)

    def _observe(self):
        return self.observation_space.sample()


class Clock(Counter):
    """A counter whose observations begin with the seconds since 1970."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def _observe(self):
        return np.array([1.7e9 + self.age, self.luck])


class Structured(Counter):
    """A counter whose observations have parts: a picture of two by three, and a choice."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Dict(
            {"picture": spaces.Box(0.0, 100.0, (2, 3), np.float64), "side": spaces.Discrete(2)}
        )

    def _observe(self):
        return {"picture": np.full((2, 3), float(self.age)), "side": self.age % 2}


class Talks(Counter):
    """A counter that prints in every way that there is."""

    def __init__(self):
        super().__init__()
        print("made")  # noqa: T201
        os.system("echo made by a shell")

    def step(self, action):
        print("step")  # noqa: T201
        sys.__stdout__.write("step\n")
        os.write(1, b"step\n")
        ctypes.CDLL(None).puts(b"step")  # the C library holds it back until the program ends
        return super().step(action)


def whole_reward(observation, action, next_observation, reward, info):
    """A feature function: the environment's own array."""
    return reward


def acted(observation, action, next_observation, reward, info):
    """A feature function: the action; and it writes to the observation."""
    next_observation[:] = -1.0
    return action


def silent(observation, action, next_observation, reward, info):
    """A feature function that ends the program."""
    raise SystemExit(0)
