"""Probe environments on the host, in plain NumPy, whose episodes can be told apart."""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful.environment import Box, HostStep
from handful.population import Population
from handful.problem import RMDP


class FixedPolicies:
    """Policies that pay no heed to what they observe, ready for the host."""

    is_squashed = False

    def __init__(self, means, log_std):
        """``means`` [K] of one action component; ``log_std`` of it, the same for all."""
        self.means = np.float32(means)[:, None, None]
        self.log_std = np.full((len(means), 1), log_std, np.float32)

    def on_host(self):
        return self

    def __call__(self, observations):
        return np.broadcast_to(self.means, (*observations.shape[:2], 1))


class Moved(NamedTuple):
    velocity: object


@dataclass(frozen=True)
class Track:
    """A cart on a line: an action in [-1, 1] is its velocity, and episodes end beyond ``edge``.

    Without ``truncates`` it is for the collector to cut them at the time limit.

    Observations are (number of the copy's episode modulo 3, age, position), so that a test can see
    which episode an observation belongs to. The outcome is the velocity.
    """

    time_limit: int = 12
    edge: float = 1e9
    bad_value_in_step: int = -1
    truncates: bool = True
    observation_size: int = 3
    action_space: Box = Box((-1.0,), (1.0,))  # noqa: RUF009

    def outcome_shape(self):
        return Moved(jax.ShapeDtypeStruct((), jnp.float32))

    def open(self, num_envs, seed, num_threads):
        return _Carts(self, num_envs, seed)


@dataclass(frozen=True)
class SeededTrack(Track):
    """A track that remembers with which seeds it was opened."""

    seeds: list[int] = field(default_factory=list, compare=False)

    def open(self, num_envs, seed, num_threads):
        self.seeds.append(seed)
        return super().open(num_envs, seed, num_threads)


class _Carts:
    def __init__(self, track, num_envs, seed):
        self.track, self.rng = track, np.random.default_rng(seed)
        self.episode, self.age = np.zeros(num_envs), np.zeros(num_envs)
        self.position, self.ended = np.zeros(num_envs), np.ones(num_envs, dtype=bool)
        self.steps = 0
        self.closed = False

    def reset(self, which):
        self.episode[which] = (self.episode[which] + 1) % 3  # a policy sees it: keep it small
        self.age[which] = 0
        self.position[which] = self.rng.uniform(-0.1, 0.1, len(which))
        self.ended[which] = False
        return self._observe()[which]

    def step(self, actions):
        assert not self.ended.any(), "an ended episode was stepped"
        assert not (np.abs(actions) > 1).any(), "an action outside the action space"
        self.steps += 1
        self.age += 1
        velocity = np.array(actions[:, 0], dtype=np.float64)
        self.position += velocity
        terminated = np.abs(self.position) > self.track.edge
        truncated = (self.age >= self.track.time_limit) & self.track.truncates
        self.ended = terminated | truncated
        observation = self._observe()
        if self.steps == self.track.bad_value_in_step:
            observation[-1, 2] = np.nan
        return HostStep(observation, Moved(velocity), terminated, truncated)

    def close(self):
        self.closed = True

    def _observe(self):
        return np.stack([self.episode, self.age, self.position], axis=1)


def track_problem(targets=(-0.5, 0.5), kind=Track, **track):
    """Users who each want the cart to keep a velocity: 1 a step at it, falling by 1 a unit."""
    wanted = jnp.array(targets)
    population = Population.from_function(
        lambda outcome: 1.0 - jnp.abs(wanted - outcome.velocity), len(targets)
    )
    return RMDP(kind(**track), population, discount=0.9, return_scale=5.0, name="custom")
