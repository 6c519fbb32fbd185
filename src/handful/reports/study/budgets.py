"""Figures over the budget k: welfare (the paper's figures 2 and 3) and percent of the optimum."""

from collections.abc import Sequence
from dataclasses import astuple
from functools import partial
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handful.reports.plots.budget import (
    WelfareRow,
    draw_welfare_against_budget,
    starts_at_zero,
)
from handful.reports.plots.style import set_title
from handful.reports.statistics import mean_and_error
from handful.reports.study.cell import Cell
from handful.reports.study.collection import Collection, budget_of_most
from handful.reports.study.figure import StudyFigure
from handful.reports.study.panels import lay_out, legend_of
from handful.reports.words import count, number, seed_list, task_title
from handful.results.folder import weakest_kind

PERCENT_LINE = "optimum, or bound"


class Panel(NamedTuple):
    """What one axis shows.

    Attributes:
        task: its name.
        rows: a point a method and budget.
        optimum: by budget.
        kind: of the optimum.
    """

    task: str
    rows: list[WelfareRow]
    optimum: dict[int, float]
    kind: str

    def to_list(self) -> list[Any]:
        """As plain values."""
        return [self.task, [list(astuple(row)) for row in self.rows], self.optimum, self.kind]


def welfare_figure(
    collection: Collection, tasks: Sequence[str], name: str, title: str
) -> StudyFigure | None:
    """Welfare against k, an axis a task; None if no task has runs."""
    panels = [_welfare_panel(collection, task) for task in tasks if collection.of(task)]
    if not panels:
        return None
    missing = [f"{task_title(task)}: no runs yet." for task in tasks if not collection.of(task)]
    for task in tasks:
        missing += [*_of_other_users(collection, task), *_of_other_seeds(collection, task)]
    return StudyFigure(
        name,
        title,
        "Mean over training seeds of the welfare on evaluation episodes, with standard errors, "
        "against the number of policies; black is what no policies can exceed. Where each seed "
        "has users of its own, only seeds that all methods have are in it.",
        _alt("Welfare", panels),
        [panel.to_list() for panel in panels],
        partial(_build, panels, "welfare"),
        missing,
    )


def percent_figure(collection: Collection, tasks: Sequence[str]) -> StudyFigure | None:
    """Percent of the optimum or bound against k, for the tasks where it is known."""
    panels = [_percent_panel(collection, task) for task in tasks]
    panels = [panel for panel in panels if panel.rows]
    if not panels:
        return None
    return StudyFigure(
        "percent-of-optimum",
        "Percent of the optimum",
        "Welfare in percent of the exact optimum or, where that is not known, of an upper bound "
        "on it, with standard errors over seeds.",
        _alt("Percent of the optimum", panels),
        [panel.to_list() for panel in panels],
        partial(_build, panels, "% of the optimum or bound"),
        [f"{task_title(t)}: no runs yet." for t in tasks if not collection.of(t)],
    )


def _of_other_users(collection: Collection, task: str) -> list[str]:
    """What a panel leaves out: runs that have not as many users as most of the task's."""
    usual = collection.usual_users(task)
    others = {(cell.policies, cell.users) for cell in collection.of(task) if cell.users != usual}
    return [
        f"{task_title(task)}: runs with {count(k, 'policy')} for {users:,} users, where most have "
        f"{usual:,}."
        for k, users in sorted(others)
    ]


def comparable_cells(collection: Collection, task: str) -> list[Cell]:
    """The best cells; of seeds that all of them have, where seeds have users of their own.

    One with a single seed, beside others with more, is not waited for: it is left out.
    """
    cells = collection.best(task)
    if not any(cell.draws_users for cell in cells):
        return cells
    cells = [cell for cell in cells if len(cell.seeds) > 1]
    common = set.intersection(*(set(cell.seeds) for cell in cells))
    return [cell.of_seeds(common) for cell in cells] if common else cells


def _of_other_seeds(collection: Collection, task: str) -> list[str]:
    """What a panel leaves out: runs with users whom not all methods served."""
    cells = comparable_cells(collection, task)
    if any(cell.draws_users and cell.seeds != cells[0].seeds for cell in cells):
        return [f"{task_title(task)}: no seed, and so no users, that all methods have."]
    shown = {(c.label, c.policies): c.seeds for c in cells}
    left_out: dict[str, set[int]] = {}
    for cell in collection.best(task):
        others = set(cell.seeds) - set(shown.get((cell.label, cell.policies), ()))
        left_out.setdefault(cell.label, set()).update(others)
    return [
        f"{task_title(task)}, {label}: {seed_list(seeds)}, as not all methods have the same."
        for label, seeds in left_out.items()
        if seeds
    ]


def _welfare_panel(collection: Collection, task: str) -> Panel:
    cells = comparable_cells(collection, task)
    rows = [WelfareRow(c.label, c.policies, c.mean, c.stderr or 0.0) for c in cells]
    optimum: dict[int, float] = {}
    for cell in sorted(cells, key=lambda cell: len(cell.seeds)):  # the most seeds win
        if cell.optimum is not None:
            optimum[cell.policies] = cell.optimum
    kind = weakest_kind(cell.optimum_kind for cell in cells) or "exact"
    return Panel(task, _in_legend_order(collection, rows), optimum, kind)


def _percent_panel(collection: Collection, task: str) -> Panel:
    rows = []
    for cell in collection.best(task):
        if len(cell.percent):
            mean, stderr = mean_and_error(cell.percent)
            rows.append(WelfareRow(cell.label, cell.policies, mean, stderr or 0.0))
    hundred = dict.fromkeys(sorted({row.num_policies for row in rows}), 100.0)
    return Panel(task, _in_legend_order(collection, rows), hundred, PERCENT_LINE)


def _in_legend_order(collection: Collection, rows: list[WelfareRow]) -> list[WelfareRow]:
    order = collection.labels()
    return sorted(rows, key=lambda row: (order.index(row.method), row.num_policies))


def _build(panels: Sequence[Panel], ylabel: str) -> Figure:
    figure, axes = lay_out(len(panels), 2.3 if len(panels) == 1 else 1.45)
    for axis, panel in zip(axes, panels, strict=True):
        draw_welfare_against_budget(
            axis, panel.rows, panel.optimum, panel.kind, marker_size=3.4, line_width=1.0
        )
        _label(axis, panel, is_alone=len(panels) == 1)
    if len(panels) == 1:
        axes[0].set_xlabel("policies k")
        axes[0].set_ylabel(ylabel)
    else:
        figure.supxlabel("policies k", fontsize=7)
        figure.supylabel(ylabel, fontsize=7)
    legend_of(figure, axes, columns=3)
    return figure


def _label(axis: Axes, panel: Panel, is_alone: bool) -> None:
    budgets = [row.num_policies for row in panel.rows]
    axis.set_xlabel("")
    axis.set_ylabel("")
    axis.set_xlim(min(budgets) / 1.35, max(budgets) * 1.35)
    if panel.kind == PERCENT_LINE:
        axis.set_ylim(top=101.5)
        if not starts_at_zero(panel.rows):
            lowest = min(row.welfare - row.stderr for row in panel.rows)
            axis.set_ylim(bottom=min(lowest - 0.08 * (100 - lowest), 90))
    if not is_alone:
        set_title(axis, task_title(panel.task))


def _alt(what: str, panels: Sequence[Panel]) -> str:
    parts = []
    for panel in panels:
        most = budget_of_most(row.num_policies for row in panel.rows)
        means = ", ".join(
            f"{row.method} {number(row.welfare)}" for row in panel.rows if row.num_policies == most
        )
        best = panel.optimum.get(most)
        limit = "" if best is None else f" of at most {number(best)}"
        policies = count(most, "policy")
        parts.append(f"{task_title(panel.task)} with {policies}: {means}{limit}")
    return f"{what} against the number of policies. {'; '.join(parts)}."
