"""The mixed-integer program of a choice: which policies, and what every user then gets.

It has a binary y_j for each policy, and for each user with the distinct returns v_1 > v_2 > ...
above what the user gets in any case a variable z_l <= 1, "gets at least v_l":

    z_l <= z_{l-1} + (number of chosen policies with return exactly v_l).

A user's utility is then linear, base + sum_l (v_l - v_{l+1}) z_l, and so is any increasing function
f of it, with f(v_l) - f(v_{l+1}) in the place of the difference. Only the policies are integer.
HiGHS solves it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array

from handful.choice.floors import Floor, group_means
from handful.choice.pool import Pool

SMALLEST_GAP = 1e-7
"""The relative gap at which HiGHS stops."""

_SCALE = 100.0
"""The largest gain after scaling, so that HiGHS's tolerances mean the same in every unit."""


@dataclass(frozen=True, eq=False)
class Solved:
    """What a program found.

    Attributes:
        rows: the chosen policies, ascending; None if none was found.
        bound: a number that the objective of no choice exceeds; minus infinity if there is none.
        values: all variables of the solution; None if there is none.
        is_infeasible: whether it is proven that no choice meets the rows.
    """

    rows: np.ndarray | None
    bound: float
    values: np.ndarray | None
    is_infeasible: bool


class Program:
    """A program that grows by rows and variables.

    Args:
        pool: the pool.
        most: how many policies, or how much money; None without a limit.
        with_levels: whether utilities are needed, or only who is served up to which floor.
    """

    def __init__(self, pool: Pool, most: float | None, *, with_levels: bool = True) -> None:
        self.pool = pool
        self.size = 0
        self._lower: list[np.ndarray] = []
        self._upper: list[np.ndarray] = []
        self._integer: list[np.ndarray] = []
        self._rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._low: list[float] = []
        self._high: list[float] = []
        self.policies = self.add_variables(pool.num_policies, 0.0, 1.0, integer=True)
        if most is not None:
            prices = np.ones(pool.num_policies) if pool.costs is None else pool.costs
            self.add_row(self.policies, prices, high=most + 1e-9 * max(abs(most), 1.0))
        if pool.outside is None:
            self.add_row(self.policies, np.ones(pool.num_policies), low=1.0)
        self.unit = _SCALE / (float((pool.lifted - pool.base).max()) or 1.0)
        if with_levels:
            self._add_levels()

    def _add_levels(self) -> None:
        """Add the level variables of all users; :meth:`utility_terms` reads them."""
        pool = self.pool
        users, highs, lows, starts, counts = [], [], [], [], []
        row_of, column_of, entry_of = [], [], []
        first, offset = 0, self.size
        for user in range(pool.num_users):
            above = pool.lifted[:, user] > pool.base[user]
            distinct, rank = np.unique(pool.lifted[above, user], return_inverse=True)
            number = len(distinct)
            own = np.arange(first, first + number)
            high = distinct[::-1]
            users.append(np.full(number, user))
            highs.append(high)
            lows.append(np.append(high, pool.base[user])[1:])
            starts.append(first)
            counts.append(number)
            row_of += [own, own[1:], first + number - 1 - rank]
            column_of += [offset + own, offset + own[:-1], np.flatnonzero(above)]
            entry_of += [np.ones(number), -np.ones(max(number - 1, 0)), -np.ones(above.sum())]
            first += number
        self.level_user = np.concatenate(users)
        self.level_high, self.level_low = np.concatenate(highs), np.concatenate(lows)
        self.levels = self.add_variables(first, 0.0, 1.0)
        if first:
            self._rows.append(
                (
                    len(self._low) + np.concatenate(row_of),
                    np.concatenate(column_of),
                    np.concatenate(entry_of),
                )
            )
            self._low += [-np.inf] * first
            self._high += [0.0] * first

    def add_variables(
        self, number: int, lower: float, upper: float, *, integer: bool = False
    ) -> np.ndarray:
        """Add variables within bounds, and return their numbers."""
        self._lower.append(np.full(number, lower))
        self._upper.append(np.full(number, upper))
        self._integer.append(np.full(number, float(integer)))
        self.size += number
        return np.arange(self.size - number, self.size)

    def add_row(
        self,
        columns: np.ndarray,
        entries: np.ndarray,
        *,
        low: float = -np.inf,
        high: float = np.inf,
    ) -> None:
        """Add ``low <= entries @ x[columns] <= high``."""
        number = len(self._low)
        self._rows.append((np.full(len(columns), number), np.asarray(columns), np.asarray(entries)))
        self._low.append(low)
        self._high.append(high)

    def utility_terms(self, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """Give the level variables' coefficients and the constant of sum_i weights_i u_i."""
        return (
            weights[self.level_user] * (self.level_high - self.level_low),
            float(weights @ self.pool.base),
        )

    def serve(self, user: int, least: float) -> None:
        """Ask that a user gets at least so much, if it is more than the user gets in any case."""
        slack = self.pool.slack
        if self.pool.base[user] < least - slack:
            able = np.flatnonzero(self.pool.lifted[:, user] >= least - slack)
            self.add_row(able, np.ones(len(able)), low=1.0)

    def count_served(self, users: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, int]:
        """Add a variable for each user that may be 1 if the user gets at least so much.

        Args:
            users: the users' rows.
            levels: what they must get [N].

        Returns:
            the variables of users who need a policy for it, and how many need none.
        """
        slack = self.pool.slack
        needy = users[self.pool.base[users] < levels[users] - slack]
        served = self.add_variables(len(needy), 0.0, 1.0)
        for user, variable in zip(needy, served, strict=True):
            able = np.flatnonzero(self.pool.lifted[:, user] >= levels[user] - slack)
            self.add_row(np.append(variable, able), np.append(1.0, -np.ones(len(able))), high=0.0)
        return served, len(users) - len(needy)

    def add_floor(self, floor: Floor) -> None:
        """Ask that a floor holds."""
        levels = floor.levels(self.pool)
        if floor.of == "everyone":
            for user in range(self.pool.num_users):
                self.serve(user, float(levels[user]))
        elif floor.of == "groups":
            for means, least in zip(group_means(self.pool), levels, strict=True):
                terms, constant = self.utility_terms(means)
                self.add_row(self.levels, terms * self.unit, low=(least - constant) * self.unit)
        else:
            for _, users, needed in floor.parts(self.pool):
                served, free = self.count_served(users, levels)
                self.add_row(served, np.ones(len(served)), low=float(needed - free))

    def maximise(
        self,
        columns: np.ndarray,
        entries: np.ndarray,
        seconds: float | None = None,
        gap: float = SMALLEST_GAP,
        *,
        relaxed: bool = False,
    ) -> Solved:
        """Solve for the largest ``entries @ x[columns]``.

        Args:
            columns: the variables of the objective.
            entries: their coefficients.
            seconds: the time limit.
            gap: the relative gap at which to stop.
            relaxed: whether policies may be chosen in parts, for a bound.
        """
        cost = np.zeros(self.size)
        cost[columns] = entries
        rows, column_of, entry_of = (
            np.concatenate([row[part] for row in self._rows]) for part in range(3)
        )
        matrix = csr_array(
            coo_array((entry_of, (rows, column_of)), shape=(len(self._low), self.size))
        )
        options: dict[str, float] = {"mip_rel_gap": gap}
        if seconds is not None:
            options["time_limit"] = max(seconds, 0.01)
        integrality = np.concatenate(self._integer)
        solution = milp(
            -cost,
            integrality=np.zeros_like(integrality) if relaxed else integrality,
            bounds=Bounds(np.concatenate(self._lower), np.concatenate(self._upper)),
            constraints=LinearConstraint(matrix, np.array(self._low), np.array(self._high)),
            options=options,
        )
        if solution.status == 2:
            return Solved(None, -np.inf, None, True)
        bound = np.inf
        if relaxed and solution.x is not None and solution.status == 0:
            bound = -float(solution.fun)
        elif solution.mip_dual_bound is not None:
            bound = -float(solution.mip_dual_bound)
        if solution.x is None:
            return Solved(None, bound, None, False)
        chosen = np.flatnonzero(solution.x[self.policies] > 0.5)
        return Solved(chosen, bound, solution.x, False)


def program_of(
    pool: Pool, most: float | None, floors: tuple[Floor, ...], *, with_levels: bool = True
) -> Program:
    """Make the program of a budget and floors; levels are there if a floor needs them, too."""
    needs = with_levels or any(floor.of == "groups" for floor in floors)
    program = Program(pool, most, with_levels=needs)
    for floor in floors:
        program.add_floor(floor)
    return program
