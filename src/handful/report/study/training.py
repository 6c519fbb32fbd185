"""Welfare against transitions and against wall-clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handful._support.palette import policy_colour
from handful.report.plots.style import PAPER_COLUMN, Look, method_looks, policy_dashes, set_title
from handful.report.study.collection import Collection
from handful.report.study.figure import StudyFigure, legend_of
from handful.report.wording import number, task_title
from handful.types import NumpyArray


@dataclass(frozen=True)
class Course:
    """The course of one run.

    Attributes:
        seconds: the seconds of training after each update, ascending, [U]; or the time of another
            clock.
        welfare: the welfare at these times, [U].
    """

    seconds: NumpyArray
    welfare: NumpyArray


def mean_course(runs: Sequence[Course], points: int = 400) -> Course:
    """Return the mean of several runs' welfare, over the time in which all of them ran."""
    begin, end = max(run.seconds[0] for run in runs), min(run.seconds[-1] for run in runs)
    common = np.linspace(begin, end, points)
    welfare = [np.interp(common, run.seconds, run.welfare) for run in runs]
    return Course(common, np.mean(welfare, axis=0))


def typical_course(counted: Sequence[Course], timed: Sequence[Course], points: int = 200) -> Course:
    """Return the mean welfare of several runs against the time that they typically took.

    A mean over seconds would end with the quickest run and bend with how busy the machine was.

    Args:
        counted: the runs over transitions.
        timed: the same runs at the same updates, over seconds.

    Returns:
        For as many transitions as all of them have: the median of the runs' seconds there, and the
        mean of their welfare.
    """
    mean = mean_course(counted, points)
    seconds = [
        np.interp(mean.seconds, count.seconds, time.seconds)
        for count, time in zip(counted, timed, strict=True)
    ]
    return Course(np.median(seconds, axis=0), mean.welfare)


def draw_courses(
    axis: Axes,
    courses: Mapping[str, Sequence[Course]],
    looks: Mapping[str, Look] | None = None,
    *,
    unit: float = 1.0,
    line_width: float = 2.0,
) -> None:
    """Draw every run as a thin line, and the mean of each group as long as all of it ran.

    The means are labelled for a legend, which the figure has room for outside the axis.

    Args:
        axis: the axis to draw on.
        courses: runs by the name of their group.
        looks: the looks of the groups; by default they have the colours of the palette in turn.
        unit: the unit of the clock, in which the axis counts.
        line_width: the width of the lines of the means.
    """
    for i, (name, runs) in enumerate(courses.items()):
        colour, dashes = policy_colour(i), policy_dashes(i)
        if looks is not None:
            colour, dashes = looks[name].colour, (0.0, looks[name].dashes)
        main = runs[0]
        if len(runs) > 1:
            main = mean_course(runs)
            thin = {"color": colour, "linewidth": 0.3 * line_width, "alpha": 0.45}
            for run in runs:
                axis.plot(run.seconds / unit, run.welfare, **thin)
        line = {"color": colour, "linestyle": dashes, "linewidth": line_width}
        axis.plot(main.seconds / unit, main.welfare, label=name, **line)
    axis.set_xlim(left=0)


Clocks = tuple[Mapping[str, Sequence[Course]], Mapping[str, Sequence[Course]]]
"""Courses by label: each run's over transitions, and the typical one over seconds."""


def training_figure(
    collection: Collection, tasks: Sequence[str], budget: int
) -> StudyFigure | None:
    """Draw a row for each task with kept curves, over transitions and minutes; None without.

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
    labels, of_all = {}, method_looks(label for clocks in rows.values() for label in clocks[0])
    for pair, (task, clocks) in zip(axes, rows.items(), strict=True):
        looks = {label: look for label, look in of_all.items() if label in clocks[0]}
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
