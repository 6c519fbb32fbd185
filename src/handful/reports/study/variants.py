"""What it changes to change one thing: a study's variants beside what they vary."""

from typing import NamedTuple

import numpy as np

from handful.reports.statistics import mean_and_error
from handful.reports.study.cell import Cell
from handful.reports.study.collection import Collection
from handful.reports.study.tables import Table, percent_of_best, plus_minus
from handful.results.labels import split_variant


class Varied(NamedTuple):
    """What is varied: a method on a task, with a budget, users and transitions a policy."""

    task: str
    policies: int
    users: int
    steps: int
    method: str


def varied(collection: Collection) -> dict[Varied, dict[str, Cell]]:
    """The cells by variant; under "" the method as it is, if it was run."""
    groups: dict[Varied, dict[str, Cell]] = {}
    for cell in collection.variants:
        method, variant = split_variant(cell.label)
        of = Varied(cell.task, cell.policies, cell.users, cell.steps, method)
        groups.setdefault(of, {})[variant] = cell
    return {of: cells for of, cells in groups.items() if any(cells)}


def variants_table(collection: Collection) -> Table | None:
    """A row a variant, after the row of the method as it is; None without variants."""
    rows = [
        [of.task, str(of.policies), of.method, name or "nothing", *_measured(cell, cells.get(""))]
        for of, cells in varied(collection).items()
        for name, cell in sorted(cells.items())
    ]
    if not rows:
        return None
    return Table(
        "Variants",
        "What changes when one thing is different. Mean ± standard error over training seeds; the "
        "difference is that of runs with the same seed, and so with the same users.",
        ("task", "k", "method", "what is different", "seeds", "welfare", "difference", "%"),
        rows,
    )


def _measured(cell: Cell, as_it_is: Cell | None) -> list[str]:
    return [
        str(len(cell.seeds)),
        plus_minus(cell.mean, cell.stderr),
        "–" if as_it_is in (None, cell) else _difference(cell, as_it_is),
        percent_of_best(cell),
    ]


def _difference(cell: Cell, as_it_is: Cell) -> str:
    changes = cell.changes_from(as_it_is, "welfare")
    if not changes:
        return "–"
    mean, stderr = mean_and_error(np.array(changes))
    return ("+" if mean > 0 else "") + plus_minus(mean, stderr)
