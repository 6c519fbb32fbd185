"""Environments in JAX, stepped in batches from Python as those on the host are."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful.devices import usable_cores
from handful.environment import Environment, HostBatch, HostStep
from handful.problem import RMDP
from handful.types import Array, NumpyArray, PRNGKey


def open_batch(problem: RMDP, num_envs: int, seed: int) -> HostBatch:
    """Open copies of a problem's environment of either kind, which step side by side.

    Args:
        problem: the problem.
        num_envs: the number of copies.
        seed: the seed of the copies; the same seed gives the same episodes.
    """
    if problem.runs_on_host:
        return problem.host_environment.open(num_envs, seed, usable_cores())
    return JaxBatch(problem.jax_environment, num_envs, seed)


class JaxBatch:
    """``M`` running copies of an environment in JAX.

    Args:
        environment: the environment.
        num_envs: the number of copies.
        seed: the seed of the copies.
    """

    def __init__(self, environment: Environment, num_envs: int, seed: int) -> None:
        self._environment, self._key = environment, jax.random.key(seed)
        self._state: Any = None
        self._num_envs = num_envs

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes in the copies ``which``, and return their first observations."""
        self._key, (begun, observations) = _reset(self._environment, self._num_envs, self._key)
        if self._state is None:
            self._state = begun
        else:
            is_new = np.zeros(self._num_envs, bool)
            is_new[which] = True
            self._state = _replaced(self._state, begun, is_new)
        return np.asarray(observations)[which]

    def step(self, actions: NumpyArray) -> HostStep:
        """Take one action in every copy."""
        self._key, (self._state, taken) = _step(
            self._environment, self._num_envs, self._key, self._state, actions
        )
        return HostStep(*jax.tree.map(np.asarray, tuple(taken)))

    def close(self) -> None:
        """Nothing is to be freed."""


# Each is one program with the splitting of its key: a call of a program from Python costs more than
# a step of a few copies.


@partial(jax.jit, static_argnums=(0, 1))
def _reset(environment: Environment, num_envs: int, key: PRNGKey) -> tuple[PRNGKey, Any]:
    key, now = jax.random.split(key)
    return key, jax.vmap(environment.reset)(jax.random.split(now, num_envs))


@partial(jax.jit, static_argnums=(0, 1))
def _step(
    environment: Environment, num_envs: int, key: PRNGKey, state: Any, actions: Array
) -> tuple[PRNGKey, Any]:
    key, now = jax.random.split(key)
    return key, jax.vmap(environment.step)(jax.random.split(now, num_envs), state, actions)


@jax.jit
def _replaced(state: Any, begun: Any, is_new: Array) -> Any:
    """Return the state with that of new episodes where they begin."""

    def pick(old: Array, new: Array) -> Array:
        return jnp.where(is_new.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(pick, state, begun)
