"""Glide: the users of the robots on a body so simple that a whole study of it takes minutes.

A body glides along a line. Its action pushes it: velocity changes by up to 0.15 m/s a step. What
the users see of its velocity trembles, the faster the more, as a gait does: by a standard deviation
of 0.03 (0.3 m/s + |v|). An episode has 100 steps and starts at rest. User ``i`` wants ``v_i``
between 0 and 4 m/s and is paid as in the robots' tasks: nothing outside a band of 0.4 m/s.

It has everything that makes the robots hard for an assignment method: every policy begins slow, a
reward that is zero outside of a narrow band teaches nothing from afar, and the policy that first
serves a user is tempted to stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from handful.domains.speeds.optimum import solve
from handful.domains.speeds.targets import Motion, steady_motions, users_with_speeds
from handful.environment import Box, TimeStep
from handful.problem import RMDP
from handful.types import Array, Float, Preset, PRNGKey

TOP_SPEED = 4.0
TIME_LIMIT = 100
PUSH = 0.15
"""The metres per second that a full action adds in a step."""

TREMOR = 0.03
"""The standard deviation of the velocity seen, as a share of the velocity plus 0.3 m/s."""


@dataclass(frozen=True)
class Glide:
    """The body. Its state is the velocity and the share of time passed; both are observed."""

    time_limit: int = TIME_LIMIT
    observation_size: int = 2
    never_terminates: bool = True

    @property
    def action_space(self) -> Box:
        """An action is one push, from -1 (back) to 1 (forward)."""
        return Box((-1.0,), (1.0,))

    def reset(self, key: PRNGKey) -> tuple[Float[Array, " 2"], Float[Array, " 2"]]:
        """Start at rest."""
        del key
        return jnp.zeros(2), jnp.zeros(2)

    def step(
        self, key: PRNGKey, state: Float[Array, " 2"], action: Float[Array, " 1"]
    ) -> tuple[Float[Array, " 2"], TimeStep]:
        """Push the body, and return its velocity as the outcome."""
        velocity = state[0] + PUSH * action[0]
        state = jnp.stack([velocity, state[1] + 1.0 / self.time_limit])
        tremor = TREMOR * (0.3 + jnp.abs(velocity)) * jax.random.normal(key)
        is_over = state[1] > 1.0 - 0.5 / self.time_limit
        return state, TimeStep(state, Motion(velocity + tremor), jnp.zeros((), bool), is_over)


def make_glide(**parameters: Any) -> RMDP:
    """Make the task; the parameters are those of :func:`glide_task`."""
    return replace(glide_task(**parameters), parameters=parameters)


def glide_task(**users: Any) -> RMDP:
    """Make the problem; the users are :func:`~handful.domains.speeds.targets.users_with_speeds`.

    Raises:
        HandfulError: if there are no users, or a target is out of its range.
    """
    population = users_with_speeds(TOP_SPEED, TIME_LIMIT, **users)
    return RMDP(
        environment=Glide(),
        population=population,
        discount=0.95,
        return_scale=20.0,
        constant_outcomes=partial(steady_motions, population, TOP_SPEED),
        learner_settings=_learner_settings,
        solver=solve,
        name="glide",
    )


def _learner_settings(num_policies: int, preset: Preset) -> Mapping[str, Any]:
    """Take small first standard deviations and few environments, as for the robots."""
    del num_policies
    settings: dict[str, Any] = {"initial_log_std": -1.0, "num_envs": 32}
    if preset.is_fast:
        settings |= {"learning_rate": 7e-4, "num_epochs": 10, "minibatch_size": 64}
    return settings
