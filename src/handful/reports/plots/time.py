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

    def seconds_to(self, level: float) -> float | None:
        """When welfare first was that high; None if it never was."""
        reached = self.welfare >= level
        return float(self.seconds[np.argmax(reached)]) if reached.any() else None


def mean_course(runs: Sequence[Course], points: int = 400) -> Course:
    """The mean of several runs' welfare, for as long as all of them ran."""
    common = np.linspace(0, min(run.seconds[-1] for run in runs), points)
    welfare = [np.interp(common, run.seconds, run.welfare, left=0.0) for run in runs]
    return Course(common, np.mean(welfare, axis=0))


def draw_welfare_against_time(
    axis: Axes,
    courses: Mapping[str, Sequence[Course]],
    looks: Mapping[str, Look] | None = None,
) -> None:
    """Every run as a thin line, and the mean of each group for as long as all of it ran.

    The means are labelled for a legend, which the figure has room for outside the axis.

    Args:
        axis: to draw on.
        courses: runs by the name of their group.
        looks: of the groups; otherwise they have the colours of the palette in turn.
    """
    draw_courses(axis, courses, looks, unit=60.0)
    axis.set_xlabel("minutes of training")
    axis.set_ylabel("welfare (mean return of a user)")


def draw_courses(
    axis: Axes,
    courses: Mapping[str, Sequence[Course]],
    looks: Mapping[str, Look] | None = None,
    *,
    unit: float = 1.0,
    line_width: float = 2.0,
) -> None:
    """The same over any clock, in steps of a unit of it, and without words on the axes."""
    for i, (name, runs) in enumerate(courses.items()):
        colour, dashes = policy_colour(i), policy_dashes(i)
        if looks is not None:
            colour, dashes = looks[name].colour, (0.0, looks[name].dashes)
        thin = {"color": colour, "linewidth": 0.3 * line_width, "alpha": 0.45}
        for run in runs:
            axis.plot(run.seconds / unit, run.welfare, **thin)
        mean, label = mean_course(runs), f"{name} (mean of {len(runs)})"
        line = {"color": colour, "linestyle": dashes, "linewidth": line_width, "label": label}
        axis.plot(mean.seconds / unit, mean.welfare, **line)
    axis.set_xlim(left=0)
