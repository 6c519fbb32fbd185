"""The best mixtures for given groups of users, by columns and tangents, with a bound.

Every group of users has one mixture of policies: their chances are what is looked for. Utilities
are linear in the chances and the welfare is concave, so this is a concave program. It is solved by
a small linear program over the policies known so far (columns) and the tangents known so far (rows;
Kelley, 1960; Dantzig and Wolfe, 1960). Each round adds the tangent at its solution, and for each
group the policy that is best for the weights that the program gives the users, its dual values.

The bound needs no trust in the linear program. For any tangents l with weights y_l >= 0 that sum to
1, any prices m >= 0 of the floors, and c = sum_l y_l g_l + m A,

    W(u)  <=  sum_l y_l const_l - m f + c u  <=  sum_l y_l const_l - m f + sum_j h_j(c),

where A u >= f are the floors and h_j(c) is the most that one policy earns group j for the weights c
of its users. The dual values are only a good choice of y and m.

The same program with one group that has everybody, and whole sets of k policies in the place of
single ones, bounds what k policies can reach (:mod:`handful.optima.best`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from handful.optima.goal import Goal, Tangent

CLOSE = 1e-7
"""The gap at which a program stops, as a share of the returns' range."""

_MOST_ROUNDS = 400

Column = tuple[np.ndarray, float]
"""What each user has from a policy [N], and the most that any policy is worth for the weights."""


@dataclass(frozen=True, eq=False)
class Group:
    """Users who have the same mixture, and the policies that it may be made of.

    Attributes:
        users: the rows of the users.
        best: gives a policy that is best for weights of the users [N], which are 0 for all others:
            what each user has from it [N], and a number that no policy's weighted sum exceeds.
        first: columns to begin with, [N] each; at least one.
    """

    users: np.ndarray
    best: Callable[[np.ndarray], Column]
    first: Sequence[np.ndarray]


@dataclass(frozen=True, eq=False)
class Mixed:
    """The best mixtures that were found, and the bound.

    Attributes:
        utilities: what each user has, [N]; None if no mixture was found that meets the floors.
        columns: for each group the columns with a chance, [C_j, N].
        chances: their chances, [C_j].
        value: the welfare of the utilities.
        bound: a number that no mixtures for these groups exceed; minus infinity if none of them
            meets the floors.
    """

    utilities: np.ndarray | None
    columns: tuple[np.ndarray, ...]
    chances: tuple[np.ndarray, ...]
    value: float
    bound: float


def best_mixtures(
    goal: Goal,
    groups: Sequence[Group],
    fixed: np.ndarray,
    deadline: float,
    stop_at: float = -np.inf,
) -> Mixed:
    """Find the best mixture for each group.

    Args:
        goal: the welfare and floors.
        groups: the groups; a user is in one or none.
        fixed: what users have who are in no group, and 0 for all others, [N].
        deadline: the time (of :func:`time.monotonic`) after which to stop.
        stop_at: a welfare that is already known: once the bound is no higher, there is no need to
            go on.
    """
    if not groups:
        value = goal.value(fixed) if goal.short(fixed) <= CLOSE * goal.range else -np.inf
        return Mixed(fixed if value > -np.inf else None, (), (), value, value)
    if len(goal.rows):
        start = best_mixtures(goal.towards_floors(), groups, fixed, deadline)
        if start.bound < -1e3 * CLOSE * goal.range:
            return Mixed(None, (), (), -np.inf, -np.inf)
        if start.utilities is not None and start.value >= -CLOSE * goal.range:
            extended = zip(groups, start.columns, strict=True)
            groups = [Group(g.users, g.best, [*g.first, *more]) for g, more in extended]
    program = _Program(goal, groups, fixed)
    return program.solve(deadline, stop_at)


class _Program:
    """The columns and tangents so far."""

    def __init__(self, goal: Goal, groups: Sequence[Group], fixed: np.ndarray) -> None:
        self.goal, self.groups, self.fixed = goal, groups, fixed
        self.columns = [[np.asarray(one, np.float64) for one in group.first] for group in groups]
        finite = goal.all_tangents()
        self.is_finite = finite is not None
        self.tangents: list[Tangent] = finite or []
        middle = self._middle()
        if not self.is_finite:
            even = np.full_like(middle, middle.mean())
            self.tangents = [goal.tangent(middle), goal.tangent(even)]
        self.best: tuple[np.ndarray, list[np.ndarray]] | None = None
        self.value, self.bound = -np.inf, np.inf

    def solve(self, deadline: float, stop_at: float) -> Mixed:
        """Add columns and tangents until value and bound meet."""
        close = CLOSE * self.goal.range
        # No welfare of the library is above the mean, which is often all that a bound needs.
        even = self.tangents if self.is_finite else self.tangents[1:]
        slopes, constants = zip(*even, strict=True)
        self._add_columns(np.mean(slopes, axis=0), float(np.mean(constants)))
        for _ in range(_MOST_ROUNDS):
            solved = self._linear_program()
            if solved is None:  # the floors cannot be met by the columns so far
                break
            promised, chances, weights, constant = solved
            utilities = self._utilities(chances)
            self._keep(utilities, chances)
            is_new = self._add_columns(weights, constant)
            self.bound = max(self.bound, self.value)
            if self.bound <= max(self.value, stop_at) + close:
                break
            if not self.is_finite and promised - self.goal.value(utilities) > close:
                self.tangents.append(self.goal.tangent(utilities))
                if self.best is not None and self.best[0] is not utilities:
                    middle = 0.5 * (utilities + self.best[0])
                    self.tangents.append(self.goal.tangent(middle))
                is_new = True
            if not is_new or time.monotonic() > deadline:
                break
        return self._result()

    def _linear_program(self) -> tuple[float, list[np.ndarray], np.ndarray, float] | None:
        """Solve for the columns and tangents so far.

        Returns:
            the promised welfare, the chances of each group's columns, the users' weights [N], and
            the constant that the bound has besides; None if the floors cannot be met.
        """
        goal, scale = self.goal, self.goal.range
        slopes = np.array([slope for slope, _ in self.tangents])
        constants = np.array([constant for _, constant in self.tangents])
        middle = float(constants.mean() + (slopes @ self._middle()).mean())
        parts, floors, equal = [], [], []
        for number, (group, columns) in enumerate(zip(self.groups, self.columns, strict=True)):
            own = np.array(columns)[:, group.users].T
            parts.append(-slopes[:, group.users] @ own)
            floors.append(-goal.rows[:, group.users] @ own)
            equal.append(np.eye(len(self.groups))[[number]].T @ np.ones((1, len(columns))))
        top = np.vstack([np.ones((len(slopes), 1)), np.zeros((len(goal.rows), 1))])
        matrix = np.hstack([np.vstack([np.hstack(parts), np.hstack(floors)]) / scale, top])
        limits = np.concatenate(
            [
                constants + slopes @ self.fixed - middle,
                goal.rows @ self.fixed - goal.least + CLOSE * scale,
            ]
        )
        total = matrix.shape[1]
        cost = np.zeros(total)
        cost[-1] = -1.0
        solution = linprog(
            cost,
            A_ub=matrix,
            b_ub=limits / scale,
            A_eq=np.hstack([np.hstack(equal), np.zeros((len(self.groups), 1))]),
            b_eq=np.ones(len(self.groups)),
            bounds=[(0.0, None)] * (total - 1) + [(None, None)],
            method="highs",
        )
        if solution.x is None or solution.status != 0:
            return None
        duals = np.maximum(-solution.ineqlin.marginals, 0.0)
        of_tangents, of_floors = duals[: len(slopes)], duals[len(slopes) :]
        total_weight = float(of_tangents.sum()) or 1.0
        of_tangents, of_floors = of_tangents / total_weight, of_floors / total_weight
        weights = of_tangents @ slopes + of_floors @ goal.rows
        constant = float(of_tangents @ constants - of_floors @ goal.least)
        ends = np.cumsum([len(columns) for columns in self.columns])
        chances = [np.maximum(part, 0.0) for part in np.split(solution.x[:-1], ends[:-1])]
        chances = [part / part.sum() for part in chances]
        return scale * solution.x[-1] + middle, chances, weights, constant

    def _add_columns(self, weights: np.ndarray, constant: float) -> bool:
        """Add the best column of each group, and lower the bound; say whether one is new."""
        bound = constant + float(weights @ self.fixed)
        is_new = False
        for group, columns in zip(self.groups, self.columns, strict=True):
            of_group = np.zeros(len(weights))
            of_group[group.users] = weights[group.users]
            column, most = group.best(of_group)
            bound += most
            known = np.array(columns)[:, group.users]
            if (np.abs(known - column[group.users]).max(axis=1) > 0.0).all():
                columns.append(column)
                is_new = True
        self.bound = min(self.bound, bound)
        return is_new

    def _utilities(self, chances: list[np.ndarray]) -> np.ndarray:
        utilities = self.fixed.copy()
        for group, columns, part in zip(self.groups, self.columns, chances, strict=True):
            utilities[group.users] = part @ np.array(columns)[:, group.users]
        return utilities

    def _middle(self) -> np.ndarray:
        """Return what users have if each column so far has the same chance."""
        return self._utilities([np.full(len(c), 1.0 / len(c)) for c in self.columns])

    def _keep(self, utilities: np.ndarray, chances: list[np.ndarray]) -> None:
        value = self.goal.value(utilities)
        if self.goal.short(utilities) <= 10.0 * CLOSE * self.goal.range and value > self.value:
            self.value, self.best = value, (utilities, chances)

    def _result(self) -> Mixed:
        if self.best is None:
            return Mixed(None, (), (), -np.inf, self.bound)
        utilities, chances = self.best
        columns, kept = [], []
        for known, part in zip(self.columns, chances, strict=True):
            used = np.flatnonzero(part > 1e-9)
            columns.append(np.array(known)[used])
            kept.append(part[used] / part[used].sum())
        return Mixed(utilities, tuple(columns), tuple(kept), self.value, self.bound)
