"""The families of welfare functions: power means, ordered welfares and the welfare of groups.

Each is a small frozen object with a value, a gradient, a name that is read back, and a formula. All
of them are welfares of *expected* returns: a user's utility is the mean return that the user
expects, and the welfare is taken once, over users. (The mean over episodes of a welfare of returns
is another thing.) All of them are concave, never fall if a user earns more, give the common utility
back if all users earn the same, and are in the unit of returns.

With weights m of the users (positive, with the sum 1; 1/N each unless they are given):

==================  ==========================================================================
``utilitarian``     sum_i m_i u_i
``power:p``         (sum_i m_i u_i^p)^(1/p) for p <= 1, where p = 0 is the geometric mean
``nash``            ``power:0``
``egalitarian``     min_i u_i, which is ``power:-inf``
``gini:d``          sum_i (S_{i-1}^d - S_i^d) u_(i) with the users from the worst served to the best
                    and S_i the weight of those served better than i; ``gini`` is d = 2
``cvar:a``          the mean utility of the worst served share a of the users
``groups:W``        the welfare W of the groups' means
==================  ==========================================================================

Power means below 1 are of the gain over a reference point r, which is 0 unless it is given:
r + M_p(u - r). A gain must not be negative; where one is 0 and p <= 0, the welfare is r.

The values are computed by NumPy or by ``jax.numpy``, as the utilities are. So one definition serves
the choice from a table and, as each object is a function of the utilities, training.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from handful._support.checks import brief, did_you_mean
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


def _numpy_of(utilities: Any) -> Any:
    """Return the module that computes with an array: NumPy, or jax.numpy for all others."""
    if isinstance(utilities, np.ndarray | list | tuple):
        return np
    import jax.numpy as jnp

    return jnp


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
        xp = _numpy_of(utilities)
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
        xp = _numpy_of(utilities)
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


@dataclass(frozen=True)
class GroupWelfare(Welfare):
    """A welfare of the groups' means, whatever the groups' sizes.

    ``groups:egalitarian`` is the mean of the worst served group.

    Args:
        of: the welfare function that is taken over groups.
        labels: the group [N] of each user by its number; :func:`handful.choose` gives them.
    """

    of: Welfare = PowerMean(-math.inf)
    labels: tuple[int, ...] = ()
    formula: ClassVar[str] = "W(m_1, ..., m_G) of the groups' means"

    @property
    def name(self) -> str:
        """The name: ``groups:`` and the name of the welfare over groups."""
        return f"groups:{self.of.name}"

    def bind(self, labels: Sequence[int] | np.ndarray) -> GroupWelfare:
        """Give the same welfare for users with these groups [N], numbered from 0."""
        return replace(self, labels=tuple(int(label) for label in labels))

    def averages(self, weights: Any = None) -> np.ndarray:
        """Give the matrix [G, N] that makes groups' means of utilities.

        Raises:
            HandfulError: if the users have no groups.
        """
        if not self.labels:
            raise HandfulError(
                f"The welfare '{self.name}' needs the users' groups: name their column, or give "
                f"groups=."
            )
        labels = np.asarray(self.labels)
        shares = shares_of(weights, len(labels))
        members = (labels == np.arange(labels.max() + 1)[:, None]) * shares
        return members / members.sum(axis=1, keepdims=True)

    def value(self, utilities: Any, weights: Any = None) -> Any:
        """Give the welfare of the groups' means; see :class:`Welfare`."""
        return self.of.value(self.averages(weights) @ _numpy_of(utilities).asarray(utilities))

    def gradient(self, utilities: np.ndarray, weights: Any = None) -> np.ndarray:
        """Give a supergradient; see :class:`Welfare`."""
        averages = self.averages(weights)
        return self.of.gradient(averages @ utilities) @ averages

    def check(self, utilities: np.ndarray) -> None:
        """Check the groups' means; see :class:`Welfare`."""
        self.of.check(self.averages() @ utilities)


@dataclass(frozen=True)
class OwnWelfare(Welfare):
    """A welfare function of the caller's own: a function of ``jax.numpy`` from utilities [N].

    Args:
        function: the function. Bounds hold if it is concave.
        given_name: its name.
    """

    function: Callable[[Any], Any]
    given_name: str = "own"

    @property
    def name(self) -> str:
        """The name that was given."""
        return self.given_name

    def value(self, utilities: Any, weights: Any = None) -> Any:
        """Give the function's value; the weights of users are the function's own matter."""
        made = self.function(utilities)
        return float(made) if isinstance(utilities, np.ndarray) else made

    def gradient(self, utilities: np.ndarray, weights: Any = None) -> np.ndarray:
        """Give the gradient by JAX, in single precision."""
        import jax
        import jax.numpy as jnp

        made = np.asarray(jax.grad(self.function)(jnp.asarray(utilities, jnp.float32)), np.float64)
        if not np.isfinite(made).all():
            raise HandfulError(
                f"The welfare function '{self.name}' has no finite gradient where users earn from "
                f"{np.min(utilities):g} to {np.max(utilities):g}: let it keep away from places "
                f"like log(0)."
            )
        return made


FAMILIES: dict[str, Callable[[str], Welfare]] = {
    "utilitarian": lambda text: PowerMean(1.0),
    "nash": lambda text: PowerMean(0.0),
    "egalitarian": lambda text: PowerMean(-math.inf),
    "power": lambda text: PowerMean(float(text)),
    "gini": lambda text: _gini(text),
    "cvar": lambda text: CVaR(float(text)) if text else CVaR(),
    "groups": lambda text: GroupWelfare(parse_welfare(text or "egalitarian")),
}
"""How each family's function is read from the text behind the colon."""

_BARE = ("utilitarian", "nash", "egalitarian")


def is_of_family(name: str) -> bool:
    """Return whether a name is that of a function of this library, which is concave."""
    return name.partition("@")[0].partition(":")[0] in FAMILIES


def parse_welfare(text: str) -> Welfare:
    """Read a welfare function from text.

    Args:
        text: such as ``nash``, ``power:-2``, ``cvar:0.1``, ``gini``, ``gini:3,2,1`` or
            ``groups:nash``. A number behind ``@`` is the reference point of a power mean:
            ``nash@-10``.

    Returns:
        the function.

    Raises:
        HandfulError: if there is no such function, or its parameters are out of range.
    """
    body, at, reference = text.partition("@")
    family, _, parameters = body.partition(":")
    if family not in FAMILIES or (parameters and family in _BARE):
        raise HandfulError(
            f"There is no welfare function named {brief(text)}{did_you_mean(family, FAMILIES)}: it "
            f"may be utilitarian, nash, egalitarian, power:-2, gini, gini:3, cvar:0.1 or "
            f"groups:egalitarian."
        )
    try:
        if at and family == "groups":
            return GroupWelfare(parse_welfare(f"{parameters}@{reference}"))
        made = FAMILIES[family](parameters)
        if at and not isinstance(made, PowerMean):
            raise HandfulError(f"Only power means have a reference point, not '{body}'.")
        return replace(made, reference=float(reference)) if at else made  # type: ignore[call-arg]
    except ValueError:
        raise HandfulError(
            f"The welfare function {brief(text)} needs a number behind its name, as in power:-2, "
            f"cvar:0.1 or nash@-10."
        ) from None


def _gini(text: str) -> Gini:
    numbers = tuple(float(number) for number in text.split(",")) if text else (2.0,)
    return Gini(numbers[0]) if len(numbers) == 1 else Gini(places=numbers)
