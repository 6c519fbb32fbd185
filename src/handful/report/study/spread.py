"""The spread of users' welfare: from the worst to the best served."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from handful.report.plots.style import method_looks, set_title
from handful.report.statistics import estimate_profile
from handful.report.study.collection import Cell, Collection, budget_of_most
from handful.report.study.figure import StudyFigure, lay_out, legend_of
from handful.report.wording import number, seed_list, task_title
from handful.types import NumpyArray

_QUANTILES = np.linspace(0, 1, 101)


def spread_figure(collection: Collection, tasks: Sequence[str]) -> StudyFigure | None:
    """Draw users from worst to best served, a line for each method; None without data."""
    panels: dict[str, dict[str, NumpyArray]] = {}
    budgets: dict[str, int] = {}
    missing: list[str] = []
    unlike: list[str] = []
    for task in tasks:
        found = {cell: _quantiles(collection, cell) for cell in collection.best(task)}
        kept = {cell: lines for cell, lines in found.items() if lines is not None}
        if kept:
            budgets[task] = budget_of_most(cell.policies for cell in kept)
            shown = [cell for cell in kept if cell.policies == budgets[task]]
            panels[task] = {cell.label: kept[cell] for cell in shown}
            unlike += _with_seeds_of_their_own(collection, shown)
        missing += collection.sentences_of_lacking(task, "users", budgets.get(task))
    if not panels:
        return None
    worst = "; ".join(
        f"{task_title(task)}, {label}: worst {number(line[0])}, median {number(line[50])}"
        for task, lines in panels.items()
        for label, line in lines.items()
    )
    return StudyFigure(
        "spread",
        "The spread of users' welfare",
        "Returns of users from the worst to the best served, averaged over seeds rank by rank; "
        + "; ".join(f"{task_title(task)} with k = {k}" for task, k in budgets.items())
        + "."
        + (f" Not all are of the same seeds, and so users: {'; '.join(unlike)}." if unlike else ""),
        f"Lines that rise from the worst served user's return to the best's. {worst}.",
        {task: {n: line.tolist() for n, line in lines.items()} for task, lines in panels.items()},
        lambda: _spread(panels),
        missing,
    )


def _with_seeds_of_their_own(collection: Collection, cells: Sequence[Cell]) -> list[str]:
    """Return the seeds of each of a task's methods, if these draw users and differ."""
    seeds = {cell.label: collection.kept_seeds(cell, "users") for cell in cells}
    is_alike = all(shown == next(iter(seeds.values())) for shown in seeds.values())
    if is_alike or not any(cell.draws_users for cell in cells):
        return []
    title = task_title(cells[0].task)
    return [f"{title}, {label}: {seed_list(shown)}" for label, shown in seeds.items()]


def _quantiles(collection: Collection, cell: Cell) -> NumpyArray | None:
    """Return the mean over runs of the quantiles of the users' returns, [101]."""
    runs = [np.quantile(users["return"], _QUANTILES) for users in collection.users_of(cell)]
    return np.mean(runs, axis=0) if runs else None


def _spread(panels: Mapping[str, Mapping[str, NumpyArray]]) -> Figure:
    figure, axes = lay_out(len(panels), 2.1 if len(panels) == 1 else 1.35)
    looks = method_looks(label for lines in panels.values() for label in lines)
    for axis, (task, lines) in zip(axes, panels.items(), strict=True):
        for label, line in lines.items():
            look = looks[label]
            dashes = (0, look.dashes)
            axis.plot(
                100 * _QUANTILES, line, color=look.colour, linestyle=dashes, lw=1.2, label=label
            )
        set_title(axis, task_title(task))
        axis.set_xlim(0, 100)
    figure.supxlabel("% of users, from the worst served", fontsize=7)
    figure.supylabel("return", fontsize=7)
    legend_of(figure, axes, columns=3)
    return figure


_THRESHOLDS = np.linspace(0, 100, 201)


def profiles_figure(collection: Collection, tasks: Sequence[str]) -> StudyFigure | None:
    """Draw performance profiles at the most common budget, a panel for each task.

    The result is None if there are none.
    """
    panels: dict[str, list[Cell]] = {}
    for task in tasks:
        cells = [cell for cell in collection.best(task) if len(cell.percent)]
        if cells:
            most = budget_of_most(cell.policies for cell in cells)
            shown = [cell for cell in cells if cell.policies == most]
            if len(shown) > 1:
                panels[task] = shown
    if not panels:
        return None
    lines = {
        task: {cell.label: estimate_profile([cell.percent], _THRESHOLDS) for cell in cells}
        for task, cells in panels.items()
    }
    at = "; ".join(f"{task_title(t)}: k = {cells[0].policies}" for t, cells in panels.items())
    return StudyFigure(
        "profiles",
        "Performance profiles",
        f"The share of seeds whose welfare is above a percentage of the optimum or bound, with 95 "
        f"% bootstrap bands. {at}.",
        f"Lines that fall from one to zero as the percentage rises. {at}. Medians: "
        + "; ".join(
            f"{task_title(task)}, {cell.label} {number(np.median(cell.percent))}"
            for task, cells in panels.items()
            for cell in cells
        )
        + ".",
        {task: {cell.label: cell.percent.tolist() for cell in c} for task, c in panels.items()},
        lambda: _profiles(lines),
        [f"{task_title(t)}: no two methods at one budget." for t in tasks if t not in panels],
    )


def _profiles(
    panels: Mapping[str, Mapping[str, tuple[NumpyArray, NumpyArray, NumpyArray]]],
) -> Figure:
    figure, axes = lay_out(len(panels), 1.9 if len(panels) == 1 else 1.35)
    looks = method_looks(label for lines in panels.values() for label in lines)
    for axis, (task, lines) in zip(axes, panels.items(), strict=True):
        for label, (share, low, high) in lines.items():
            look = looks[label]
            bends = _bends(share, low, high)
            at, band = _THRESHOLDS[bends], (low[bends], high[bends])
            axis.fill_between(at, *band, color=look.colour, alpha=0.18, linewidth=0)
            line = {"color": look.colour, "linestyle": (0, look.dashes), "linewidth": 1.2}
            axis.plot(at, share[bends], label=label, **line)
        lowest = min(_THRESHOLDS[(share < 1).argmax()] for share, _, _ in lines.values())
        axis.set_xlim(max(0, lowest - 8), 100)
        axis.set_ylim(-0.03, 1.03)
        set_title(axis, task_title(task))
    figure.supxlabel("% of the optimum", fontsize=7)
    figure.supylabel("share of seeds above it", fontsize=7)
    legend_of(figure, axes, columns=3)
    return figure


def _bends(*lines: NumpyArray) -> NumpyArray:
    """Return where lines over the same points begin, end or change, [X].

    Other points would only make the file larger.
    """
    changes = np.any([np.diff(line) != 0 for line in lines], axis=0)
    return np.append(changes, True) | np.append(True, changes)
