"""The best choice for any concave welfare: CVaR, generalised Gini, of groups, or one's own.

A concave welfare lies below each of its tangents, W(u) <= W(v) + g(v) (u - v). Utilities are linear
in the variables of the program (:mod:`handful.choice.program`), so tangents are linear rows, and
the largest t below all of them is a bound. Tangents are added where the last solution lies, first
for the program with policies in parts, which is quick, and then for the program itself: each of its
solutions is a choice, whose welfare is known (outer approximation; Duran and Grossmann, 1986). A
choice that was looked at is excluded with all its parts, which are worth no more. So the search
ends, and it ends with a proof. A generalised Gini welfare is the least of the linear functions that
its tangents are, so for it nothing is approximated.

CVaR, and the worst of a few groups, need one program only. CVaR is the largest over t of
t - sum_i m_i max(0, t - u_i) / a, a linear program (Rockafellar and Uryasev, 2000).
"""

from __future__ import annotations

import math
import time

import numpy as np

from handful.choice.floors import Floor
from handful.choice.found import Found
from handful.choice.pool import Pool
from handful.choice.program import Program, program_of
from handful.welfare_functions import CVaR, GroupWelfare, PowerMean, Welfare

_PARTS = 80
"""The most tangents that are added while policies may be chosen in parts."""

_INSIDE = 1e-3
"""How far inside the domain of a power mean a tangent is taken, as a share of the range."""

_CLOSE = 1e-7
"""The gap at which the search stops, as a share of the returns' range."""


def choose_cvar(
    pool: Pool, welfare: CVaR, most: float | None, floors: tuple[Floor, ...], seconds: float
) -> Found:
    """Choose for the worst served share of the users, by one program.

    Args:
        pool: the pool.
        welfare: the CVaR.
        most: how many policies, or how much money; None without a limit.
        floors: the floors, which can be met.
        seconds: the time limit.
    """
    program = program_of(pool, most, floors)
    level = int(program.add_variables(1, -np.inf, np.inf)[0])
    short = program.add_variables(pool.num_users, 0.0, np.inf)
    order = np.argsort(program.level_user, kind="stable")
    starts = np.searchsorted(program.level_user[order], np.arange(pool.num_users + 1))
    middle = float(pool.base.mean())
    for user in range(pool.num_users):
        own = order[starts[user] : starts[user + 1]]
        worth = (program.level_high - program.level_low)[own] * program.unit
        columns = np.concatenate([[short[user], level], program.levels[own]])
        entries = np.concatenate([[1.0, -1.0], worth])  # short >= level - utility
        program.add_row(columns, entries, low=(middle - pool.base[user]) * program.unit)
    solved = program.maximise(
        np.append(level, short), np.append(1.0, -pool.shares / welfare.level), seconds
    )
    return Found(solved.rows, solved.bound / program.unit + middle)


def choose_concave(
    pool: Pool,
    welfare: Welfare,
    most: float | None,
    floors: tuple[Floor, ...],
    seconds: float,
) -> Found:
    """Choose for a concave welfare by tangents.

    Args:
        pool: the pool.
        welfare: the welfare; one of groups is bound to them.
        most: how many policies, or how much money; None without a limit.
        floors: the floors, which can be met.
        seconds: the time limit.
    """
    deadline = time.monotonic() + seconds
    view = _View(pool, welfare)
    program = program_of(pool, most, floors)
    top = int(program.add_variables(1, -np.inf, np.inf)[0])
    is_finite = False
    if isinstance(view.inner, PowerMean) and view.inner.exponent == -math.inf:
        is_finite = True
        for one in np.eye(len(view.features)):
            _add_tangent(program, top, view, one, 0.0)
    else:
        everything = view.at(pool.lifted.max(axis=0))
        for share in (0.0, 0.5, 1.0):
            point = everything - share * (everything - view.at(pool.base))
            _add_tangent(program, top, view, *view.tangent(point))
        for _ in range(_PARTS):
            solved = program.maximise(
                np.array([top]), np.ones(1), deadline - time.monotonic(), relaxed=True
            )
            if solved.values is None or time.monotonic() > deadline:
                break
            point = view.at(_utilities(program, solved.values))
            slope, constant = view.tangent(point)
            promised = solved.values[top] / program.unit + view.middle
            if promised - (slope @ point + constant) <= 1e-5 * view.range:
                break
            _add_tangent(program, top, view, slope, constant)
    best: np.ndarray | None = None
    value, bound = -np.inf, np.inf
    while True:
        solved = program.maximise(np.array([top]), np.ones(1), deadline - time.monotonic())
        if solved.is_infeasible:  # every choice was looked at
            return Found(best, value)
        bound = min(bound, max(solved.bound / program.unit + view.middle, value))
        if solved.rows is None:
            return Found(best, bound)
        utilities = pool.utilities(solved.rows)
        found = float(welfare.value(utilities, pool.shares))
        if best is None or found > value:
            best, value = solved.rows, found
        if is_finite or bound - value <= _CLOSE * view.range or time.monotonic() > deadline:
            return Found(best, bound)
        _add_tangent(program, top, view, *view.tangent(view.at(utilities)))
        others = np.setdiff1d(program.policies, solved.rows)
        program.add_row(others, np.ones(len(others)), low=1.0)


class _View:
    """A welfare as a function of features: the users' utilities, or the groups' means."""

    def __init__(self, pool: Pool, welfare: Welfare) -> None:
        if isinstance(welfare, GroupWelfare):
            self.inner, self.features = welfare.of, welfare.averages(pool.shares)
            self.weights = None
        else:
            self.inner, self.features = welfare, np.eye(pool.num_users)
            self.weights = pool.shares
        self.range = float(np.ptp(pool.lifted)) or 1.0
        self.middle = float(pool.base.mean())

    def at(self, utilities: np.ndarray) -> np.ndarray:
        """Return the features of utilities."""
        return self.features @ utilities

    def tangent(self, point: np.ndarray) -> tuple[np.ndarray, float]:
        """Return slope and constant of a tangent near features; the slope is of features."""
        if isinstance(self.inner, PowerMean) and self.inner.exponent < 1.0:
            point = np.maximum(point, self.inner.reference + _INSIDE * self.range)
        slope = self.inner.gradient(point, self.weights)
        return slope, float(self.inner.value(point, self.weights) - slope @ point)


def _add_tangent(
    program: Program, top: int, view: _View, slope: np.ndarray, constant: float
) -> None:
    """Ask that the promised welfare lies below a tangent, whose slope is of features."""
    terms, base = program.utility_terms(slope @ view.features)
    program.add_row(
        np.append(top, program.levels),
        np.append(1.0, -terms * program.unit),
        high=(base + constant - view.middle) * program.unit,
    )


def _utilities(program: Program, values: np.ndarray) -> np.ndarray:
    """Return what each user gets in a solution, perhaps with policies in parts."""
    gains = values[program.levels] * (program.level_high - program.level_low)
    return program.pool.base + np.bincount(
        program.level_user, weights=gains, minlength=program.pool.num_users
    )
