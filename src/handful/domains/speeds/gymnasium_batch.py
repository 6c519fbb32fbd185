"""Robots through Gymnasium's vector API, in this process: for machines without EnvPool."""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handful._support.installing import install_command
from handful.domains.speeds.targets import Motion
from handful.environment import HostStep
from handful.envs.gym.loading import import_mujoco
from handful.errors import HandfulError
from handful.types import NumpyArray


@contextmanager
def without_remarks() -> Iterator[None]:
    """Within the block, Gymnasium gives no warnings and MuJoCo writes no file into the folder."""
    mujoco = import_mujoco()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        mujoco.set_mju_user_warning(None)


def is_installed() -> bool:
    """Say whether Gymnasium and MuJoCo are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("gymnasium", "mujoco"))


def missing() -> HandfulError:
    """Return the error to raise if no engine for the robots is installed."""
    return HandfulError(
        f"The robots need EnvPool, or Gymnasium with MuJoCo: {install_command('mujoco')}."
    )


class GymnasiumBatch:
    """A :class:`~handful.environment.HostBatch` of Gymnasium's, which never resets by itself."""

    def __init__(self, task: str, num_envs: int, seed: int, options: dict[str, Any]) -> None:
        try:
            import gymnasium
            from gymnasium.vector import AutoresetMode

            import_mujoco()
        except ImportError:
            raise missing() from None
        self._num_envs = num_envs
        with without_remarks():
            self._env: Any = gymnasium.make_vec(
                task,
                num_envs=num_envs,
                vectorization_mode="sync",
                vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED, "copy": True},
                **options,
            )
        self._seed: int | None = seed

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes; observations [R, O]."""
        mask = np.zeros(self._num_envs, dtype=bool)
        mask[which] = True
        if self._seed is not None:  # the first call seeds all of them, whomever it is for
            self._env.reset(seed=self._seed)
            self._seed = None
        observation, _ = self._env.reset(options={"reset_mask": mask})
        return observation[which]

    def step(self, actions: NumpyArray) -> HostStep:
        """Take one action [M, A] in every robot."""
        observation, _, terminated, truncated, info = self._env.step(np.asarray(actions))
        return HostStep(observation, Motion(info["x_velocity"]), terminated, truncated)

    def close(self) -> None:
        """Close the robots."""
        self._env.close()
