"""Welfares that weigh users by their place from the worst served to the best: Gini and CVaR."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from handful.errors import HandfulError
from handful.welfare_functions.base import Welfare, numpy_of, shares_of


class PlaceWelfare(Welfare):
    """A welfare that weighs users by their place: the mean by a concave distortion g of shares.

    With the users from the worst served to the best, and F_i the weight of the first i, user i
    counts g(F_i) - g(F_{i-1}). As g is concave, the worse served count more.
    """

    @abstractmethod
    def distortion(self, shares: np.ndarray) -> np.ndarray:
        """Give g: from 0 at 0 to 1 at 1, concave."""

    def weights_of_places(self, shares: np.ndarray) -> np.ndarray:
        """Give how much each place counts, from the worst served on, [N], with the sum 1.

        Args:
            shares: the weights of the users in these places, with the sum 1.
        """
        reached = np.minimum(np.cumsum(shares), 1.0)
        reached[-1] = 1.0
        return np.diff(self.distortion(reached), prepend=0.0)

    def place_weights(self, num_users: int) -> np.ndarray:
        """Give the differences of the distortion; see :class:`Welfare`."""
        return self.weights_of_places(shares_of(None, num_users))

    def value(self, utilities: Any, weights: Any = None) -> Any:
        """Give the mean with the weights of the places; see :class:`Welfare`."""
        xp = numpy_of(utilities)
        utilities = xp.asarray(utilities)
        if weights is None:
            places = self.weights_of_places(shares_of(None, utilities.shape[0]))
            return (places * xp.sort(utilities)).sum()
        utilities = np.asarray(utilities, np.float64)
        return float(self.gradient(utilities, weights) @ utilities)

    def gradient(self, utilities: np.ndarray, weights: Any = None) -> np.ndarray:
        """Give the weights of the users' places; see :class:`Welfare`."""
        order = np.argsort(utilities, kind="stable")
        made = np.empty(len(order))
        made[order] = self.weights_of_places(shares_of(weights, len(order))[order])
        return made


@dataclass(frozen=True)
class Gini(PlaceWelfare):
    """The generalised Gini welfare: the worse served a user is, the more the user counts.

    Degree 2 is the mean times one less the Gini coefficient; degree 1 is the mean, and with a
    growing degree the welfare nears that of the worst served user (Donaldson and Weymark, 1980).

    Args:
        degree: how much more the worse served count, at least 1.
        places: the weights of the places from the worst served user to the best, never rising, in
            place of a degree; they are read as shares of the users if there are more users.
    """

    degree: float = 2.0
    places: tuple[float, ...] = ()
    formula: ClassVar[str] = "sum_i (S_{i-1}^d - S_i^d) u_(i)"

    def __post_init__(self) -> None:
        if not 1.0 <= self.degree < math.inf:
            raise HandfulError(f"The degree of a Gini welfare must be at least 1: {self.degree:g}.")
        places = np.asarray(self.places, np.float64)
        if len(places) and (places[-1] < 0 or places[0] <= 0 or (np.diff(places) > 0).any()):
            raise HandfulError(
                "The places' weights of a Gini welfare must never rise from the worst served user "
                "to the best, and none may be negative: otherwise it would not favour equality."
            )

    @property
    def name(self) -> str:
        """The name: ``gini``, ``gini:d``, or ``gini:w1,w2,...`` with the places' weights."""
        if self.places:
            return "gini:" + ",".join(f"{weight:g}" for weight in self.places)
        return "gini" if self.degree == 2.0 else f"gini:{self.degree:g}"

    def distortion(self, shares: np.ndarray) -> np.ndarray:
        """Give 1 - (1 - F)^d, or the line through the places' weights."""
        if not self.places:
            return 1.0 - (1.0 - shares) ** self.degree
        reached = np.append(0.0, np.cumsum(self.places)) / sum(self.places)
        return np.interp(shares, np.linspace(0.0, 1.0, len(reached)), reached)


@dataclass(frozen=True)
class CVaR(PlaceWelfare):
    """The mean utility of the worst served users: their conditional value at risk.

    Args:
        level: the share of the users who count, above 0 and at most 1.
    """

    level: float = 0.1
    formula: ClassVar[str] = "max_t t - sum_i m_i max(0, t - u_i) / a"

    def __post_init__(self) -> None:
        if not 0.0 < self.level <= 1.0:
            raise HandfulError(
                f"The level of a CVaR must be above 0 and at most 1, not {self.level:g}: it is the "
                f"share of the users who count."
            )

    @property
    def name(self) -> str:
        """The name: ``cvar:a``."""
        return f"cvar:{self.level:g}"

    def distortion(self, shares: np.ndarray) -> np.ndarray:
        """Give min(F / a, 1)."""
        return np.minimum(shares / self.level, 1.0)
