"""Welfare against wall-clock: how long it takes to get somewhere, whatever the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from handful.palette import policy_colour
from handful.reports.plots.style import policy_dashes
from handful.types import NumpyArray


@dataclass(frozen=True)
class Course:
    """How one run went.

    Attributes:
        seconds: [U] of training, after each update; ascending.
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


def draw_welfare_against_time(axis: Axes, courses: Mapping[str, Sequence[Course]]) -> None:
    """Every run as a thin line, and the mean of each group for as long as all of it ran.

    The means are labelled for a legend, which the figure has room for outside the axis.

    Args:
        axis: to draw on.
        courses: runs by the name of their group.
    """
    for i, (name, runs) in enumerate(courses.items()):
        colour, dashes = policy_colour(i), policy_dashes(i)
        for run in runs:
            axis.plot(run.seconds / 60, run.welfare, color=colour, linewidth=0.6, alpha=0.45)
        mean, label = mean_course(runs), f"{name} (mean of {len(runs)})"
        line = {"color": colour, "linestyle": dashes, "linewidth": 2, "label": label}
        axis.plot(mean.seconds / 60, mean.welfare, **line)
    axis.set_xlabel("minutes of training")
    axis.set_ylabel("welfare (mean return of a user)")
    axis.set_xlim(left=0)
