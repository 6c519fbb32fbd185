"""What is wanted of the users' utilities: a concave welfare, and floors that are linear.

A concave welfare lies below each of its tangents, W(u) <= W(v) + g(v) (u - v), and is their least.
A program (:mod:`handful.optima.mixtures`) knows it by tangents only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from handful.choice.floors import Floor, group_means
from handful.choice.pool import Pool
from handful.welfare_functions import GroupWelfare, PowerMean, Welfare

_INSIDE = 1e-3
"""How far inside the domain of a power mean a tangent is taken, as a share of the range."""

Tangent = tuple[np.ndarray, float]
"""The slope [N] of a tangent and its constant: slope @ u + constant."""


@dataclass(frozen=True, eq=False)
class Goal:
    """A concave welfare and the rows of floors.

    Attributes:
        welfare: the welfare; one of groups is bound to them.
        shares: the users' weights, with the sum 1, [N].
        range: the range of returns, which says what is small.
        rows: what must be reached is ``rows @ utilities >= least``, [R, N].
        least: the floors, [R].
    """

    welfare: Welfare
    shares: np.ndarray
    range: float
    rows: np.ndarray
    least: np.ndarray

    @classmethod
    def of(cls, welfare: Welfare, pool: Pool, floors: tuple[Floor, ...]) -> Goal:
        """Make the goal of a pool's users; a floor of a share of them is no row, and is left out.

        Args:
            welfare: the welfare, bound to the pool's groups.
            pool: the users, with their weights and groups.
            floors: the floors.
        """
        rows, least = [np.empty((0, pool.num_users))], [np.empty(0)]
        for floor in floors:
            if floor.of == "everyone":
                rows.append(np.eye(pool.num_users))
                least.append(floor.levels(pool))
            elif floor.of == "groups":
                rows.append(group_means(pool))
                least.append(floor.levels(pool))
        scale = float(np.ptp(pool.lifted)) or 1.0
        return cls(welfare, pool.shares, scale, np.concatenate(rows), np.concatenate(least))

    def value(self, utilities: np.ndarray) -> float:
        """Give the welfare of utilities [N]."""
        return float(self.welfare.value(utilities, self.shares))

    def short(self, utilities: np.ndarray) -> float:
        """Give how much is missing to the floor that is missed most, or 0."""
        return float((self.least - self.rows @ utilities).max(initial=0.0))

    def tangent(self, utilities: np.ndarray) -> Tangent:
        """Give a tangent at utilities [N], or inside the domain near them."""
        inner, features, weights = self._inner()
        point = features @ utilities
        if isinstance(inner, PowerMean) and inner.exponent < 1.0:
            point = np.maximum(point, inner.reference + _INSIDE * self.range)
        slope = inner.gradient(point, weights)
        constant = float(inner.value(point, weights) - slope @ point)
        return slope @ features, constant

    def all_tangents(self) -> list[Tangent] | None:
        """Give all tangents of the worst of few, which they describe fully; None for others."""
        inner, features, _ = self._inner()
        if isinstance(inner, PowerMean) and inner.exponent == -math.inf:
            return [(row, 0.0) for row in features]
        return None

    def towards_floors(self) -> Goal:
        """Give the goal of reaching the floors: the least of what is above them, at most 0."""
        return _Floors(self.welfare, self.shares, self.range, self.rows[:0], self.least[:0], self)

    def _inner(self) -> tuple[Welfare, np.ndarray, np.ndarray | None]:
        """Return the welfare of features, the features' matrix, and their weights."""
        if isinstance(self.welfare, GroupWelfare):
            return self.welfare.of, self.welfare.averages(self.shares), None
        return self.welfare, np.eye(len(self.shares)), self.shares


@dataclass(frozen=True, eq=False)
class _Floors(Goal):
    """The least difference to the floors, cut off at 0, as a welfare."""

    of: Goal | None = None

    def value(self, utilities: np.ndarray) -> float:
        assert self.of is not None
        return min(float((self.of.rows @ utilities - self.of.least).min()), 0.0)

    def all_tangents(self) -> list[Tangent]:
        assert self.of is not None
        rows = zip(self.of.rows, self.of.least, strict=True)
        return [(np.zeros(len(self.shares)), 0.0), *((row, -float(level)) for row, level in rows)]
