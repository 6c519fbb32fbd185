"""The tables of a study: welfare with its errors and intervals, and comparisons of methods."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handful.report.plots.style import PAPER_METHODS
from handful.report.statistics import Estimate, estimate_improvement, estimate_iqm, mean_and_error
from handful.report.study.collection import Cell, Collection, most_complete
from handful.report.wording import number
from handful.results.labels import method_of, split_variant


class Table(NamedTuple):
    """A table of text.

    Attributes:
        title: the title of the table.
        note: how to read it.
        header: the headings of the columns.
        rows: cells; the first names its row.
    """

    title: str
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table alone, as Markdown."""
        lines = [_line(self.header), "|" + " --- |" * len(self.header), *map(_line, self.rows)]
        return "\n".join(lines)


def welfare_table(collection: Collection) -> Table:
    """Make the table of welfare: a row for each method, task and budget."""
    return Table(
        "Welfare",
        "Mean ± standard error over training seeds, and the interquartile mean with a 95 % "
        "bootstrap interval; steps are transitions a policy. The last two are in percent of the "
        "optimum, or of the upper bound where ≤ is written.",
        (
            "task",
            "k",
            "n",
            "method",
            "steps",
            "seeds",
            "welfare",
            "IQM",
            "worst user",
            "%",
            "IQM, %",
        ),
        [_welfare_row(cell) for cell in collection.cells],
    )


def summary_table(collection: Collection, budget: int | None = None) -> Table | None:
    """Make a row for each task and budget: the paper's methods beside `auto`.

    Args:
        collection: the runs.
        budget: the only number of policies that has rows; by default every one has.

    Returns:
        The table, in percent; None if no row has an optimum or a bound.
    """
    budgets = dict.fromkeys(
        (cell.task, cell.policies, cell.users)
        for cell in collection.cells
        if budget in (None, cell.policies)
    )
    rows = []
    for task, policies, users in budgets:
        cells = [cell for cell in collection.of(task, policies=policies) if cell.users == users]
        known = [cell for cell in cells if len(cell.percent)]
        shown = [most_complete(c for c in known if c.label == name) for name in PAPER_METHODS]
        shown.append(most_complete(c for c in known if method_of(c.label) == "auto"))
        if any(shown):
            row = [task, str(policies), f"{users:,}", _best_possible(cells)]
            rows.append([*row, *map(_percent, shown)])
    if not rows:
        return None
    return Table(
        "Summary",
        "Mean ± standard error over seeds, in percent of the optimum or of the upper bound, and in "
        "brackets the number of seeds.",
        ("task", "k", "n", "100 % is", *(f"`{name}`" for name in (*PAPER_METHODS, "auto"))),
        rows,
    )


def ahead_table(collection: Collection) -> Table | None:
    """Tell by how many points of percent `auto` is ahead of each other method, seed by seed.

    None if no other method shares a task, a budget and a seed with it.
    """
    labels = [label for label in collection.labels() if method_of(label) != "auto"]
    rows = []
    for auto in collection.cells:
        if method_of(auto.label) == "auto" and len(auto.percent):
            cells = collection.of(auto.task, policies=auto.policies)
            alike = [c for c in cells if c.users == auto.users and c.steps >= auto.steps]
            others = [most_complete(c for c in alike if c.label == label) for label in labels]
            found = [_ahead(auto, other) for other in others]
            if any(text != "–" for text in found):
                rows.append([auto.task, str(auto.policies), f"{auto.users:,}", *found])
    if not rows:
        return None
    return Table(
        "How far ahead `auto` is",
        "Percent of the best possible that `auto` reaches less what the other does: mean ± "
        "standard error of the differences between runs with the same seed, and so with the same "
        "users; in brackets how many. The others have had as many transitions or more.",
        ("task", "k", "n", *(f"`{label}`" for label in labels)),
        rows,
    )


def improvement_table(collection: Collection) -> Table | None:
    """Make a row for each pair of methods and task; None if no two methods share a budget.

    Strata are the budgets at which both have two seeds or more. Variants of a method have a table
    of their own, in which their runs are compared seed by seed.
    """
    rows = []
    for task in collection.tasks:
        labels = [label for label in collection.labels(task) if not split_variant(label)[1]]
        for i, first in enumerate(labels):
            for other in labels[i + 1 :]:
                row = _improvement_row(collection, task, first, other)
                if row is not None:
                    rows.append(row)
    if not rows:
        return None
    return Table(
        "Probability of improvement",
        "The chance that a run of the first method ends higher than one of the second on the same "
        "task and budget, in percent of the best possible where that is known (a tie counts one "
        "half), with a 95 % bootstrap interval.",
        ("task", "k", "first", "second", "seeds", "probability"),
        rows,
    )


def plus_minus(mean: float, stderr: float | None) -> str:
    """Return ``1.23 ± 0.45``, or the mean alone if there is one seed."""
    return number(mean) if stderr is None else f"{number(mean)} ± {number(stderr)}"


def percent_of_best(cell: Cell) -> str:
    """Return ``81.00 ± 4.42 of ≤ 33.87``: percent of the optimum, or (with ≤) of a bound."""
    if not len(cell.percent):
        return "–"
    limit = "≤ " if cell.optimum_kind == "upper bound" else ""
    return f"{plus_minus(*mean_and_error(cell.percent))} of {limit}{number(cell.optimum or 0)}"


def interval(estimate: Estimate) -> str:
    """Return an interval as ``1.23 [1.00, 1.50]``."""
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def _welfare_row(cell: Cell) -> list[str]:
    has_interval = len(cell.welfare) > 1
    row = [
        cell.task,
        str(cell.policies),
        f"{cell.users:,}",
        cell.label,
        f"{cell.steps / 1e6:g} M" if cell.steps >= 100_000 else f"{cell.steps:,}",
        str(len(cell.seeds)),
        plus_minus(cell.mean, cell.stderr),
        interval(estimate_iqm([cell.welfare])) if has_interval else "–",
        plus_minus(*mean_and_error(cell.worst)),
    ]
    iqm = interval(estimate_iqm([cell.percent])) if has_interval and len(cell.percent) else "–"
    return [*row, percent_of_best(cell), iqm]


def _best_possible(cells: Sequence[Cell]) -> str:
    exact = [cell.optimum for cell in cells if cell.optimum_kind == "exact" and cell.optimum]
    return f"the optimum, {number(exact[0])}" if exact else "a bound"


def _percent(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    mean, stderr = mean_and_error(cell.percent)
    error = "" if stderr is None else f" ± {stderr:.1f}"
    return f"{mean:.1f}{error} ({len(cell.seeds)})"


def _ahead(auto: Cell, other: Cell | None) -> str:
    changes = [] if other is None else auto.changes_from(other, "percent")
    if not changes:
        return "–"
    mean, stderr = mean_and_error(np.array(changes))
    error = "" if stderr is None else f" ± {stderr:.1f}"
    return f"{mean:+.1f}{error} ({len(changes)})"


def _improvement_row(collection: Collection, task: str, first: str, other: str) -> list[str] | None:
    pairs = []
    for k in sorted({cell.policies for cell in collection.of(task, first)}):
        one, two = collection.one(task, first, k), collection.one(task, other, k)
        if one and two and min(len(one.seeds), len(two.seeds)) > 1:
            pairs.append((one, two))
    if not pairs:
        return None
    # Budgets, and seeds with users of their own, are only alike in percent of the best possible.
    known = all(len(cell.percent) for pair in pairs for cell in pair)
    scores = [[cell.percent if known else cell.welfare for cell in pair] for pair in pairs]
    found = estimate_improvement([a for a, _ in scores], [b for _, b in scores])
    seeds = sum(len(a.seeds) for a, _ in pairs), sum(len(b.seeds) for _, b in pairs)
    budgets = ", ".join(str(a.policies) for a, _ in pairs)
    return [task, budgets, first, other, f"{seeds[0]}, {seeds[1]}", interval(found)]


def _line(cells: Sequence[str]) -> str:
    # A bar within a cell would begin another one.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


class Varied(NamedTuple):
    """What is varied: a method on a task, with a budget, users and transitions a policy."""

    task: str
    policies: int
    users: int
    steps: int
    method: str


def varied(collection: Collection) -> dict[Varied, dict[str, Cell]]:
    """Group the cells by variant; under "" the method as it is, if it was run."""
    groups: dict[Varied, dict[str, Cell]] = {}
    for cell in collection.variants:
        method, variant = split_variant(cell.label)
        of = Varied(cell.task, cell.policies, cell.users, cell.steps, method)
        groups.setdefault(of, {})[variant] = cell
    return {of: cells for of, cells in groups.items() if any(cells)}


def variants_table(collection: Collection) -> Table | None:
    """Make a row for each variant, after that of the method as it is; None without variants."""
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
