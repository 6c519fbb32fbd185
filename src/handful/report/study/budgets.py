"""Figures over the budget k: welfare (the paper's figures 2 and 3) and percent of the optimum."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from math import log10, nan
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from handful.report.plots.style import INK, Look, method_looks, set_title
from handful.report.statistics import mean_and_error
from handful.report.study.collection import Cell, Collection, budget_of_most
from handful.report.study.figure import StudyFigure, lay_out, legend_of
from handful.report.wording import count, number, seed_list, task_title
from handful.results.tables import weakest_kind

_DODGE = 0.012
"""Methods at the same k stand this far apart, in decades, so that error bars can be told apart."""

_ROOM = 1.35
"""Beside a single k, as a factor."""


@dataclass(frozen=True)
class WelfareRow:
    """A point of the figure.

    Attributes:
        method: the assignment method's name, or its label.
        num_policies: the budget k.
        welfare: mean over seeds; or its percentage of the optimum.
        stderr: the standard error of that mean.
    """

    method: str
    num_policies: int
    welfare: float
    stderr: float


def draw_welfare_against_budget(
    axis: Axes,
    rows: Iterable[WelfareRow],
    optimum: Mapping[int, float],
    optimum_kind: str = "exact",
    *,
    looks: Mapping[str, Look] | None = None,
    marker_size: float = 5.5,
    line_width: float = 1.4,
) -> None:
    """Draw a line a method through its points, with standard errors, and the optimum's levels.

    The lines are labelled for a legend, which the figure has room for outside the axis.

    Args:
        axis: the axis to draw on.
        rows: the points.
        optimum: the optimum of each budget.
        optimum_kind: the kind of the optimum.
        looks: the look of each method, needed if other axes of the figure have more methods.
        marker_size, line_width: the sizes of the markers and of the lines, in points.
    """
    rows = list(rows)
    looks = looks or method_looks(row.method for row in rows)
    ticks = sorted({row.num_policies for row in rows} | set(optimum))
    methods = list(dict.fromkeys(row.method for row in rows))
    if optimum:
        name = "optimum (exact)" if optimum_kind == "exact" else optimum_kind
        budgets = sorted(optimum)
        levels = [optimum[k] for k in budgets]
        # A level under each k, as wide as the methods that stand there beside each other: a line
        # from k to k would pass above or below those that are on it.
        half = _ROOM if len(ticks) == 1 else 10 ** max(_DODGE * (len(methods) / 2 + 1), 0.03)
        gap = [] if len(set(levels)) == 1 else [nan]
        axis.plot(
            [at for k in budgets for at in (k / half, k * half, *gap)],
            [height for level in levels for height in (level, level, *gap)],
            color=INK,
            linewidth=0.9 * line_width,
            label=name,
        )
    for i, method in enumerate(methods):
        points = sorted((r for r in rows if r.method == method), key=lambda r: r.num_policies)
        shift = 10 ** (_dodge(len(methods), len(ticks)) * (i - (len(methods) - 1) / 2))
        look = looks[method]
        axis.errorbar(
            [r.num_policies * shift for r in points],
            [r.welfare for r in points],
            yerr=[r.stderr for r in points],
            color=look.colour,
            marker=look.marker,
            linestyle=(0, look.dashes),
            markersize=marker_size * (1.35 if look.marker == "*" else 1),
            linewidth=line_width,
            capsize=0.5 * marker_size,
            label=method,
        )
    axis.set_xscale("log")
    axis.set_xticks(ticks, [str(k) for k in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    if len(ticks) == 1:
        axis.set_xlim(ticks[0] / _ROOM, ticks[0] * _ROOM)
    if starts_at_zero(rows):
        axis.set_ylim(bottom=0)
    axis.set_xlabel("policies k")
    axis.set_ylabel("welfare (mean return of a user)")


def starts_at_zero(rows: Iterable[WelfareRow]) -> bool:
    """Say whether the axis starts at zero: if there is one k only, or zero is near anyway."""
    rows = list(rows)
    lows = [row.welfare - row.stderr for row in rows]
    if not rows or min(lows) < 0:
        return False
    is_near = min(lows) < max(row.welfare for row in rows) / 2
    return is_near or len({row.num_policies for row in rows}) == 1


def _dodge(methods: int, budgets: int) -> float:
    # With one budget there is room: methods share the middle half of the axis.
    return _DODGE if budgets > 1 else log10(_ROOM) / max(methods, 2)


PERCENT_LINE = "optimum, or bound"


class Panel(NamedTuple):
    """What one axis shows.

    Attributes:
        task: its name.
        rows: a point a method and budget.
        optimum: the optimum of each budget.
        kind: the kind of the optimum.
    """

    task: str
    rows: list[WelfareRow]
    optimum: dict[int, float]
    kind: str

    def to_list(self) -> list[Any]:
        """Return what is drawn, as plain values."""
        return [self.task, [list(astuple(row)) for row in self.rows], self.optimum, self.kind]


def welfare_figure(
    collection: Collection, tasks: Sequence[str], name: str, title: str
) -> StudyFigure | None:
    """Draw welfare against k, an axis a task; None if no task has runs."""
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
    """Draw percent of the optimum or bound against k, for the tasks that have one."""
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
    """Return what a panel leaves out: runs that have not as many users as most of the task's."""
    usual = collection.usual_users(task)
    others = {(cell.policies, cell.users) for cell in collection.of(task) if cell.users != usual}
    return [
        f"{task_title(task)}: runs with {count(k, 'policy')} for {users:,} users, where most have "
        f"{usual:,}."
        for k, users in sorted(others)
    ]


def comparable_cells(collection: Collection, task: str) -> list[Cell]:
    """Return the best cells; if seeds have users of their own, of the seeds that all have.

    One with a single seed, beside others with more, is not waited for: it is left out.
    """
    cells = collection.best(task)
    if not any(cell.draws_users for cell in cells):
        return cells
    cells = [cell for cell in cells if len(cell.seeds) > 1]
    common = set.intersection(*(set(cell.seeds) for cell in cells))
    return [cell.of_seeds(common) for cell in cells] if common else cells


def _of_other_seeds(collection: Collection, task: str) -> list[str]:
    """Return what a panel leaves out: runs with users whom not all methods served."""
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
    looks = method_looks(row.method for panel in panels for row in panel.rows)
    for axis, panel in zip(axes, panels, strict=True):
        draw_welfare_against_budget(
            axis,
            panel.rows,
            panel.optimum,
            panel.kind,
            looks=looks,
            marker_size=3.4,
            line_width=1.0,
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
