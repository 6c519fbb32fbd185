"""Environments that are vectorised already (``gymnasium.vector.VectorEnv``), in any reset mode.

Before each step the collector resets exactly the episodes that have ended. So Gymnasium's own
resets must never be seen. With ``DISABLED`` there are none. With ``NEXT_STEP`` an ended environment
would reset in the next step, which never comes: it is reset before. With ``SAME_STEP`` it has been
reset already when the step returns: the final observation and info are taken from ``final_obs`` and
``final_info``. In all three the collector's reset goes through Gymnasium's ``reset_mask``, and a
vector environment that does not heed it is refused when it is opened.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate

from handful.environment import HostStep
from handful.envs.gym.features import Transition, check_count, keep
from handful.envs.gym.probe import random_action
from handful.envs.gym.sources import Factory, Source, close, failure
from handful.envs.gym.spaces import Flattener, read_action_space
from handful.envs.gym.worker import Blueprint
from handful.errors import HandfulError
from handful.types import NumpyArray

MakeVector = Callable[[int], Any]
"""A function from a number of environments to a ``gymnasium.vector.VectorEnv`` of that many."""


class VectorBatch:
    """A :class:`~handful.environment.HostBatch` of a vector environment.

    Args:
        make: the function that makes the vector environment.
        blueprint: the blueprint of the copies; its source is not used.
        num_features: the number of features ``D``.
        num_envs: the number of copies ``M``.
        seed: the seed of all copies; Gymnasium gives copy ``i`` the seed plus ``i``.

    Raises:
        HandfulError: if it cannot be made or cannot reset single copies; and from its methods, if
            it fails.
    """

    def __init__(
        self,
        make: MakeVector,
        blueprint: Blueprint,
        num_features: int,
        num_envs: int,
        seed: int,
    ) -> None:
        self._env = make_vector(make, num_envs)
        self._features, self._num_features = blueprint.features, num_features
        self._limit = blueprint.time_limit
        self._actions = read_action_space(self._env.single_action_space, blueprint.action_range)
        self._flatten = Flattener(self._env.single_observation_space, blueprint.observation_offset)
        self._ages = np.zeros(num_envs, dtype=np.int64)
        self._last: list[Any] = [None] * num_envs
        try:
            self._check_mask(num_envs)
            self._restart(seed=seed)
        except BaseException:
            close(self._env)
            raise
        self._is_fresh = np.ones(
            num_envs, dtype=bool
        )  # whether no step was made since the seed was set

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes and return their observations [R, O]."""
        which = np.asarray(which)
        mask = np.zeros(len(self._ages), dtype=bool)
        mask[which] = True
        mask &= ~self._is_fresh
        if mask.any():
            rows = self._restart(options={"reset_mask": mask})
            for index in np.flatnonzero(mask):
                self._last[index] = rows[index]
        self._is_fresh[which] = True
        self._ages[which] = 0
        return np.stack([self._flatten(self._last[index]) for index in which])

    def step(self, actions: NumpyArray) -> HostStep:
        """Take one action in every copy."""
        taken = [self._actions.decode(action) for action in actions]
        try:
            observations, rewards, terminated, truncated, infos = self._env.step(
                batch_actions(self._env.single_action_space, taken)
            )
        except BaseException as error:
            raise failure("step()", error) from None
        terminated, truncated = np.array(terminated, bool), np.array(truncated, bool)
        rows = self._rows(observations)
        features = []
        for index, action in enumerate(taken):
            info = row_of(infos, index)
            if "final_obs" in info:  # SAME_STEP: the row belongs to the next episode
                rows[index] = keep(info["final_obs"])
                info = info.get("final_info") or {}
            step = Transition(self._last[index], action, rows[index], rewards[index], info)
            features.append(self._features(step))
            check_count(features[-1], self._num_features)
        self._last = rows
        self._ages += 1
        self._is_fresh[:] = False
        truncated |= (self._ages >= self._limit) & ~terminated
        observation = np.stack([self._flatten(row) for row in rows])
        return HostStep(observation, np.array(features, np.float32), terminated, truncated)

    def close(self) -> None:
        """Close the environments."""
        close(self._env)

    def _restart(self, **how: Any) -> list[Any]:
        try:
            observations, _ = self._env.reset(**how)
        except BaseException as error:
            raise failure("reset()", error) from None
        rows = self._rows(observations)
        if "seed" in how:
            self._last = rows
        return rows

    def _rows(self, observations: Any) -> list[Any]:
        return [keep(row) for row in iterate(self._env.observation_space, observations)]

    def _check_mask(self, num_envs: int) -> None:
        """Reset one of two copies after a step, and check that the other one has not changed."""
        if num_envs < 2:
            return
        self._restart(seed=0)
        rng = np.random.default_rng(0)
        taken = [self._actions.decode(random_action(self._actions, rng)) for _ in range(num_envs)]
        observations, *_ = self._env.step(batch_actions(self._env.single_action_space, taken))
        before = self._rows(observations)
        mask = np.zeros(num_envs, dtype=bool)
        mask[0] = True
        after = self._restart(options={"reset_mask": mask})
        if not np.array_equal(self._flatten(before[1]), self._flatten(after[1])):
            raise HandfulError(
                "The vector environment resets all copies where it was asked to reset one "
                "(options={'reset_mask': ...}), so episodes cannot end one by one: give a function "
                "that makes a single environment instead."
            )


def make_vector(make: MakeVector, num_envs: int) -> Any:
    """Make a vector environment of ``num_envs`` copies.

    Raises:
        HandfulError: if making it fails or gives something else.
    """
    try:
        env = make(num_envs)
    except BaseException as error:
        raise failure("making it", error) from None
    if not isinstance(env, VectorEnv) or env.num_envs != num_envs:
        found = f"one of {env.num_envs}" if isinstance(env, VectorEnv) else type(env).__name__
        raise HandfulError(
            f"The function that makes a vector environment was asked for {num_envs} copies and "
            f"made {found}: it takes their number and returns a gymnasium.vector.VectorEnv."
        )
    return env


def batch_actions(space: Any, actions: list[Any]) -> Any:
    """Return the actions of single environments in the form that the vector environment takes."""
    return concatenate(space, actions, create_empty_array(space, n=len(actions)))


def row_of(infos: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return one environment's info from a vector environment's.

    The entry ``_name`` says which environments have the entry ``name``.
    """
    info = {}
    for name, values in infos.items():
        if name.startswith("_") and name[1:] in infos:
            continue
        present = infos.get(f"_{name}")
        if present is not None and not present[index]:
            continue
        info[name] = row_of(values, index) if isinstance(values, Mapping) else values[index]
    return info


class OneOfVector(gymnasium.Env[Any, Any]):
    """A vector environment of one copy as a single environment, whatever its reset mode."""

    def __init__(self, make: MakeVector) -> None:
        self._env = make_vector(make, 1)
        self.observation_space = self._env.single_observation_space
        self.action_space = self._env.single_action_space
        self.spec = self._env.spec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        observations, infos = self._env.reset(seed=seed, options=options)
        return self._row(observations), row_of(infos, 0)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take one action.

        The observation belongs to this episode, also at its end.
        """
        observations, rewards, terminated, truncated, infos = self._env.step(
            batch_actions(self.action_space, [action])
        )
        observation, info = self._row(observations), row_of(infos, 0)
        if "final_obs" in info:
            observation, info = keep(info["final_obs"]), info.get("final_info") or {}
        return observation, rewards[0], bool(terminated[0]), bool(truncated[0]), info

    def close(self) -> None:
        """Close the vector environment."""
        close(self._env)

    def _row(self, observations: Any) -> Any:
        return keep(next(iter(iterate(self._env.observation_space, observations))))


def single_source(env: Any) -> Source:
    """Return a source of single environments from a vector environment, or from its maker.

    Raises:
        HandfulError: if single environments cannot be made from the object.
    """
    if isinstance(env, SyncVectorEnv | AsyncVectorEnv):
        return Factory(env.env_fns[0])
    if isinstance(env, VectorEnv) or not callable(env):
        raise HandfulError(
            "A vector environment has a fixed number of copies, and training and evaluation need "
            "numbers of their own: give a function of the number of copies that makes it, with "
            "vectorized=True, or a function that makes a single environment."
        )
    return Factory(partial(OneOfVector, env))
