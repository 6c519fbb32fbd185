"""Robots in EnvPool: stepped in native threads, without Python's lock."""

import importlib.util
from typing import Any

import numpy as np

from handful._support.installing import install_command
from handful.domains.speeds.targets import Motion
from handful.environment import HostStep
from handful.errors import HandfulError
from handful.types import NumpyArray


def is_installed() -> bool:
    """Say whether EnvPool is installed."""
    return importlib.util.find_spec("envpool") is not None


def missing() -> HandfulError:
    """Return the error to raise if EnvPool is not installed."""
    return HandfulError(
        f"The backend 'envpool' needs EnvPool: {install_command('mujoco')}, or choose the backend "
        f"'gymnasium'."
    )


class EnvPoolBatch:
    """A :class:`~handful.environment.HostBatch` of EnvPool's.

    EnvPool resets an ended episode by itself with the *next* step, whose action it ignores. That
    step never happens here: the collector resets ended episodes before it steps again.
    """

    def __init__(
        self, task: str, num_envs: int, seed: int, num_threads: int, options: dict[str, Any]
    ) -> None:
        try:
            import envpool
        except ImportError:
            raise missing() from None
        self._env: Any = envpool.make_gymnasium(
            task, num_envs=num_envs, num_threads=min(num_threads, num_envs), seed=seed, **options
        )

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes; observations [R, O]."""
        observation, info = self._env.reset(np.asarray(which, dtype=np.int32))
        # They come in the order in which the threads are done.
        order = np.empty(len(which), dtype=np.intp)
        order[np.argsort(which, kind="stable")] = np.argsort(info["env_id"], kind="stable")
        return observation[order]

    def step(self, actions: NumpyArray) -> HostStep:
        """Take one action [M, A] in every robot."""
        observation, _, terminated, truncated, info = self._env.step(
            np.asarray(actions, dtype=np.float64)
        )
        return HostStep(observation, Motion(info["x_velocity"]), terminated, truncated)

    def close(self) -> None:
        """Stop the threads."""
        self._env.close()
