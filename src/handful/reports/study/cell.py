"""Runs of one thing: one method on one task with one budget, which differ in their seeds only."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from handful.reports.statistics import mean_and_error
from handful.types import NumpyArray


@dataclass(frozen=True, eq=False)
class Cell:
    """The runs of one method on one task with one budget: they differ in their seeds only.

    Attributes:
        task, label: the method's label is its name, and what its study's settings are called.
        policies, users, steps: budget k, n, transitions per policy that were asked for.
        seeds: [R] of the runs.
        welfare: [R].
        percent: [R] of the optimum or of the bound; empty where neither is known of every run.
        optima: [R] the best possible for each run's users; empty where it is not known.
        optimum_kind: "exact" or "upper bound", or None.
        digests: [R] of the runs.
        worst: [R] the lowest return of a user.
    """

    task: str
    label: str
    policies: int
    users: int
    steps: int
    seeds: tuple[int, ...]
    welfare: NumpyArray
    percent: NumpyArray
    optima: NumpyArray
    optimum_kind: str | None
    digests: tuple[str, ...]
    worst: NumpyArray

    @property
    def mean(self) -> float:
        """Of welfare over seeds."""
        return mean_and_error(self.welfare)[0]

    @property
    def stderr(self) -> float | None:
        """Of that mean; None for one seed."""
        return mean_and_error(self.welfare)[1]

    @property
    def optimum(self) -> float | None:
        """The best possible, mean over the seeds; None where it is not known."""
        return float(self.optima.mean()) if len(self.optima) else None

    @property
    def draws_users(self) -> bool:
        """Whether each seed has users of its own, as far as their optima tell."""
        return len(self.optima) > 0 and bool(np.ptp(self.optima) > 0)

    def changes_from(self, other: "Cell", measure: str) -> list[float]:
        """How much more this one has of a measure, seed by seed of those in both.

        Nothing where the measure of one is not known, or a seed has other users in each, as far as
        their optima tell: those of one budget.
        """
        theirs = dict(zip(other.seeds, getattr(other, measure), strict=False))
        of_one_budget = other.optima if other.policies == self.policies else ()
        optima = dict(zip(other.seeds, of_one_budget, strict=False))
        ours = zip_longest(self.seeds, getattr(self, measure), self.optima, fillvalue=None)
        return [
            value - theirs[seed]
            for seed, value, optimum in ours
            if value is not None
            and seed in theirs
            and (optimum is None or np.isclose(optimum, optima.get(seed, optimum)))
        ]

    def of_seeds(self, seeds: Container[int]) -> "Cell":
        """The same of some of the seeds only."""
        return self._part([i for i, seed in enumerate(self.seeds) if seed in seeds])

    def of_runs(self, digests: Container[str]) -> "Cell":
        """The same of some of the runs only."""
        return self._part([i for i, digest in enumerate(self.digests) if digest in digests])

    def _part(self, index: Sequence[int]) -> "Cell":
        def chosen(values: NumpyArray) -> NumpyArray:
            return values[index] if len(values) else values

        return replace(
            self,
            seeds=tuple(self.seeds[i] for i in index),
            digests=tuple(self.digests[i] for i in index),
            welfare=chosen(self.welfare),
            percent=chosen(self.percent),
            optima=chosen(self.optima),
            worst=chosen(self.worst),
        )


def most_complete(cells: Iterable[Cell]) -> Cell | None:
    """The one with the most seeds, and then the most transitions a policy, if there is any.

    A single longer run does not stand in for ten.
    """
    return max(cells, key=lambda cell: (len(cell.seeds), cell.steps), default=None)
