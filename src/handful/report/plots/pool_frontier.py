"""How many policies a pool needs: welfare against the budget, for several welfare functions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handful._support.palette import HUES
from handful.report.plots.style import MUTED, STAND_OUT, WIDTH, legend_above, write_figure

_MARKERS = "os^DvP"


class Curve(NamedTuple):
    """One welfare function at the budgets; NaN where there is nothing to draw.

    Attributes:
        values: the welfare; NaN where no choice meets the floors.
        bounds: the upper bounds; NaN where the choice is proven.
        worth: what one more adds.
        ceiling: the welfare with all policies.
    """

    values: Sequence[float]
    bounds: Sequence[float]
    worth: Sequence[float]
    ceiling: float


def write_pool_frontier(
    path: Path,
    budgets: Sequence[float],
    curves: Mapping[str, Curve],
    *,
    unit: str,
    floors_from: float | None,
) -> None:
    """Draw the picture of a pool's frontier as SVG, with a PNG beside it.

    Args:
        path: the file, which ends in .svg.
        budgets: the budgets.
        curves: the welfare functions, by name.
        unit: what a budget is, such as "policies".
        floors_from: the smallest budget that meets all floors, or None.
    """
    write_figure(
        lambda: _figure(budgets, curves, unit, floors_from), path, path.with_suffix(".png")
    )


def _figure(
    budgets: Sequence[float], curves: Mapping[str, Curve], unit: str, floors_from: float | None
) -> Figure:
    has_steps = len(budgets) > 1
    figure = Figure(figsize=(WIDTH, 5.6 if has_steps else 3.6), layout="constrained")
    if has_steps:
        upper, lower = figure.subplots(2, 1, height_ratios=(2.0, 1.0), sharex=True)
        _draw_worth(lower, budgets, curves)
        lower.set_xlabel(unit)
        one = "policy" if unit == "policies" else f"unit of {unit}"
        lower.set_ylabel(f"what one more\n{one} adds")
    else:
        upper = figure.subplots()
        upper.set_xlabel(unit)
    _draw_welfare(upper, budgets, curves, floors_from, unit)
    legend_above(figure, columns=2)
    return figure


def _draw_welfare(
    axis: Axes,
    budgets: Sequence[float],
    curves: Mapping[str, Curve],
    floors_from: float | None,
    unit: str,
) -> None:
    for number, (name, curve) in enumerate(curves.items()):
        colour = HUES[number % len(HUES)]
        axis.plot(
            budgets,
            curve.values,
            color=colour,
            marker=_MARKERS[number % len(_MARKERS)],
            linewidth=1.6,
            label=f"{name} (all policies: {curve.ceiling:.4g})",
            zorder=3,
        )
        for budget, value, bound in zip(budgets, curve.values, curve.bounds, strict=True):
            axis.vlines(budget, value, bound, color=colour, linewidth=5, alpha=0.3)
        axis.axhline(curve.ceiling, color=colour, linestyle=(0, (1.3, 1.5)), linewidth=1.0)
    if floors_from is not None:
        axis.axvline(
            floors_from,
            color=STAND_OUT,
            linestyle=(0, (5.0, 2.0)),
            linewidth=1.3,
            label=f"all floors are met from {floors_from:g} {unit}",
        )
    axis.set_ylabel("welfare")


def _draw_worth(axis: Axes, budgets: Sequence[float], curves: Mapping[str, Curve]) -> None:
    axis.axhline(0.0, color=MUTED, linewidth=0.8)
    for number, curve in enumerate(curves.values()):
        axis.plot(
            budgets,
            curve.worth,
            color=HUES[number % len(HUES)],
            marker=_MARKERS[number % len(_MARKERS)],
            linewidth=1.2,
        )
    if not any(float(budget) % 1.0 for budget in budgets) and len(budgets) <= 16:
        axis.set_xticks(list(budgets))
