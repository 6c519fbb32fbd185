"""Welfare, or its share of the optimum, against the budget: the paper's figures 2 and 3."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log10, nan

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from handful.reports.plots.methods import method_look
from handful.reports.plots.style import INK

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
    *,
    marker_size: float = 5.5,
    line_width: float = 1.4,
) -> None:
    """A line a method through its points, with standard errors, and the optimum's levels.

    The lines are labelled for a legend, which the figure has room for outside the axis.
    """
    rows = list(rows)
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
        look = method_look(method)
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
    """Whether the axis does: where heights are compared at one k, or zero is near anyway."""
    rows = list(rows)
    lows = [row.welfare - row.stderr for row in rows]
    if not rows or min(lows) < 0:
        return False
    is_near = min(lows) < max(row.welfare for row in rows) / 2
    return is_near or len({row.num_policies for row in rows}) == 1


def _dodge(methods: int, budgets: int) -> float:
    # With one budget there is room: methods share the middle half of the axis.
    return _DODGE if budgets > 1 else log10(_ROOM) / max(methods, 2)
