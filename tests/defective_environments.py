"""A sound Gymnasium environment, and copies of it with one defect each."""

import multiprocessing
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit


class Sound(gymnasium.Env):
    """A walk on a line, pushed left or right, in some wind; it ends beyond 3 or after 30 steps."""

    limit = 30

    def __init__(self):
        self.observation_space = spaces.Box(-10.0, 10.0, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.spec = gymnasium.envs.registration.EnvSpec(
            "Sound-v0", entry_point=type(self), max_episode_steps=self.limit
        )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.age = self.np_random.uniform(-0.5, 0.5), 0
        return self.observe(), {}

    def step(self, action):
        self.age += 1
        self.position += (0.5 if action == 1 else -0.5) + self.wind()
        terminated = bool(abs(self.position) > 3)
        truncated = self.age >= self.limit and not terminated
        return self.observe(), self.reward(action), terminated, truncated, self.info(action)

    def wind(self):
        return self.np_random.normal(0.0, 0.1)

    def reward(self, action):
        return float(self.position)

    def info(self, action):
        return {"near": 1.0 / (1.0 + self.position**2), "right": float(action)}

    def observe(self):
        return np.array([self.position, self.age / 30], np.float32)


class WrongShape(Sound):
    def observe(self):
        return super().observe()[:1]


class WrongType(Sound):
    def observe(self):
        return super().observe().astype(np.float64)


class OutOfBounds(Sound):
    def observe(self):
        return super().observe() + np.float32(9.0)


class NotANumber(Sound):
    def observe(self):
        observation = super().observe()
        if self.age == 5:
            observation[0] = np.nan
        return observation


class InfiniteReward(Sound):
    def reward(self, action):
        return np.inf if self.age == 4 else 0.5 * self.age


class ReusedBuffer(Sound):
    def __init__(self):
        super().__init__()
        self.buffer = np.zeros(2, np.float32)

    def observe(self):
        self.buffer[:] = super().observe()
        return self.buffer


class GlobalChance(Sound):
    def wind(self):
        return np.random.normal(0.0, 0.1)  # noqa: NPY002


class ClockChance(Sound):
    def wind(self):
        return (time.perf_counter_ns() % 1000) / 1e4


class UserOfItsOwn(Sound):
    """Each copy has stronger wind than the one made before it, as if for another user."""

    made = 0

    def __init__(self):
        super().__init__()
        UserOfItsOwn.made += 1
        self.strength = 0.01 * UserOfItsOwn.made

    def wind(self):
        return self.strength


class Leaks(Sound):
    """Tires a little in every step of its life."""

    strength = 1.0

    def wind(self):
        self.strength *= 0.99
        return 0.1 * self.strength


class RepeatsItself(Sound):
    def reset(self, *, seed=None, options=None):
        self.last_seed = seed if seed is not None else self.last_seed
        return super().reset(seed=self.last_seed)


class NeedsSeed(Sound):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed + 1)


class HashChance(Sound):
    """Differs between processes, as text is hashed differently in each."""

    def wind(self):
        import os

        return (os.getpid() % 10_007) / 1e6  # two processes almost never agree


class EndsSoonerElsewhere(Sound):
    """Terminates after other numbers of steps in this process and in others."""

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        steps = 10 if multiprocessing.parent_process() is None else 5
        return observation, reward, self.age >= steps, False, info


class Deaf(Sound):
    """Does not listen to its actions."""

    def step(self, action):
        return super().step(1)


class NeverEnds(Sound):
    def __init__(self):
        super().__init__()
        self.spec = None

    def step(self, action):
        self.position = float(np.clip(self.position, -2, 2))
        observation, reward, _, _, info = super().step(action)
        observation[1] = 0.0
        return observation, reward, False, False, info


class SecretLimit(Sound):
    def __init__(self):
        super().__init__()
        self.spec = None


class BrokenLimit(Sound):
    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return np.clip(observation, -1, 1), reward, False, False, info


class ClockTerminates(Sound):
    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        return np.clip(observation, -1, 1), reward, truncated or self.age >= 30, False, info


class StartsAnew(Sound):
    """Resets itself within the last step, as vector environments do."""

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        if terminated or truncated:
            final = observation
            observation, _ = self.reset()
            info["final_obs"] = final
        return observation, reward, terminated, truncated, info


class OldStep(Sound):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated or truncated, info


class OldReset(Sound):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class NumberForFlag(Sound):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, float(terminated), truncated, info


class NoInfo(Sound):
    def info(self, action):
        return None


class TextReward(Sound):
    def reward(self, action):
        return "good"


class GrowingReward(Sound):
    def reward(self, action):
        return np.ones(1 + (self.age > 3))


class SometimesSilent(Sound):
    def info(self, action):
        return super().info(action) if self.age < 4 else {}


class Twins(Sound):
    def info(self, action):
        return {"near": self.position, "twin": 2 * self.position}


class Giant(Sound):
    def info(self, action):
        return {"near": self.position, "giant": 1e6 * np.cos(self.position)}


class Still(Sound):
    def info(self, action):
        return {"near": self.position, "still": 3.0}


class BreaksOnRight(Sound):
    def step(self, action):
        if action == 1:
            raise IndexError("no such lane")
        return super().step(action)


class TextActions(Sound):
    def __init__(self):
        super().__init__()
        self.action_space = spaces.Text(5)


class UnboundObservations(Sound):
    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Sequence(spaces.Discrete(3))


class SlowStart(Sound):
    """No defect: it only takes its time."""

    def reset(self, *, seed=None, options=None):
        time.sleep(0.1)
        return super().reset(seed=seed)


class Clock(Sound):
    """Observes the seconds since 1970."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def observe(self):
        return np.array([self.position, 1.7e9 + self.age])


class CoarseClock(Clock):
    """The same, in float32 already: the clock stands still."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def observe(self):
        return super().observe().astype(np.float32)


class WideObservations(Sound):
    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Box(-1e6, 1e6, (2,), np.float32)

    def observe(self):
        return super().observe() * np.float32(50)


class WideActions(Sound):
    """Takes orders up to 3,200, where 20 are right."""

    def __init__(self):
        super().__init__()
        self.action_space = spaces.Box(0.0, 3200.0, (1,), np.float32)

    def step(self, action):
        self.order = float(action[0])
        return super().step(int(self.order > 20))

    def reward(self, action):
        return -abs(self.order - 20)


class UnboundedActions(WideActions):
    def __init__(self):
        super().__init__()
        self.action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)

    def step(self, action):
        return super().step(action * 100)


class Quits(Sound):
    """Ends the program in its fourth step."""

    def step(self, action):
        if self.age == 3:
            sys.exit(0)
        return super().step(action)


class NoReward(Sound):
    def reward(self, action):
        return None


class FailsToStart(Sound):
    def __init__(self):
        raise OSError("no licence for the simulator")


def limited():
    """Sound, without a limit of its own but with Gymnasium's wrapper."""
    env = Sound()
    env.spec, env.limit = None, 10**9
    return TimeLimit(env, 25)
