"""Users who each want a robot to go at a speed of their own (section 4.2 of the paper).

User ``i`` wants ``v_i`` metres per second, and a step at velocity ``v`` earns them ``max(0, 1 - 20
|v - v_i| / b)``, with ``b`` the top speed that anybody is drawn to want: the full reward at the
target, and no reward a twentieth of the top speed away from it. Rewards are scaled so that an
episode of full length at exactly ``v_i`` returns 100.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from handful._support.checks import number_array
from handful.compression import Compression, compress
from handful.errors import HandfulError
from handful.population import Population
from handful.types import Array, Float, NumpyArray
from handful.users import Column, read_users
from handful.users.draws import check_draw


class Motion(NamedTuple):
    """The outcome of one step.

    Attributes:
        velocity: forward velocity over the step, metres per second: the change of the robot's
            position along x divided by the step's duration.
    """

    velocity: Float[Array, ""]


FULL_RETURN = 100.0
"""The return of a whole episode at exactly the target velocity."""

REACH = 1 / 20
"""The distance from the target at which rewards end, as a share of the top speed."""

FASTEST_IN_TABLES = 2.0
"""The largest target of a table, in top speeds, so that a table in km/h gives an error."""

EXACT_USERS = 200
"""The most users whose rewards are features of their own; more are compressed."""

COMPRESSION_TOLERANCE = 0.01
"""The root-mean-square error of compressed rewards, as a share of the reward at the target."""

_POINTS_PER_WIDTH = 50  # of the compressed features' grid: kinks err by 1 % of the peak there
_STEPS_PER_WIDTH = 10  # of the velocities that policies may aim at
_MAX_STEPS = 1_000
_MAX_POINTS = 5_000  # seconds to compress; targets within four times the top speed


@dataclass(frozen=True, eq=False)
class SpeedReward:
    """The exact rewards of all users for one step. It is hashable by identity.

    Attributes:
        targets: float64 [N], metres per second.
        top_speed: the top speed ``b``, metres per second.
        episode_length: the steps of a whole episode, over which the full return is spread.
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
        """Return the reward of every user."""
        targets = jnp.asarray(self.targets, dtype=jnp.float32)
        nearness = 1.0 - jnp.abs(targets - outcome.velocity) / self.half_width
        return self.peak * jnp.maximum(nearness, 0.0)

    def table(self, users: slice, velocities: NumpyArray) -> NumpyArray:
        """Return the rewards [n, G] of some of the users at velocities [G], on the host."""
        table = np.abs(self.targets[users, None] - velocities)
        table *= -self.peak / self.half_width  # in place: the tables are large
        table += self.peak
        return np.maximum(table, 0.0, out=table)


@dataclass(frozen=True, eq=False)
class SpeedFeatures:
    """The features of compressed users. It is hashable by identity.

    Attributes:
        compression: the compressed rewards of the users over velocities, with their errors.
    """

    compression: Compression

    def __call__(self, outcome: Motion) -> Float[Array, " D"]:
        """Return the features [D] of one step."""
        return self.compression.features(outcome.velocity)


def sample_targets(num_users: int, top_speed: float, seed: int) -> NumpyArray:
    """Draw target velocities [N] between 0 and the top speed, in metres per second.

    Raises:
        HandfulError: if there are no users, the top speed is not positive, or the seed is negative.
    """
    check_draw(num_users, seed)
    _check_top_speed(top_speed)
    return np.random.default_rng(seed).uniform(0.0, top_speed, num_users)


def users_with_speeds(
    top_speed: float,
    episode_length: int,
    *,
    users: int = 100,
    population_seed: int = 0,
    targets: Sequence[float] | None = None,
    user_ids: Sequence[str] = (),
    population: Any = None,
    tolerance: float = COMPRESSION_TOLERANCE,
) -> Population:
    """Make the users of a task: from a table, else with the given targets, else drawn.

    Args:
        top_speed: the top speed ``b``, metres per second.
        episode_length: the steps of a whole episode.
        users: the number of users to draw, uniformly between standing still and the top speed.
        population_seed: the seed of the draw of the targets.
        targets: the speed that each user wants, metres per second.
        user_ids: the users' names, if ``targets`` are given.
        population: a table with a column ``target`` (metres per second). Targets above twice the
            top speed are refused, since their unit seems to be another one.
        tolerance: the error that is allowed in the compressed rewards of more than 200 users, as a
            share of the reward at the target (:func:`speed_seekers`).

    Raises:
        HandfulError: if there are no users, or a target is out of its range.
    """
    if population is not None:
        fastest = FASTEST_IN_TABLES * top_speed
        column = Column("target", "velocities in m/s", low=0.0, high=fastest)
        table = read_users(population, [column])
        seekers = speed_seekers(
            table.numbers["target"], top_speed, episode_length, table.user_ids, tolerance
        )
        return replace(seekers, attributes={**seekers.attributes, **table.labels})
    if targets is None:
        targets = sample_targets(users, top_speed, population_seed).tolist()
    return speed_seekers(targets, top_speed, episode_length, user_ids, tolerance)


def speed_seekers(
    targets: Any,
    top_speed: float,
    episode_length: int,
    user_ids: Sequence[str] = (),
    tolerance: float = COMPRESSION_TOLERANCE,
) -> Population:
    """Make the population of users who each want one of the targets.

    Up to 200 users have a feature each. More are compressed: training sees features that come
    close to their rewards, and evaluation pays the rewards themselves.

    Args:
        targets: the target speed of each user [N], in metres per second. They may lie above the top
            speed, which only says how wide the users' rewards are: whether the robot can go that
            fast is the caller's care.
        top_speed: the top speed ``b``, metres per second.
        episode_length: the steps of a whole episode.
        user_ids: the users' distinct names [N].
        tolerance: root-mean-square error of compressed rewards over the range of velocities that
            anybody is paid for, as a share of the reward at the target; no user's is larger.

    Raises:
        HandfulError: if there are no targets, or one is not a velocity (the sentence names its
            user); if the top speed, the episode length or the tolerance is not positive; or if many
            users' targets lie too far apart to be compressed.
    """
    _check_top_speed(top_speed)
    if episode_length < 1:
        raise HandfulError(f"An episode needs at least 1 step, not {episode_length}.")
    checked = _check_targets(targets, user_ids)
    reward = SpeedReward(checked, top_speed, episode_length)
    attributes = {"target": checked}
    if len(checked) <= EXACT_USERS:
        identity = np.eye(len(checked), dtype=np.float32)
        return Population(identity, reward, tuple(user_ids), attributes=attributes)
    compression = _compress(reward, tolerance)
    features = SpeedFeatures(compression)
    return Population(compression.coefficients, features, tuple(user_ids), reward, attributes)


def steady_motions(population: Population, top_speed: float) -> Motion:
    """Return velocities [M] that a policy might keep up, from 0 to the fastest that is wanted.

    Args:
        population: a population that :func:`users_with_speeds` has made.
        top_speed: the top speed ``b``, metres per second.
    """
    fastest = float(population.attributes["target"].max())
    steps = np.ceil(fastest / (REACH * top_speed) * _STEPS_PER_WIDTH)
    return Motion(jnp.linspace(0.0, fastest, int(np.clip(steps, 1, _MAX_STEPS)) + 1))


def _compress(reward: SpeedReward, tolerance: float) -> Compression:
    """Compress between the velocities at which the first and the last user are paid."""
    low = float(reward.targets.min()) - reward.half_width
    high = float(reward.targets.max()) + reward.half_width
    num_points = int(np.ceil((high - low) / reward.half_width * _POINTS_PER_WIDTH)) + 1
    if num_points > _MAX_POINTS:
        reach = (_MAX_POINTS / _POINTS_PER_WIDTH - 2) * reward.half_width
        raise HandfulError(
            f"The users' targets reach from {reward.targets.min():g} to {reward.targets.max():g} "
            f"m/s, and more than {EXACT_USERS} users must want velocities within {reach:g} m/s of "
            f"each other: check the unit of the targets."
        )
    num_users = len(reward.targets)
    return compress(reward.table, num_users, low, high, num_points, tolerance * reward.peak)


def _check_top_speed(top_speed: float) -> None:
    if not 0.0 < top_speed < np.inf:
        raise HandfulError(f"The top speed must be positive and finite, not {top_speed} m/s.")


def _check_targets(values: Any, user_ids: Sequence[str]) -> NumpyArray:
    try:
        targets = np.array(number_array(values), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
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
