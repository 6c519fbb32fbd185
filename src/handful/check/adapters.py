"""Environments of other kinds with Gymnasium's interface, so that the same checks serve all."""

from dataclasses import dataclass
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from handful.environment import Box, HostBatch
from handful.problem import RMDP


@dataclass(frozen=True)
class FromProblem:
    """A source of single environments of a problem.

    The reward of a step is its vector of features.

    Attributes:
        problem: a problem whose environment is written in JAX or runs on the host.
    """

    problem: RMDP

    @property
    def label(self) -> str:
        """The problem's name, or its environment's."""
        name = self.problem.name
        return type(self.problem.environment).__name__ if name == "custom" else name

    def __call__(self) -> gymnasium.Env[Any, Any]:
        """Make one more environment."""
        kind = OnHost if self.problem.runs_on_host else InJax
        return kind(self.problem)


class _Adapter(gymnasium.Env[Any, Any]):
    def __init__(self, problem: RMDP) -> None:
        environment = problem.environment
        size = environment.observation_size
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        space = environment.action_space
        if isinstance(space, Box):
            low, high = (np.array(bound, np.float32) for bound in (space.low, space.high))
            self.action_space = spaces.Box(low, high)
        else:
            self.action_space = spaces.Discrete(space.num_actions)
        self._features = jax.jit(problem.population.features)


class InJax(_Adapter):
    """An environment written in JAX."""

    def __init__(self, problem: RMDP) -> None:
        super().__init__(problem)
        self._reset = jax.jit(problem.jax_environment.reset)
        self._step = jax.jit(problem.jax_environment.step)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode with a key from the seed, or from the copy's own random numbers."""
        super().reset(seed=seed)
        self._key = jax.random.key(int(self.np_random.integers(2**31)))
        self._key, key = jax.random.split(self._key)
        self._state, observation = self._reset(key)
        return np.asarray(observation, np.float32), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take one action."""
        self._key, key = jax.random.split(self._key)
        self._state, taken = self._step(key, self._state, jnp.asarray(action))
        return (
            np.asarray(taken.observation, np.float32),
            np.asarray(self._features(taken.outcome)),
            bool(taken.terminated),
            bool(taken.truncated),
            {},
        )


class OnHost(_Adapter):
    """An environment that is stepped in batches: a batch of one, opened again for every seed."""

    def __init__(self, problem: RMDP) -> None:
        super().__init__(problem)
        self._environment = problem.host_environment
        self._batch: HostBatch | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        if seed is not None or self._batch is None:
            self.close()
            self._batch = self._environment.open(1, int(self.np_random.integers(2**31)), 1)
        return np.array(self._batch.reset(np.array([0]))[0], np.float32), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take one action."""
        assert self._batch is not None
        taken = self._batch.step(np.asarray(action)[None])
        outcome = jax.tree.map(lambda leaf: leaf[0], taken.outcome)
        return (
            np.array(taken.observation[0], np.float32),
            np.asarray(self._features(outcome)),
            bool(taken.terminated[0]),
            bool(taken.truncated[0]),
            {},
        )

    def close(self) -> None:
        """Close the batch."""
        if self._batch is not None:
            self._batch.close()
            self._batch = None
