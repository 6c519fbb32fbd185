"""Power means of what users gain over a reference: the mean, Nash welfare, the egalitarian one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from handful.errors import HandfulError
from handful.welfare_functions.base import Welfare, numpy_of, shares_of


@dataclass(frozen=True)
class PowerMean(Welfare):
    """The power mean of the users' gains over a reference point.

    Exponent 1 is the utilitarian welfare, 0 the Nash welfare (the geometric mean), and minus
    infinity the egalitarian welfare (the worst served user).

    Args:
        exponent: the exponent, at most 1.
        reference: what every user has without us, in the unit of returns; utilities above it count.
    """

    exponent: float = 1.0
    reference: float = 0.0
    formula: ClassVar[str] = "r + (sum_i m_i (u_i - r)^p)^(1/p)"

    def __post_init__(self) -> None:
        if math.isnan(self.exponent) or self.exponent > 1.0:
            raise HandfulError(
                f"The exponent of a power mean must be at most 1, not {self.exponent:g}: above 1 "
                f"it would favour users who have much already."
            )
        if not math.isfinite(self.reference):
            raise HandfulError("The reference point of a power mean must be a finite number.")

    @property
    def name(self) -> str:
        """The name: ``utilitarian``, ``nash``, ``egalitarian`` or ``power:p``."""
        special = {1.0: "utilitarian", 0.0: "nash", -math.inf: "egalitarian"}
        name = special.get(self.exponent, f"power:{self.exponent:g}")
        is_shifted = self.reference and math.isfinite(self.exponent) and self.exponent < 1.0
        return f"{name}@{self.reference:g}" if is_shifted else name

    def value(self, utilities: Any, weights: Any = None) -> Any:
        """Give the power mean; see :class:`Welfare`."""
        xp = numpy_of(utilities)
        utilities = xp.asarray(utilities)
        shares = shares_of(weights, utilities.shape[0])
        if self.exponent == 1.0:
            return (shares * utilities).sum()
        if self.exponent == -math.inf:
            return utilities.min()
        gains = utilities - self.reference
        if xp is not np:
            return self.reference + self._of_positive(gains, shares, xp)
        if gains.min() < 0.0 or (gains.min() == 0.0 and self.exponent <= 0.0):
            return self.reference if gains.min() == 0.0 else -np.inf
        return self.reference + self._of_positive(gains, shares, xp)

    def _of_positive(self, gains: Any, shares: np.ndarray, xp: Any) -> Any:
        """Return the power mean of positive gains, scaled so that no power overflows."""
        if self.exponent == 0.0:
            return xp.exp((shares * xp.log(gains)).sum())
        scale = gains.max() if self.exponent > 0 else gains.min()
        scale = xp.where(scale == 0.0, 1.0, scale)  # nobody gains anything
        powers = (shares * (gains / scale) ** self.exponent).sum()
        return scale * powers ** (1.0 / self.exponent)

    def gradient(self, utilities: np.ndarray, weights: Any = None) -> np.ndarray:
        """Give a supergradient; see :class:`Welfare`."""
        utilities = np.asarray(utilities, np.float64)
        shares = shares_of(weights, len(utilities))
        if self.exponent == 1.0:
            return shares
        if self.exponent == -math.inf:
            return np.eye(len(utilities))[utilities.argmin()]
        self.check(utilities)
        gains = utilities - self.reference
        with np.errstate(divide="ignore", over="ignore"):
            ratio = gains / (self.value(utilities, weights) - self.reference)
            return shares * ratio ** (self.exponent - 1.0)

    def place_weights(self, num_users: int) -> np.ndarray | None:
        """Give all weight to the first place, if the exponent is minus infinity."""
        return np.eye(num_users)[0] if self.exponent == -math.inf else None

    def check(self, utilities: np.ndarray) -> None:
        """Check that every gain over the reference point is positive (p <= 0) or at least 0.

        Raises:
            HandfulError: if one is not.
        """
        if self.exponent in (1.0, -math.inf):
            return
        least = float(np.min(utilities)) - self.reference
        if least < 0.0 or (least == 0.0 and self.exponent <= 0.0):
            raise HandfulError(
                f"The welfare '{self.name}' is not defined where a user gains {least:g} over the "
                f"reference point {self.reference:g}: give a lower reference point, as in "
                f"'{self._shifted(least)}', or users' outside options above it."
            )

    def _shifted(self, least: float) -> str:
        below = self.reference + 2.0 * least - 1.0
        return replace(self, reference=float(f"{below:.2g}")).name

    def transform(self, utilities: np.ndarray) -> np.ndarray:
        """Give the increasing function of one user's utility whose mean is largest where this is.

        Returns:
            u for p = 1, log(u - r) for p = 0, and sign(p) (u - r)^p otherwise; minus infinity
            where the welfare is not defined.

        Raises:
            HandfulError: if the exponent is minus infinity, for which there is none.
        """
        if self.exponent == -math.inf:
            raise HandfulError("The egalitarian welfare is no sum over users.")
        if self.exponent == 1.0:
            return np.asarray(utilities, np.float64)
        gains = np.asarray(utilities, np.float64) - self.reference
        is_defined = gains > 0.0 if self.exponent <= 0.0 else gains >= 0.0
        safe = np.where(is_defined, gains, 1.0)
        sign = 1.0 if self.exponent > 0 else -1.0
        made = np.log(safe) if self.exponent == 0.0 else sign * safe**self.exponent
        return np.where(is_defined, made, -np.inf)

    def inverse(self, mean: float) -> float:
        """Give the welfare whose users' mean of :meth:`transform` is known."""
        if self.exponent == 1.0:
            return mean
        if self.exponent == 0.0:
            return self.reference + math.exp(mean)
        magnitude = mean if self.exponent > 0 else -mean
        if magnitude <= 0.0:
            return self.reference if self.exponent > 0 else math.inf
        return self.reference + magnitude ** (1.0 / self.exponent)


EGALITARIAN = PowerMean(-math.inf)
"""What the worst served user gets."""
