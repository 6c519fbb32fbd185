"""The four robots: which Gymnasium task each is, and how it is stepped."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from handful.domains.speeds import envpool_batch, gymnasium_batch
from handful.domains.speeds.targets import Motion
from handful.environment import Box, HostBatch
from handful.errors import HandfulError

TIME_LIMIT = 1000


@dataclass(frozen=True)
class Robot:
    """A robot in MuJoCo, with Gymnasium's dynamics, observations and ends of episodes.

    The reward is left to the users: an outcome is the forward velocity, in metres per second.

    Attributes:
        name: the task's name here.
        gymnasium_id: the task's name in Gymnasium.
        gymnasium_options: keyword arguments of the Gymnasium task that differ from its defaults.
        envpool_options: the same for EnvPool's version of it.
        observation_size: the length ``O`` of an observation.
        num_joints: the length ``A`` of an action: torques between -1 and 1, in the robot's units.
        top_speed: the highest velocity that the paper's users ask for, metres per second.
        seconds_per_step: the seconds that a step lasts for the robot.
        never_terminates: whether only the time limit ends an episode; other robots fall.
        backend: ``envpool`` steps in native threads; ``gymnasium`` in this one, if EnvPool has
            no wheel; ``auto`` is EnvPool if it is installed.
    """

    name: str
    gymnasium_id: str
    observation_size: int
    num_joints: int
    top_speed: float
    seconds_per_step: float
    gymnasium_options: tuple[tuple[str, Any], ...] = ()
    envpool_options: tuple[tuple[str, Any], ...] = ()
    never_terminates: bool = False
    backend: str = "auto"
    time_limit: int = field(default=TIME_LIMIT, init=False)

    def __post_init__(self) -> None:
        if self.backend not in ("auto", "envpool", "gymnasium"):
            raise HandfulError(
                f"The backend must be auto, envpool or gymnasium, not '{self.backend}'."
            )

    @property
    def action_space(self) -> Box:
        """An action is a torque for each joint."""
        return Box((-1.0,) * self.num_joints, (1.0,) * self.num_joints)

    def outcome_shape(self) -> Motion:
        """Return the shape of an outcome, which is one velocity."""
        number: Any = jax.ShapeDtypeStruct((), jnp.float32)
        return Motion(number)

    @property
    def _chosen_backend(self) -> str:
        """What ``auto`` stands for here."""
        if self.backend != "auto":
            return self.backend
        return "envpool" if envpool_batch.is_installed() else "gymnasium"

    def check_installed(self) -> None:
        """Look for the backend, without starting it.

        Raises:
            HandfulError: the same error as in :meth:`open`.
        """
        backend = envpool_batch if self._chosen_backend == "envpool" else gymnasium_batch
        if not backend.is_installed():
            raise backend.missing()

    def open(self, num_envs: int, seed: int, num_threads: int) -> HostBatch:
        """Open ``num_envs`` robots that step side by side.

        Raises:
            HandfulError: if neither EnvPool nor Gymnasium with MuJoCo is installed, or the backend
                that was asked for is not.
        """
        if self._chosen_backend == "envpool":
            options = dict(self.envpool_options)
            return envpool_batch.EnvPoolBatch(
                self.gymnasium_id, num_envs, seed, num_threads, options
            )
        options = dict(self.gymnasium_options)
        return gymnasium_batch.GymnasiumBatch(self.gymnasium_id, num_envs, seed, options)


HALF_CHEETAH = Robot("half-cheetah", "HalfCheetah-v4", 17, 6, 4.0, 0.05, never_terminates=True)

ANT = Robot(
    "ant",
    "Ant-v4",
    27,
    8,
    3.0,
    0.05,
    gymnasium_options=(("healthy_z_range", (0.4, 1.0)),),
    envpool_options=(("healthy_z_min", 0.4), ("healthy_z_max", 1.0)),
)

HOPPER = Robot("hopper", "Hopper-v4", 11, 3, 2.5, 0.008)

WALKER2D = Robot("walker2d", "Walker2d-v4", 17, 6, 2.5, 0.008)
