"""Welfare as training ended, beside that of the policies that a run hands out.

A run hands out the best policies that it had, chosen on validation episodes. The paper says nothing
of such a choice, and its authors' code reports the moving average of training when that is over. So
its claims are held against both.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from handful.report.plots.style import PAPER_METHODS
from handful.report.statistics import mean_and_error
from handful.report.study.collection import Cell, Collection
from handful.report.study.tables import Table, plus_minus


def as_training_ended(collection: Collection) -> Collection:
    """The same runs, as far as their curves were kept, with the welfare at the end of each."""

    def ended(cells: Iterable[Cell]) -> tuple[Cell, ...]:
        found = (_as_training_ended(collection, cell) for cell in cells)
        return tuple(cell for cell in found if cell.seeds)

    return replace(collection, cells=ended(collection.cells), variants=ended(collection.variants))


def endings_table(collection: Collection) -> Table | None:
    """A row a task, budget and method of the paper; None where no curves were kept."""
    rows = []
    for cell in collection.cells:
        ended = _as_training_ended(collection, cell)
        if cell.label in PAPER_METHODS and ended.seeds:
            handed_out = cell.of_runs(ended.digests)
            gains = mean_and_error(np.array(handed_out.changes_from(ended, "welfare")))
            means = [plus_minus(one.mean, one.stderr) for one in (handed_out, ended)]
            row = [cell.task, str(cell.policies), f"{cell.users:,}", cell.label]
            rows.append([*row, str(len(ended.seeds)), *means, plus_minus(*gains)])
    if not rows:
        return None
    return Table(
        "What choosing the best moment brings",
        "Welfare of the policies that runs handed out, and the moving average of training when it "
        "ended: late, with sampled actions, and with users spread over policies as the method "
        "does. Mean ± standard error over the seeds whose curves were kept.",
        ("task", "k", "n", "method", "seeds", "handed out", "as training ended", "difference"),
        rows,
    )


def _as_training_ended(collection: Collection, cell: Cell) -> Cell:
    curves = {digest: collection.curve_of(digest) for digest in cell.digests}
    ends = {digest: curve[2][-1] for digest, curve in curves.items() if curve is not None}
    part = cell.of_runs(ends)
    welfare = np.array([ends[digest] for digest in part.digests])
    percent = 100 * welfare / part.optima if len(part.percent) else part.percent
    return replace(part, welfare=welfare, percent=percent)
