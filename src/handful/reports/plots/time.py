"""Welfare against wall-clock: how long it takes to get somewhere, whatever the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from handful.palette import policy_colour
from handful.reports.plots.methods import Look
from handful.reports.plots.style import policy_dashes
from handful.types import NumpyArray


@dataclass(frozen=True)
class Course:
    """How one run went.

    Attributes:
        seconds: [U] of training, after each update; ascending. Or what another clock shows.
        welfare: [U] then.
    """

    seconds: NumpyArray
    welfare: NumpyArray


def mean_course(runs: Sequence[Course], points: int = 400) -> Course:
    """The mean of several runs' welfare, from when all have any for as long as all of them ran."""
    begin, end = max(run.seconds[0] for run in runs), min(run.seconds[-1] for run in runs)
    common = np.linspace(begin, end, points)
    welfare = [np.interp(common, run.seconds, run.welfare) for run in runs]
    return Course(common, np.mean(welfare, axis=0))


def typical_course(counted: Sequence[Course], timed: Sequence[Course], points: int = 200) -> Course:
    """The mean welfare of several runs against how long they typically took to get that far.

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
    """Every run as a thin line, and the mean of each group for as long as all of it ran.

    The means are labelled for a legend, which the figure has room for outside the axis.

    Args:
        axis: to draw on.
        courses: runs by the name of their group.
        looks: of the groups; otherwise they have the colours of the palette in turn.
        unit: of the clock, which the axis counts in.
        line_width: of the means.
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
