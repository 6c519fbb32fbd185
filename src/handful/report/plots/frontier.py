"""How many policies are needed: welfare against the budget, and what one more policy is worth."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from handful._support.palette import HUES
from handful.frontier.points import Estimate, Frontier, Step
from handful.report.plots.style import INK, MUTED, STAND_OUT
from handful.report.wording import number

_COLOUR = HUES[0]

_FEW = 12
"""The largest budget for which budgets stand as far apart as they are; of larger ones the small
would be too close together."""


_LEVELS = ("a policy for each user (estimate)", "one policy for everybody")
_DASHES = ((5.0, 2.0), (1.3, 1.5))


def draw_frontier(axis: Axes, frontier: Frontier) -> None:
    """Draw the welfare of every budget with its interval, the ceiling, and one policy.

    The lines are labelled for a legend, which the figure has room for outside the axis.
    """
    points = frontier.points
    levels = (frontier.ceiling.welfare, frontier.one_policy.welfare)
    for level, name, dashes in zip(levels, _LEVELS, _DASHES, strict=True):
        line = f"{name}: {number(level.value)}"
        axis.axhline(level.value, color=MUTED, linestyle=(0, dashes), linewidth=1.3, label=line)
    top = _top(frontier)
    known = [
        (point.num_policies, point.optimum, point.optimum_kind)
        for point in points
        if point.optimum is not None and point.optimum <= top
    ]
    if known:
        is_exact = all(kind == "exact" for *_, kind in known)
        axis.plot(
            [budget for budget, *_ in known],
            [height for _, height, _ in known],
            color=INK,
            marker="_",
            markersize=13,
            markeredgewidth=1.4,
            linestyle="none",
            label="optimum (exact)" if is_exact else "upper bound",
        )
    axis.errorbar(
        [point.num_policies for point in points],
        [point.welfare.value for point in points],
        yerr=_reaches([point.welfare for point in points]),
        color=_COLOUR,
        marker="o",
        markersize=5.5,
        linewidth=1.6,
        capsize=3,
        zorder=3,
        label="welfare with k policies",
    )
    for point in points:
        axis.annotate(
            number(point.welfare.value),
            (point.num_policies, point.welfare.value),
            xytext=(4, -5),
            textcoords="offset points",
            va="top",
            fontsize=8,
        )
    axis.set_ylabel("welfare (mean return of a user)")
    axis.margins(y=0.12)
    axis.set_ylim(*axis.get_ylim())  # a level that is hardly known must not flatten the rest
    for level in levels:
        axis.axhspan(level.low, level.high, color=MUTED, alpha=0.15, linewidth=0)
    label_budgets(axis, frontier.budgets)


def draw_steps(axis: Axes, steps: Sequence[Step], budgets: Sequence[int]) -> None:
    """Draw what one more policy is worth from each budget to the next, with its interval.

    Args:
        axis: the axis to draw on.
        steps: the steps between the budgets; a gain that is not shown is hollow.
        budgets: all budgets.
    """
    axis.axhline(0.0, color=MUTED, linewidth=0.8)
    for step in steps:
        worth = step.per_policy
        colour = STAND_OUT if step.is_shown else MUTED
        axis.plot([step.fewer, step.more], [worth.value] * 2, color=colour, linewidth=2.0)
        axis.errorbar(
            _between(step.fewer, step.more, budgets),
            worth.value,
            yerr=_reaches([worth]),
            color=colour,
            marker="D",
            markersize=5,
            markerfacecolor=colour if step.is_shown else "white",
            capsize=3,
            linestyle="none",
        )
    axis.set_ylabel("worth of one\nmore policy")
    axis.margins(y=0.15)
    label_budgets(axis, budgets)


def label_budgets(axis: Axes, budgets: Sequence[int]) -> None:
    """Label the x axis of what is shown over budgets, each of which has its number."""
    if _is_wide(budgets):
        axis.set_xscale("log")
        axis.set_xlim(budgets[0] / 1.15, budgets[-1] * 1.25)
    else:
        room = 0.04 * (budgets[-1] - budgets[0]) or 0.5
        axis.set_xlim(budgets[0] - room, budgets[-1] + 1.8 * room)
    axis.set_xticks(budgets, [str(budget) for budget in budgets])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("policies k")


def _top(frontier: Frontier) -> float:
    """Return the height above which a bound is left out: it would flatten all that differs."""
    measured = [frontier.one_policy.welfare, frontier.ceiling.welfare]
    measured += [point.welfare for point in frontier.points]
    low, high = (pick(one.value for one in measured) for pick in (min, max))
    return high + 0.6 * (high - low)


def _is_wide(budgets: Sequence[int]) -> bool:
    return budgets[-1] > _FEW


def _between(fewer: int, more: int, budgets: Sequence[int]) -> float:
    """Return the place between two budgets that is in the middle on the axis."""
    return (fewer * more) ** 0.5 if _is_wide(budgets) else (fewer + more) / 2


def _reaches(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Return how far the intervals reach below and above their numbers."""
    below = [one.value - one.low for one in estimates]
    above = [one.high - one.value for one in estimates]
    return [below, above]
