"""The choice of k of the candidates of a universal policy, under the welfare of the run.

Under the mean it is facility location (:mod:`handful.exact.budgets`). Under every other welfare it
is the exact choice from a pool (:mod:`handful.choice`): by its program with a proof where the table
is small, and by greedy additions and swaps where it is not, where no proof was found in
:data:`SECONDS`, and for the choices that only say which candidates play on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from handful.choice.choose import choose_from
from handful.choice.floors import Floor
from handful.choice.infeasible import FloorsNotMet
from handful.choice.large import choose_quickly
from handful.choice.pool import Pool
from handful.exact.budgets import choose_budgets
from handful.training.fairness.claims import Claims
from handful.training.run import Run
from handful.types import NumpyArray
from handful.welfare import UTILITARIAN, WelfareFn, utilitarian
from handful.welfare_functions import GroupWelfare, OwnWelfare, PowerMean, Welfare

MOST_CHOOSERS = 2000
"""The most users by whom the candidates are chosen; of more users that many are drawn."""

MOST_PROVEN = 60_000
"""The most entries of a table whose choice is proven under a welfare other than the mean."""

SECONDS = 60.0
"""How long a proof may take. After that the choice by swaps is taken, so that a slow machine seldom
chooses otherwise than a quick one."""


@dataclass(frozen=True, eq=False)
class Chooser:
    """Chooses k of M policies for the users of a run.

    Attributes:
        coefficients: the coefficients of the users by whom policies are chosen, [n, D].
        welfare: the welfare function of these users' utilities; the mean if it is None.
        claims: the users' outside options and floors, if they have any.
        rows: the users, by their position among all; None for all of them.
        num_users: the number of all users, if ``rows`` says who chooses.
    """

    coefficients: NumpyArray
    welfare: Welfare | None = None
    claims: Claims = field(default_factory=Claims)
    rows: NumpyArray | None = None
    num_users: int = 0

    @classmethod
    def of(cls, run: Run) -> Chooser:
        """Return the chooser of a run."""
        coefficients = np.asarray(run.problem.population.coefficients, np.float64)
        rows = np.arange(len(coefficients))
        if len(rows) > MOST_CHOOSERS:
            drawn = np.random.default_rng(0).choice(len(rows), MOST_CHOOSERS, replace=False)
            rows = np.sort(drawn)
        welfare = welfare_of_users(run.own_welfare, run.config.welfare, rows)
        if run.claims and welfare is None:
            welfare = PowerMean()
        return cls(coefficients[rows], welfare, run.claims, rows, len(coefficients))

    def values(self, returns: NumpyArray) -> NumpyArray:
        """Return what policies earn the choosing users, [M, n], from returns in features [M, D]."""
        return returns @ self.coefficients.T

    def quick(self, returns: NumpyArray, budgets: Sequence[int]) -> list[NumpyArray]:
        """Return good choices without a proof, one for each number of policies.

        Args:
            returns: what the policies earn in features, [M, D].
            budgets: the numbers of policies.
        """
        if self.welfare is None:
            chosen = choose_budgets(self.values(returns), budgets, prove=False)
            return [choice.indices for choice in chosen.values()]
        pool = self.pool(self.values(returns))
        return [
            choose_quickly(pool, self.welfare, float(budget)) for budget in sorted(set(budgets))
        ]

    def best(self, returns: NumpyArray, num_policies: int) -> NumpyArray:
        """Return the best choice that is found, of at most so many policies.

        Args:
            returns: what the policies earn in features, [M, D].
            num_policies: the most policies that are chosen.
        """
        values = self.values(returns)
        if self.welfare is None:
            return choose_budgets(values, [num_policies])[num_policies].indices
        pool, most = self.pool(values), float(num_policies)
        if values.size <= MOST_PROVEN:
            found = self._proven(pool, most)
            if found is not None and len(found):
                return found
        return choose_quickly(pool, self.welfare, most)

    @property
    def asked_floors(self) -> tuple[tuple[Floor, ...], ...]:
        """The floors to choose with, and none if these cannot be met.

        Floors are of all users: if only some of them choose, there are none.
        """
        floors, is_whole = self.claims.floors, self.rows is None or self.num_users == len(self.rows)
        return (floors, ()) if floors and is_whole else ((),)

    def pool(self, values: NumpyArray) -> Pool:
        """Return policies as a pool to choose from, by what they earn choosing users, [M, n]."""
        return self.claims.pool(values, self.rows)

    def _proven(self, pool: Pool, most: float) -> NumpyArray | None:
        """Return the best choice, with floors if they can be met; None if no proof was found."""
        for some in self.asked_floors:
            try:
                found = choose_from(pool, most, self.welfare, some, SECONDS)
            except FloorsNotMet:
                continue
            return found.policies if found.is_proven else None
        return None


def welfare_of_users(function: WelfareFn, name: str, rows: NumpyArray) -> Welfare | None:
    """Return a welfare function for some of its users; None for the mean.

    Args:
        function: the welfare function of all users.
        name: its name.
        rows: the users [n].
    """
    if function is utilitarian or name == UTILITARIAN:
        return None
    if isinstance(function, GroupWelfare):
        _, labels = np.unique(np.asarray(function.labels)[rows], return_inverse=True)
        return function.bind(labels)
    return function if isinstance(function, Welfare) else OwnWelfare(function, name)
