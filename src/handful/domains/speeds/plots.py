"""Charts of users who each want a velocity: who serves whom (the paper's figure 4), how well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from handful._support.palette import ink_on, policy_colour, policy_colours
from handful.domains.speeds import UNIT
from handful.report.plots.style import INK, MUTED, tint
from handful.report.run import Results, Run
from handful.types import NumpyArray


@dataclass(frozen=True, eq=False)
class Speeds:
    """The velocities that the users of a run want.

    Attributes:
        targets: [N] forward velocity that each user wants, m/s.
        top: the highest velocity that a user is drawn to want, in m/s; the lowest is 0.
        step_seconds: the seconds of a step.
    """

    targets: NumpyArray
    top: float
    step_seconds: float

    def served(self, policy: int, results: Results) -> NumpyArray:
        """Return the targets of a policy's users, sorted."""
        return np.sort(self.targets[results.assignment == policy])

    def order(self, results: Results) -> list[int]:
        """Order all policies by the mean target that they serve; those without users come last."""
        return policies_by_target(self.targets, results.assignment, len(results.returns))


def policies_by_target(targets: NumpyArray, assignment: NumpyArray, num_policies: int) -> list[int]:
    """Order policies [K] by the mean target that they serve; those that serve nobody come last."""
    served = [targets[assignment == policy] for policy in range(num_policies)]
    means = [mine.mean() if len(mine) else np.inf for mine in served]
    return [int(policy) for policy in np.argsort(means, kind="stable")]


@dataclass(frozen=True, eq=False)
class Bound:
    """The choice of constant velocities behind an optimum or an upper bound.

    Attributes:
        kind: "exact" or "upper bound".
        utilities: [N] what each user gets from the velocity that suits them best.
        velocities: the velocities of the policies, [K], m/s.
    """

    kind: str
    utilities: NumpyArray
    velocities: NumpyArray

    @property
    def name(self) -> str:
        """The word for the bound in legends."""
        return "upper bound" if self.kind == "upper bound" else "optimum"


def speeds_of(run: Run) -> Speeds | None:
    """Return what the run's users want, or None if they do not want velocities."""
    try:
        targets = _numbers(run.problem["attributes"]["target"])
        environment = run.problem["environment"]
        speeds = Speeds(
            targets, float(environment["top_speed"]), float(environment["seconds_per_step"])
        )
    except (KeyError, TypeError, ValueError):
        return None
    is_sound = len(targets) == len(run.users) and min(speeds.top, speeds.step_seconds) > 0
    return speeds if is_sound else None


def velocities_of(run: Run) -> tuple[NumpyArray, ...] | None:
    """Return each policy's forward velocity [T] (m/s) by step, or None without traces of it."""
    try:
        found = tuple(_numbers(trace["velocity"]) for trace in run.traces)
    except (KeyError, TypeError, ValueError):
        return None
    return found if len(found) == run.num_policies else None


def bound_of(results: Results) -> Bound | None:
    """Return the velocities that the optimum or bound chose, or None without them."""
    try:
        stored = results.record["bound"]
        velocities = stored.get("velocities")  # as version 0.1 of handful wrote them
        if velocities is None and stored["unit"] == UNIT:
            velocities = [velocity for (velocity,) in stored["certificate"]]
        bound = Bound(
            str(stored["kind"]), _numbers(stored["utilities"]), _numbers(velocities or ())
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return bound if len(bound.utilities) == len(results.utilities) else None


def _numbers(values: Sequence[Any]) -> NumpyArray:
    numbers = np.array(values, dtype=float)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError("a list of finite numbers")
    return numbers


RUNNING_MEAN = 1.0
"""The seconds over which the bold line is a mean: some strides of a robot."""

_MIN_BINS, _MAX_BINS = 10, 100
_USERS_A_BIN = 4

_MAX_USERS_APART = 200
"""The number of users above which they stand side by side."""

_BADGE_SIZE = 7.0
_BADGE_WIDTH = 0.2
"""The width of a policy's number with some space around it, in inches."""
_BADGE_ROW = 11.0
"""The distance between two rows of policies' numbers, in points."""


def draw_targets(axis: Axes, speeds: Speeds, results: Results) -> None:
    """Draw users by target velocity: stacked bars in the colours of the policies serving them."""
    num_policies = len(results.returns)
    draw_target_histogram(axis, speeds.targets, results.assignment, num_policies, speeds.top)
    axis.set_ylabel("users")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    _label_targets(axis, speeds)


def draw_target_histogram(
    axis: Axes, targets: NumpyArray, assignment: NumpyArray, num_policies: int, top: float
) -> None:
    """Draw bars of users by target velocity, stacked from the policy for the slowest upwards.

    Args:
        axis: the axis to draw on.
        targets: the users' targets [N], m/s.
        assignment: [N] each user's policy.
        num_policies: the number of policies K.
        top: the highest velocity that a user is drawn to want, m/s.
    """
    bins = min(_MAX_BINS, max(_MIN_BINS, len(targets) // _USERS_A_BIN, 2 * num_policies))
    edges = np.linspace(0, max(top, targets.max()), bins + 1)
    below = np.zeros(bins)
    for policy in policies_by_target(targets, assignment, num_policies):
        users, _ = np.histogram(targets[assignment == policy], edges)
        filled = users > 0
        axis.bar(
            edges[:-1][filled],
            users[filled],
            width=np.diff(edges)[filled],
            bottom=below[filled],
            align="edge",
            color=policy_colour(policy),
            edgecolor="white",
            linewidth=0.4,
        )
        below += users


def draw_returns_by_target(
    axis: Axes, speeds: Speeds, results: Results, bound: Bound | None
) -> None:
    """Draw each user's return against their target, over what the bound's velocities give.

    The bound is labelled for a legend, which the figure has room for outside the axis.
    """
    order = np.argsort(speeds.targets, kind="stable")
    is_dense = len(order) > _MAX_USERS_APART
    if bound is not None:
        # Between users far apart a line would tell of users who are not there.
        axis.plot(
            speeds.targets[order],
            bound.utilities[order],
            color=MUTED,
            linewidth=0.9,
            linestyle="solid" if is_dense else "none",
            marker=None if is_dense else "o",
            markersize=4.5,
            markerfacecolor="white",
            label=f"{bound.name}: a user's return in it",
        )
        axis.plot(
            bound.velocities,
            np.zeros(len(bound.velocities)),
            transform=axis.get_xaxis_transform(),
            marker="^",
            markersize=6 if len(bound.velocities) <= 20 else 4,
            color=INK,
            linestyle="none",
            clip_on=False,
            zorder=5,
            label=f"{bound.name}: its constant velocities",
        )
    colours = np.array(policy_colours(len(results.returns)))
    shown = results.shown
    axis.scatter(
        speeds.targets[shown],
        results.utilities[shown],
        c=colours[results.assignment[shown]].tolist(),
        s=11 if is_dense else 26,
        linewidths=0,
        zorder=3,
    )
    axis.set_ylabel("return")
    axis.margins(y=0.06)
    axis.set_ylim(bottom=min(0.0, float(results.utilities.min())))
    _label_targets(axis, speeds)


def draw_policy_numbers(axis: Axes, speeds: Speeds, results: Results) -> None:
    """Write each policy's number over the axis, at the mean target that it serves.

    Numbers that would touch stand in rows above each other.
    """
    taken: list[float] = []
    room = _badge_room(axis)
    for policy in speeds.order(results):
        targets = speeds.served(policy, results)
        if not len(targets):
            continue
        spot = float(targets.mean())
        row = next((i for i, last in enumerate(taken) if spot - last >= room), len(taken))
        taken[row:] = [spot, *taken[row + 1 :]]
        colour = policy_colour(policy)
        axis.annotate(
            str(policy),
            (spot, 1),
            xycoords=axis.get_xaxis_transform(),
            xytext=(0, 6 + _BADGE_ROW * row),
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            fontsize=_BADGE_SIZE,
            fontweight="bold",
            color=ink_on(colour),
            bbox={"boxstyle": "round,pad=0.18", "facecolor": colour, "edgecolor": "none"},
        )


def draw_velocity(
    axis: Axes,
    velocity: NumpyArray,
    policy: int,
    targets: NumpyArray,
    *,
    step_seconds: float,
    is_cut: bool,
    is_raster: bool,
) -> None:
    """Draw a policy's velocity [T] in one episode, and the targets that it serves (m/s).

    A light line is the velocity as it is, a bold one its running mean; the targets are ticks at the
    right edge and a band from the lowest to the highest.

    Args:
        axis: the axis to draw on.
        velocity: the velocity in each step.
        policy: the number of the policy.
        targets: the targets of the policy's users, sorted; there may be none.
        step_seconds: the seconds of a step.
        is_cut: whether the episode ended before its time, which a cross marks.
        is_raster: whether the light line is a picture inside an SVG.
    """
    colour = policy_colour(policy)
    seconds = step_seconds * np.arange(1, len(velocity) + 1)
    if len(targets):
        axis.axhspan(targets[0], targets[-1], facecolor=tint(colour), edgecolor="none", zorder=0.5)
        ticks = [[(1.01, target), (1.05, target)] for target in targets]
        axis.add_collection(
            LineCollection(
                ticks,
                colors=colour,
                linewidths=0.7,
                transform=axis.get_yaxis_transform(),
                clip_on=False,
            ),
            autolim=False,
        )
    axis.plot(seconds, velocity, color="#A8A8A8", linewidth=0.45, rasterized=is_raster)
    smooth = running_mean(velocity, max(1, round(RUNNING_MEAN / step_seconds)))
    axis.plot(seconds, smooth, color=colour, linewidth=1.7)
    if is_cut:
        end = (seconds[-1], smooth[-1])
        axis.plot(*end, marker="X", markersize=7, color=colour, mec="w", zorder=6)


def running_mean(values: NumpyArray, window: int) -> NumpyArray:
    """Return means [T] over ``window`` neighbours, centred; near the ends over fewer."""
    ends = np.arange(len(values)) + (window + 1) // 2
    first, last = np.maximum(ends - window, 0), np.minimum(ends, len(values))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[last] - sums[first]) / (last - first)


def _badge_room(axis: Axes) -> float:
    """Return the width of a policy's number in m/s."""
    low, high = axis.get_xlim()
    return (high - low) * _BADGE_WIDTH * axis.figure.dpi / axis.bbox.width


def _label_targets(axis: Axes, speeds: Speeds) -> None:
    axis.set_xlabel("target velocity (m/s)")
    axis.set_xlim(0, max(speeds.top, speeds.targets.max()))
