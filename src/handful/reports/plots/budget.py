"""Welfare against the budget of policies, as the paper's figure 2."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from handful.palette import policy_colour
from handful.reports.plots.style import INK

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DODGE = 0.012
"""Methods at the same k stand this far apart, in decades, so that error bars can be told apart."""


@dataclass(frozen=True)
class WelfareRow:
    """A point of the figure.

    Attributes:
        method: the assignment method's name.
        num_policies: the budget k.
        welfare: mean over seeds.
        stderr: of that mean.
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
) -> None:
    """A line a method through its points, with standard errors, under the optimum's line.

    The lines are labelled for a legend, which the figure has room for outside the axis.
    """
    rows = list(rows)
    if optimum:
        budgets = sorted(optimum)
        name = "upper bound" if optimum_kind == "upper bound" else "optimum (exact)"
        axis.plot(
            budgets,
            [optimum[k] for k in budgets],
            color=INK,
            linestyle=(0, (5, 3)),
            linewidth=1.3,
            label=name,
        )
    methods = list(dict.fromkeys(row.method for row in rows))
    for i, method in enumerate(methods):
        points = sorted((r for r in rows if r.method == method), key=lambda r: r.num_policies)
        shift = 10 ** (_DODGE * (i - (len(methods) - 1) / 2))
        axis.errorbar(
            [r.num_policies * shift for r in points],
            [r.welfare for r in points],
            yerr=[r.stderr for r in points],
            color=policy_colour(i),
            marker=_MARKERS[i % len(_MARKERS)],
            markersize=5.5,
            linewidth=1.4,
            capsize=3,
            label=method,
        )
    ticks = sorted({row.num_policies for row in rows} | set(optimum))
    axis.set_xscale("log")
    axis.set_xticks(ticks, [str(k) for k in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("policies k")
    axis.set_ylabel("welfare (mean return of a user)")
