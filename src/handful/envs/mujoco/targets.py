"""Users who each want a robot to go at a speed of their own (section 4.2 of the paper).

User ``i`` wants ``v_i`` metres per second, and a step at velocity ``v`` earns them
``max(0, 1 - 20 |v - v_i| / b)``, with ``b`` the top speed that anybody is drawn to want: full
marks at the target, nothing from a twentieth of the top speed away. Rewards are scaled so that an
episode of full length at exactly ``v_i`` returns 100.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from handful.envs.mujoco.motion import Motion
from handful.errors import HandfulError
from handful.population import Population
from handful.types import Array, Float, NumpyArray

FULL_RETURN = 100.0
"""What a whole episode at exactly the target velocity is worth."""

REACH = 1 / 20
"""How far from the target rewards end, as a share of the top speed."""


@dataclass(frozen=True, eq=False)
class SpeedReward:
    """All users' rewards for one step, exactly. Hashable by identity.

    Attributes:
        targets: float64 [N], metres per second.
        top_speed: ``b``, metres per second.
        episode_length: steps of a whole episode, over which the full return is spread.
    """

    targets: NumpyArray
    top_speed: float
    episode_length: int

    @property
    def half_width(self) -> float:
        """The distance from the target at which nothing is earned any more, metres per second."""
        return REACH * self.top_speed

    @property
    def peak(self) -> float:
        """The reward of a step at the target."""
        return FULL_RETURN / self.episode_length

    def __call__(self, outcome: Motion) -> Float[Array, " N"]:
        """The reward of every user."""
        targets = jnp.asarray(self.targets, dtype=jnp.float32)
        nearness = 1.0 - jnp.abs(targets - outcome.velocity) / self.half_width
        return self.peak * jnp.maximum(nearness, 0.0)


def sample_targets(num_users: int, top_speed: float, seed: int) -> NumpyArray:
    """Target velocities [N], uniform between 0 and the top speed, in metres per second.

    Raises:
        HandfulError: for no users, a top speed that is not positive, or a negative seed.
    """
    if num_users < 1:
        raise HandfulError(f"A population needs at least one user, not {num_users}.")
    if seed < 0:
        raise HandfulError(f"The population's seed must be 0 or more, not {seed}.")
    _check_top_speed(top_speed)
    return np.random.default_rng(seed).uniform(0.0, top_speed, num_users)


def speed_seekers(
    targets: Any, top_speed: float, episode_length: int, user_ids: Sequence[str] = ()
) -> Population:
    """The population of users who each want one of the targets.

    Args:
        targets: [N] in metres per second. They may lie above the top speed, which only says how
            wide the users' rewards are: whether the robot can go that fast is the caller's care.
        top_speed: ``b``, metres per second.
        episode_length: steps of a whole episode.
        user_ids: [N] distinct labels.

    Raises:
        HandfulError: if there are no targets or one is no velocity, naming its user, or if the
            top speed or the episode length is not positive.
    """
    _check_top_speed(top_speed)
    if episode_length < 1:
        raise HandfulError(f"An episode needs at least 1 step, not {episode_length}.")
    checked = _check_targets(targets, user_ids)
    reward = SpeedReward(checked, top_speed, episode_length)
    coefficients = np.eye(len(checked), dtype=np.float32)
    return Population(coefficients, reward, tuple(user_ids), attributes={"target": checked})


def _check_top_speed(top_speed: float) -> None:
    if not 0.0 < top_speed < np.inf:
        raise HandfulError(f"The top speed must be positive and finite, not {top_speed} m/s.")


def _check_targets(values: Any, user_ids: Sequence[str]) -> NumpyArray:
    try:
        targets = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise HandfulError("The users' target velocities must all be numbers.") from None
    if targets.ndim != 1 or not len(targets):
        raise HandfulError(
            f"The users' target velocities must be a list of at least one number, not of shape "
            f"{list(targets.shape)}."
        )
    wrong = np.flatnonzero(~((targets >= 0.0) & np.isfinite(targets)))
    if len(wrong):
        first = int(wrong[0])
        user = f"'{user_ids[first]}'" if len(user_ids) > first else f"{first} (counted from 0)"
        raise HandfulError(
            f"The target velocity of user {user} must be finite and 0 or more, not "
            f"{targets[first]} m/s."
        )
    targets.setflags(write=False)
    return targets
