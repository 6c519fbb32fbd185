"""A population of many users whose rewards depend on one number, with few features.

The cost of training grows with the number of reward features, not of users. If an outcome comes
down to one number, the table of all users' rewards over its range is close to a table of low rank.
A truncated singular value decomposition gives the best few features. So the critic learns D values,
where D is as small as a stated error allows, however many users there are. Policies are trained
with the features; evaluation uses the exact rewards.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from handful.errors import HandfulError
from handful.types import Array, Float, NumpyArray

RewardTable = Callable[[slice, NumpyArray], NumpyArray]
"""A function ``rewards(users, outcomes)`` that gives exact rewards [n, G] for outcomes [G]."""

_BASIS_USERS = 4_000  # the users from whom the features are found
_CHUNK = 500  # the users at a time, so that their rewards stay in the cache
_GROWTH = 1.05  # the growth of D if it is too small between the points of the grid


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Features of one number: linear between the points of an even grid, constant outside of it.

    Attributes:
        low, high: the first and the last point of the grid.
        table: the features at each point, float32 [G, D]; G is at least 2.
    """

    low: float
    high: float
    table: NumpyArray

    def __call__(self, outcome: Float[Array, ""]) -> Float[Array, " D"]:
        """Return the features [D] of one outcome."""
        last = len(self.table) - 1
        place = jnp.clip((outcome - self.low) * (last / (self.high - self.low)), 0.0, last)
        left = jnp.minimum(place.astype(jnp.int32), last - 1)
        share = place - left
        table = jnp.asarray(self.table)
        return (1.0 - share) * table[left] + share * table[left + 1]


@dataclass(frozen=True, eq=False)
class Compression:
    """A close approximation of users' rewards: ``coefficients @ features(outcome)``.

    A critic that learns the D features then weighs users as a critic with one output for each user
    does: its mean squared error over the features equals the mean squared error of the users'
    values that follow from them. The scale is chosen for this.

    Attributes:
        coefficients: the coefficients of the users, float32 [N, D].
        features: the feature function, from an outcome to features [D].
        rms_error: the largest root-mean-square error of any user over the range of outcomes, in
            the unit of rewards.
        max_error: the largest error of any user at any outcome, in the same unit.
    """

    coefficients: NumpyArray
    features: Interpolation
    rms_error: float
    max_error: float


def compress(
    rewards: RewardTable, num_users: int, low: float, high: float, num_points: int, tolerance: float
) -> Compression:
    """Find the fewest features that keep every user's mean error within the tolerance.

    The mean error is the root mean square over the range of outcomes.

    The features are the leading singular vectors of the reward table of at most 4,000 users,
    evenly spaced in their order; the errors are those of all users, measured at the points of the
    grid and in the middles between them.

    Args:
        rewards: the exact rewards of the users.
        num_users: the number of users ``N``.
        low, high: the range of outcomes.
        num_points: the number of points of the features' grid, at least 2.
        tolerance: the largest root-mean-square error that is allowed for any user, in the unit of
            rewards.

    Returns:
        the features, the users' coefficients and the errors that remain.

    Raises:
        HandfulError: if the tolerance is not positive, or finer than the grid allows.
    """
    if not tolerance > 0.0:
        raise HandfulError(f"The tolerance of a compression must be positive, not {tolerance}.")
    grid = np.linspace(low, high, num_points)
    fine_grid = np.linspace(low, high, 2 * num_points - 1)
    some = rewards(slice(0, num_users, -(-num_users // _BASIS_USERS)), grid)
    # These are orthonormal features on the grid, [G, min(G, N)], the most important ones first.
    basis = np.linalg.eigh(some.T @ some)[1][:, ::-1][:, :num_users]
    # Some users show about how many features are enough; all users show exactly how many.
    roughly = _enough([some], basis, tolerance)
    everybody = (rewards(users, grid) for users in _chunks(num_users))
    num_features = _enough(everybody, basis[:, : 2 * roughly], tolerance)
    while True:
        kept = basis[:, :num_features]
        projected, rms_error, max_error = _project(rewards, num_users, fine_grid, kept)
        if rms_error <= tolerance:
            break
        if num_features == basis.shape[1]:
            raise HandfulError(
                f"{num_points} points are too few to compress rewards to within {tolerance}: ask "
                f"for a larger tolerance."
            )
        num_features = min(int(num_features * _GROWTH) + 1, basis.shape[1])
    table, coefficients = _scaled(kept, projected)
    return Compression(coefficients, Interpolation(low, high, table), rms_error, max_error)


def _enough(tables: Iterable[NumpyArray], basis: NumpyArray, tolerance: float) -> int:
    """Return the least D that keeps every user's error on the grid within the tolerance.

    If no D does, it is the largest one.

    Args:
        tables: the exact rewards on the grid, [n, G] each.
        basis: the basis [G, D], with the largest number of features that is allowed.
    """
    worst = np.zeros(basis.shape[1])
    for exact in tables:
        explained = np.cumsum((exact @ basis) ** 2, axis=1)
        residual = _squared_norms(exact)[:, None] - explained
        worst = np.maximum(worst, residual.max(axis=0))
    return min(int(np.sum(worst > tolerance**2 * len(basis))) + 1, len(worst))


def _project(
    rewards: RewardTable, num_users: int, fine_grid: NumpyArray, basis: NumpyArray
) -> tuple[NumpyArray, float, float]:
    """Return the users on the basis [N, D], the largest mean error and the largest error.

    The mean error of a user is the root mean square over the grid.
    """
    projected = np.empty((num_users, basis.shape[1]))
    between = np.empty((len(fine_grid), basis.shape[1]))
    between[::2], between[1::2] = basis, (basis[1:] + basis[:-1]) / 2
    largest_square, largest = 0.0, 0.0
    for users in _chunks(num_users):
        exact = rewards(users, fine_grid)
        projected[users] = exact[:, ::2] @ basis
        error = exact - projected[users] @ between.T
        largest_square = max(largest_square, _squared_norms(error).max() / len(fine_grid))
        largest = max(largest, error.max(), -error.min())
    return projected, float(largest_square) ** 0.5, float(largest)


def _scaled(basis: NumpyArray, projected: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Return the feature table [G, D] and the coefficients [N, D] of a projection, both float32.

    With the projected rewards ``U S V'``, coefficients are ``U sqrt(N / D)`` and features
    ``S V' sqrt(D / N)``: as U has orthonormal columns, an error in the features has the mean square
    that it has in the users' rewards.
    """
    num_users, num_features = projected.shape
    squares, rotation = np.linalg.eigh(projected.T @ projected)
    singular = np.sqrt(np.maximum(squares, 0.0))[::-1]
    rotation = rotation[:, ::-1]
    scale = np.sqrt(num_users / num_features)
    # A feature that no user has a share in stays 0.
    shares = np.divide(scale, singular, out=np.zeros(num_features), where=singular > 0.0)
    table = basis @ (rotation * singular) / scale
    return table.astype(np.float32), (projected @ rotation * shares).astype(np.float32)


def _squared_norms(rows: NumpyArray) -> NumpyArray:
    return np.einsum("ng,ng->n", rows, rows)


def _chunks(num_users: int) -> Iterator[slice]:
    for start in range(0, num_users, _CHUNK):
        yield slice(start, min(start + _CHUNK, num_users))
