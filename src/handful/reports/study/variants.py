"""What it changes to change one thing: a study's variants beside what they vary."""

import numpy as np

from handful.reports.plots.methods import split_variant
from handful.reports.statistics import mean_and_error
from handful.reports.study.cell import Cell
from handful.reports.study.collection import Collection
from handful.reports.study.tables import Table, percent_of_best, plus_minus


def variants_table(collection: Collection) -> Table | None:
    """A row a variant, after the row of the method as it is; None without variants."""
    groups: dict[tuple, dict[str, Cell]] = {}
    for cell in collection.variants:
        method, variant = split_variant(cell.label)
        key = (cell.task, cell.policies, cell.users, cell.steps, method)
        groups.setdefault(key, {})[variant] = cell
    rows = [
        [task, str(k), method, variant or "nothing", *_measured(cell, cells.get(""))]
        for (task, k, _, _, method), cells in groups.items()
        if any(cells)
        for variant, cell in sorted(cells.items())
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
