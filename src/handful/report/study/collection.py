"""The runs of several studies together, as the figures and the claims look at them."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from handful.report.plots.style import method_rank
from handful.report.statistics import mean_and_error
from handful.report.wording import seed_list, task_title
from handful.types import NumpyArray

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class Cell:
    """The runs of one method on one task with one budget: they differ in their seeds only.

    Attributes:
        task, label: the method's label is its name, and what its study's settings are called.
        policies, users, steps: budget k, n, transitions per policy that were asked for.
        seeds: the seeds of the runs, [R].
        welfare: the welfare of each run, [R].
        percent: the welfare in percent of the optimum or of the bound, [R]; empty if neither is
            known for every run.
        optima: the best possible welfare for each run's users, [R]; empty if it is not known.
        optimum_kind: "exact" or "upper bound", or None.
        digests: the digests of the runs, [R].
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
        """The mean of welfare over seeds."""
        return mean_and_error(self.welfare)[0]

    @property
    def stderr(self) -> float | None:
        """The standard error of that mean; None for one seed."""
        return mean_and_error(self.welfare)[1]

    @property
    def optimum(self) -> float | None:
        """The best possible, mean over the seeds; None if it is not known."""
        return float(self.optima.mean()) if len(self.optima) else None

    @property
    def draws_users(self) -> bool:
        """Whether each seed has users of its own, as far as their optima tell."""
        return len(self.optima) > 0 and bool(np.ptp(self.optima) > 0)

    def changes_from(self, other: "Cell", measure: str) -> list[float]:
        """Return how much more this cell has of a measure, for each seed that both have.

        Nothing if the measure of one is not known, or a seed has other users in each, as far as
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
        """Return the cell with some of its seeds only."""
        return self._part([i for i, seed in enumerate(self.seeds) if seed in seeds])

    def of_runs(self, digests: Container[str]) -> "Cell":
        """Return the cell with some of its runs only."""
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
    """Return the cell with the most seeds, and then the most transitions; None of no cells.

    A single longer run does not stand in for ten.
    """
    return max(cells, key=lambda cell: (len(cell.seeds), cell.steps), default=None)


@dataclass(frozen=True, eq=False)
class Collection:
    """Runs by task, method and budget, and what is kept of them besides.

    Attributes:
        cells: the cells in the order of tasks, budgets and methods.
        users, curves: the tables of all runs, with the columns of `handful.results.tables.COLUMNS`;
            the users' table also has the numbers that are known of them.
        kept: the tables that tasks have kept of their runs, by the file's suffix.
        environments: the environment of each run by its digest, if it is known.
        variants: the cells of those studies that vary a method's settings, whether or not they are
            among `cells` too. Their labels have no suffix.
    """

    cells: tuple[Cell, ...]
    users: "pl.DataFrame"
    curves: "pl.DataFrame"
    kept: Mapping[str, "pl.DataFrame"]
    environments: Mapping[str, Mapping[str, Any]]
    variants: tuple[Cell, ...] = ()

    @property
    def tasks(self) -> list[str]:
        """Every task, in order."""
        return list(dict.fromkeys(cell.task for cell in self.cells))

    def labels(self, task: str | None = None) -> list[str]:
        """Return every method's label, on one task or on any, in the order of legends."""
        found = {cell.label for cell in self.cells if task in (None, cell.task)}
        return sorted(found, key=method_rank)

    def of(self, task: str, label: str | None = None, policies: int | None = None) -> list[Cell]:
        """Return the cells of a task, and of one method or budget if these are given."""
        return [
            cell
            for cell in self.cells
            if cell.task == task
            and label in (None, cell.label)
            and policies in (None, cell.policies)
        ]

    def one(self, task: str, label: str, policies: int) -> Cell | None:
        """Return the cell with the most seeds, and then the most transitions, or None.

        Only of those with :meth:`usual_users`: budgets are compared for the same number of users.
        """
        users = self.usual_users(task)
        return most_complete(c for c in self.of(task, label, policies) if c.users == users)

    def best(self, task: str, label: str | None = None, policies: int | None = None) -> list[Cell]:
        """Return :meth:`one` for each method and budget: a figure has one point or line for it."""
        keys = dict.fromkeys((cell.label, cell.policies) for cell in self.of(task, label, policies))
        found = [self.one(task, *key) for key in keys]
        return [cell for cell in found if cell is not None]

    def usual_users(self, task: str) -> int | None:
        """Return how many users most of a task's runs have; None for a task without runs."""
        runs = Counter[int]()
        for cell in self.of(task):
            runs[cell.users] += len(cell.seeds)
        return max(runs, key=lambda users: (runs[users], -users), default=None)

    def curves_of(self, cell: Cell) -> Iterator[tuple[NumpyArray, NumpyArray, NumpyArray]]:
        """Yield transitions, seconds and welfare [U] of each run whose curve was kept."""
        found = (self.curve_of(digest) for digest in cell.digests)
        yield from (curve for curve in found if curve is not None)

    def curve_of(self, digest: str) -> tuple[NumpyArray, NumpyArray, NumpyArray] | None:
        """Return transitions, seconds and welfare [U] of a run; None if its curve was not kept."""
        rows = self.curves.filter(digest=digest)
        if len(rows) < 2:
            return None
        columns = ("transitions", "seconds", "welfare")
        one, two, three = (rows[name].to_numpy().astype(float) for name in columns)
        return one, two, three

    def users_of(self, cell: Cell) -> "Iterator[pl.DataFrame]":
        """Yield the table of users of each run whose users were kept."""
        for digest in cell.digests:
            rows = self.users.filter(digest=digest)
            if len(rows):
                yield rows

    def kept_seeds(self, cell: Cell, kind: str) -> list[int]:
        """Return the seeds of those of the cell's runs whose users, or curves, were kept."""
        known = set(getattr(self, kind)["digest"])
        pairs = zip(cell.seeds, cell.digests, strict=True)
        return [seed for seed, digest in pairs if digest in known]

    def sentences_of_lacking(self, task: str, kind: str, policies: int | None) -> list[str]:
        """Say of which runs of a task, of one budget or any, no users (or curves) were kept."""
        kept = {cell: self.kept_seeds(cell, kind) for cell in self.best(task, policies=policies)}
        if not any(kept.values()):
            return [f"{task_title(task)}: no {kind} were kept."]
        lacking = {cell: set(cell.seeds) - set(seeds) for cell, seeds in kept.items()}
        return [
            f"{task_title(task)}, {cell.label}: {seed_list(seeds)}, whose {kind} were not kept."
            for cell, seeds in lacking.items()
            if seeds
        ]


PREFERRED_BUDGET = 5
"""The budget nearest to which figures show one, of budgets that equally many runs have."""


def budget_of_most(budgets: Iterable[int]) -> int:
    """Return the budget that most runs have; of equals that nearest to :data:`PREFERRED_BUDGET`."""
    found = list(budgets)
    return max(set(found), key=lambda k: (found.count(k), -abs(k - PREFERRED_BUDGET), k))
