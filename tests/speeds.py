"""A task whose users each want a velocity, without a robot: actions are velocities."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import pytest

from handful.catalogue import _TASKS
from handful.domains.speeds.optimum import solve
from handful.domains.speeds.targets import Motion, users_with_speeds
from handful.environment import Box, TimeStep
from handful.problem import RMDP, register
from handful.types import Array, Float, Int, PRNGKey

TOP_SPEED = 4.0
STEPS = 10


@dataclass(frozen=True)
class Cruise:
    """Goes at the velocity that it is told to, for so many steps."""

    time_limit: int = STEPS
    observation_size: int = 1

    @property
    def action_space(self) -> Box:
        return Box((0.0,), (TOP_SPEED,))

    def reset(self, key: PRNGKey):
        return jnp.zeros((), jnp.int32), jnp.zeros(1)

    def step(self, key: PRNGKey, state: Int[Array, ""], action: Float[Array, " 1"]):
        state = state + 1
        share = state[None] / self.time_limit
        over = state >= self.time_limit
        return state, TimeStep(share, Motion(action[0]), jnp.zeros((), bool), over)


def make_cruise(**parameters: Any) -> RMDP:
    return RMDP(
        Cruise(),
        users_with_speeds(TOP_SPEED, STEPS, **parameters),
        return_scale=100.0,
        solver=solve,
        name="cruise",
        parameters=parameters,
    )


def make_named(which: str, **parameters: Any) -> RMDP:
    """A task of a family, whose tasks are all the same."""
    del which
    return make_cruise(**parameters)


@contextmanager
def cruise_registered() -> Iterator[None]:
    """Within it there is a task named ``cruise``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handful.catalogue._TASKS", dict(_TASKS))
        register(
            "cruise",
            "tests.speeds:make_cruise",
            "Goes as told.",
            samples_users=True,
            given=("targets",),
            pictures="handful.domains.speeds.pictures:run_pictures",
            study_pictures="handful.domains.speeds.pictures:study_pictures",
        )
        yield
