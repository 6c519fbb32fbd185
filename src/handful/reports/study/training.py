"""Welfare against transitions and against wall-clock."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from handful.reports.plots.methods import method_look
from handful.reports.plots.style import PAPER_COLUMN, set_title
from handful.reports.plots.time import Course, draw_courses, typical_course
from handful.reports.study.collection import Collection
from handful.reports.study.figure import StudyFigure
from handful.reports.study.panels import legend_of
from handful.reports.words import number, task_title

Clocks = tuple[Mapping[str, Sequence[Course]], Mapping[str, Sequence[Course]]]
"""Courses by label: each run's over transitions, and the typical one over seconds."""


def training_figure(
    collection: Collection, tasks: Sequence[str], budget: int
) -> StudyFigure | None:
    """A row for each task whose curves were kept, over transitions and over minutes; else None.

    Args:
        tasks: the tasks that are shown, from top to bottom.
        budget: the number of policies of the runs that are shown.
    """
    rows: dict[str, Clocks] = {}
    for task in tasks:
        courses = {
            cell.label: list(collection.curves_of(cell))
            for cell in collection.best(task, policies=budget)
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
        f"Welfare in training (a moving average with sampled actions), k = {budget}. A run hands "
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
            for sentence in collection.sentences_of_lacking(task, "curves", budget)
        ],
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
        set_title(pair[0], task_title(task))
        labels |= dict.fromkeys(looks)
    axes[-1, 0].set_xlabel("million transitions per policy")
    axes[-1, 1].set_xlabel("minutes")
    figure.supylabel("welfare", fontsize=7)
    legend_of(figure, list(axes.ravel()), columns=3)
    return figure
