"""A pool of policies: what each would earn for each user, and what else a choice must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handful._support.checks import brief
from handful.errors import HandfulError
from handful.welfare_functions import shares_of

ROUNDING = 1e-9
"""The share of the returns' range below which a difference is rounding."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Policies and users, checked.

    Attributes:
        returns: the expected return of each policy for each user, [M, N].
        outside: what each user gets without a policy, [N]; None if everybody must have one.
        shares: the users' weights, with the sum 1, [N].
        groups: each user's group by its number, int [N]; None if users have none.
        group_names: the groups' names.
        costs: what each policy costs, [M]; None if policies are counted.
    """

    returns: np.ndarray
    outside: np.ndarray | None
    shares: np.ndarray
    groups: np.ndarray | None
    group_names: tuple[str, ...]
    costs: np.ndarray | None
    lifted: np.ndarray = field(init=False)
    base: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Compute what users get from each policy or outside, and what they get in any case."""
        if self.outside is None:
            lifted, base = self.returns, self.returns.min(axis=0)
        else:
            lifted, base = np.maximum(self.returns, self.outside), self.outside
        object.__setattr__(self, "lifted", lifted)
        object.__setattr__(self, "base", base)

    @property
    def num_policies(self) -> int:
        """``M``."""
        return self.returns.shape[0]

    @property
    def num_users(self) -> int:
        """``N``."""
        return self.returns.shape[1]

    @property
    def slack(self) -> float:
        """The difference of returns that is rounding."""
        return ROUNDING * (float(np.ptp(self.lifted)) or 1.0)

    def utilities(self, rows: Any) -> np.ndarray:
        """Give what each user gets if these policies are there, [N].

        Args:
            rows: the policies by their rows; none are allowed where users have outside options.
        """
        rows = np.asarray(rows, np.int64)
        if len(rows) == 0:
            return self.base
        return self.lifted[rows].max(axis=0)

    def price(self, rows: Any) -> float:
        """Give what these policies cost together, or how many they are."""
        return float(len(rows) if self.costs is None else self.costs[np.asarray(rows, int)].sum())

    @classmethod
    def of(
        cls,
        returns: Any,
        *,
        outside: Any = None,
        weights: Any = None,
        groups: Sequence[Any] | np.ndarray | None = None,
        costs: Any = None,
    ) -> Pool:
        """Check what a caller gave.

        Args:
            returns: the returns [M, N].
            outside: the users' outside options: a number or [N].
            weights: the users' weights [N].
            groups: the users' groups [N], as text or numbers.
            costs: the policies' costs [M].

        Returns:
            the pool.

        Raises:
            HandfulError: if a shape does not fit, or a number is not finite.
        """
        table = _numbers(returns, "The returns")
        if table.ndim != 2 or table.size == 0:
            raise HandfulError(
                f"The returns must be a table of policies × users, not an array of shape "
                f"{list(table.shape)}."
            )
        num_policies, num_users = table.shape
        options = None
        if outside is not None:
            options = _numbers(outside, "The outside options")
            if options.ndim == 0:
                options = np.full(num_users, float(options))
            _check_length(options, num_users, "outside options", "user")
        prices = None
        if costs is not None:
            prices = _numbers(costs, "The costs")
            _check_length(prices, num_policies, "costs", "policy")
            if prices.min() < 0.0:
                raise HandfulError("The costs of policies must not be negative.")
        numbers, names = None, ()
        if groups is not None:
            labels = [str(label) for label in groups]
            _check_length(labels, num_users, "groups", "user")
            names = tuple(dict.fromkeys(labels))
            numbers = np.array([names.index(label) for label in labels])
        return cls(table, options, shares_of(weights, num_users), numbers, names, prices)


def _numbers(values: Any, name: str) -> np.ndarray:
    try:
        made = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise HandfulError(f"{name} must be numbers, not {brief(values)}.") from None
    if not np.isfinite(made).all():
        raise HandfulError(f"{name} must be finite numbers, without gaps.")
    return made


def _check_length(values: Any, length: int, name: str, each: str) -> None:
    if np.shape(values) != (length,):
        raise HandfulError(
            f"There must be {length} {name}, one for each {each}, not an array of shape "
            f"{list(np.shape(values))}."
        )
