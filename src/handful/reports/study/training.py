"""Welfare against transitions and against wall-clock, and performance profiles."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from handful.reports.plots.methods import method_look
from handful.reports.plots.style import PAPER_COLUMN
from handful.reports.plots.time import Course, draw_courses, typical_course
from handful.reports.statistics import estimate_profile
from handful.reports.study.collection import BUDGET, Cell, Collection
from handful.reports.study.figure import StudyFigure
from handful.reports.study.panels import lay_out, legend_of
from handful.reports.words import number, task_title
from handful.types import NumpyArray

Clocks = tuple[Mapping[str, Sequence[Course]], Mapping[str, Sequence[Course]]]
"""Courses by label: each run's over transitions, and the typical one over seconds."""

_THRESHOLDS = np.linspace(0, 100, 201)


def training_figure(collection: Collection, tasks: Sequence[str]) -> StudyFigure | None:
    """A row a task whose curves were kept: over transitions and over minutes; None without."""
    rows: dict[str, Clocks] = {}
    for task in tasks:
        courses = {
            cell.label: list(collection.curves_of(cell))
            for cell in collection.of(task, policies=BUDGET)
        }
        kept = {label: runs for label, runs in courses.items() if runs}
        if kept:
            counted = {label: [Course(t, w) for t, _, w in runs] for label, runs in kept.items()}
            timed = {label: [Course(s, w) for _, s, w in runs] for label, runs in kept.items()}
            typical = {label: [typical_course(counted[label], timed[label])] for label in kept}
            rows[task] = (counted, typical)
    if not rows:
        return None
    ends = "; ".join(
        f"{task_title(task)}, {label}: {number(np.mean([run.welfare[-1] for run in runs]))}"
        for task, (over_transitions, _) in rows.items()
        for label, runs in over_transitions.items()
    )
    return StudyFigure(
        "training",
        "Welfare over training",
        f"Welfare in training (a moving average with sampled actions), k = {BUDGET}. A run hands "
        f"out the best policies that it had, so it may end higher than its line. Left over "
        f"transitions per policy: bold the mean over runs, thin each run. Right the same means "
        f"against the minutes that it took on one core to get there (the median over runs, as how "
        f"busy the machine was varied).",
        f"Welfare rises over training. At the end: {ends}.",
        {
            task: [
                {
                    label: [[run.seconds.tolist(), run.welfare.tolist()] for run in runs]
                    for label, runs in clock.items()
                }
                for clock in clocks
            ]
            for task, clocks in rows.items()
        },
        lambda: _training(rows),
        [
            sentence
            for task in tasks
            for sentence in collection.sentences_of_lacking(task, "curves", BUDGET)
        ],
    )


def profiles_figure(collection: Collection, tasks: Sequence[str]) -> StudyFigure | None:
    """Performance profiles at the budget that most methods share, a panel a task; None without."""
    panels: dict[str, list[Cell]] = {}
    for task in tasks:
        cells = [cell for cell in collection.of(task) if len(cell.percent)]
        budgets = [cell.policies for cell in cells]
        if budgets and max(budgets.count(k) for k in budgets) > 1:
            most = max(budgets, key=lambda k: (budgets.count(k), -abs(k - BUDGET)))
            panels[task] = [cell for cell in cells if cell.policies == most]
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


def _training(rows: Mapping[str, Clocks]) -> Figure:
    height = 0.25 + 1.15 * len(rows)
    figure = Figure(figsize=(PAPER_COLUMN, height), layout="constrained")
    axes = figure.subplots(len(rows), 2, squeeze=False, sharey="row")
    labels = {}
    for pair, (task, clocks) in zip(axes, rows.items(), strict=True):
        looks = {label: method_look(label) for label in clocks[0]}
        for axis, courses, unit in zip(pair, clocks, (1e6, 60.0), strict=True):
            draw_courses(axis, courses, looks, unit=unit, line_width=1.1)
            axis.locator_params(axis="x", nbins=3)
        pair[0].set_title(task_title(task))
        labels |= dict.fromkeys(looks)
    axes[-1, 0].set_xlabel("million transitions per policy")
    axes[-1, 1].set_xlabel("minutes")
    figure.supylabel("welfare", fontsize=7)
    legend_of(figure, list(axes.ravel()), columns=3)
    return figure


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
        axis.set_title(task_title(task))
    figure.supxlabel("% of the optimum", fontsize=7)
    figure.supylabel("share of seeds above it", fontsize=7)
    legend_of(figure, axes, columns=3)
    return figure


def _bends(*lines: NumpyArray) -> NumpyArray:
    """[X] Where lines over the same points begin, end or change: all else would swell the file."""
    changes = np.any([np.diff(line) != 0 for line in lines], axis=0)
    return np.append(changes, True) | np.append(True, changes)
