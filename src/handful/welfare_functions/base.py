"""What every welfare function has, and the users' weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from handful.errors import HandfulError


def shares_of(weights: Any, num_users: int) -> np.ndarray:
    """Give the users' weights with the sum 1, [N].

    Args:
        weights: the users' weights [N], each positive; None if every user counts the same.
        num_users: ``N``.

    Raises:
        HandfulError: if they are not N positive numbers.
    """
    if weights is None:
        return np.full(num_users, 1.0 / num_users)
    shares = np.asarray(weights, np.float64)
    if shares.shape != (num_users,) or not np.isfinite(shares).all() or shares.min() <= 0.0:
        raise HandfulError(
            f"The users' weights must be {num_users} positive numbers, one for each user: leave "
            f"out users who shall not count."
        )
    return shares / shares.sum()


@dataclass(frozen=True)
class Welfare(ABC):
    """A welfare function: from the utilities of all users to one number.

    A class of the caller's own has ``value`` and ``gradient``; a bound is proven for it only if it
    is concave.
    """

    formula: ClassVar[str] = ""
    """The formula, in the notation of :mod:`handful.welfare_functions`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The text from which :func:`parse_welfare` reads the same function."""

    @abstractmethod
    def value(self, utilities: Any, weights: Any = None) -> Any:
        """Give the welfare of utilities [N], an array of NumPy or JAX; a number in their unit.

        Args:
            utilities: what each user expects to earn.
            weights: the users' weights [N], with any positive sum; None for equal ones.
        """

    @abstractmethod
    def gradient(self, utilities: np.ndarray, weights: Any = None) -> np.ndarray:
        """Give a supergradient at utilities [N]: what one more unit for each user is worth, [N].

        Args:
            utilities: what each user expects to earn, where the welfare is defined.
            weights: the users' weights [N]; None for equal ones.
        """

    def check(self, utilities: np.ndarray) -> None:  # noqa: B027  # most are defined everywhere
        """Check that the welfare is defined at utilities [N].

        Raises:
            HandfulError: if it is not.
        """

    def place_weights(self, num_users: int) -> np.ndarray | None:
        """Give what each place counts, from the worst served of N users to the best, [N].

        They never rise, and their sum is 1. The welfare is then the least mean over all orders of
        them, and its gradient jumps where users change places.

        Args:
            num_users: ``N``, users who all count the same.

        Returns:
            the weights; None, the default, for a welfare whose gradient does not jump.
        """
        del num_users
        return None

    def __call__(self, utilities: Any) -> Any:
        """Give the welfare of utilities [N], as training asks for it."""
        return self.value(utilities)

    def __str__(self) -> str:
        """Show the name."""
        return self.name


def numpy_of(utilities: Any) -> Any:
    """Return the module that computes with an array: NumPy, or jax.numpy for all others."""
    if isinstance(utilities, np.ndarray | list | tuple):
        return np
    import jax.numpy as jnp

    return jnp
