"""Performance profiles: the share of seeds that end above each level."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from handful.reports.plots.methods import method_look
from handful.reports.plots.style import set_title
from handful.reports.statistics import estimate_profile
from handful.reports.study.cell import Cell
from handful.reports.study.collection import Collection, budget_of_most
from handful.reports.study.figure import StudyFigure
from handful.reports.study.panels import lay_out, legend_of
from handful.reports.words import number, task_title
from handful.types import NumpyArray

_THRESHOLDS = np.linspace(0, 100, 201)


def profiles_figure(collection: Collection, tasks: Sequence[str]) -> StudyFigure | None:
    """Performance profiles at the budget that most methods share, a panel a task; None without."""
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
    for axis, (task, lines) in zip(axes, panels.items(), strict=True):
        for label, (share, low, high) in lines.items():
            look = method_look(label)
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
    """[X] Where lines over the same points begin, end or change: all else would swell the file."""
    changes = np.any([np.diff(line) != 0 for line in lines], axis=0)
    return np.append(changes, True) | np.append(True, changes)
