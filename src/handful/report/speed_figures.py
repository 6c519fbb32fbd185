"""The pictures of a run whose users each want a velocity."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from handful.report.plots.served import TableOrder
from handful.report.plots.speeds import (
    draw_policy_numbers,
    draw_returns_by_target,
    draw_targets,
    draw_velocity,
)
from handful.report.plots.style import MAX_VECTOR_POINTS, WIDTH, Picture, legend_above, single
from handful.report.run import Results, Run
from handful.report.speeds import Bound, Speeds, bound_of, velocities_of
from handful.report.words import count, number
from handful.types import NumpyArray

_MAX_PANELS = {1: 1, 2: 4, 3: 12, 5: np.inf}
"""By the number of panels side by side, up to how many panels they are wide enough."""

_PANEL_HEIGHTS = {1: 3.0, 2: 2.1, 3: 1.75, 5: 1.35}
"""Inches, by the number of panels side by side."""


def speed_pictures(run: Run, speeds: Speeds, results: Results) -> list[Picture]:
    """Who is served by whom, how well, and what the policies do."""
    bound, velocities = bound_of(results), velocities_of(run)
    served = "; ".join(
        f"policy {policy} {served_words(speeds.served(policy, results))}"
        for policy in speeds.order(results)
    )
    compared = "" if bound is None else f", over those of the {bound.name}"
    found = [
        Picture(
            "targets",
            "Target velocities by policy",
            f"A histogram of the users' target velocities, coloured by the policy that serves "
            f"them: {served}.",
            partial(_targets, speeds, results),
        ),
        Picture(
            "returns_by_target",
            "Returns by target velocity",
            f"Every user's return against their target velocity{compared}: from "
            f"{number(results.utilities.min())} to {number(results.utilities.max())}.",
            partial(_returns_by_target, speeds, results, bound),
        ),
    ]
    if velocities is not None:
        means = ", ".join(f"policy {k} {number(v.mean())}" for k, v in enumerate(velocities))
        found.append(
            Picture(
                "velocities",
                "The policies' velocities",
                f"The velocity of {count(run.num_policies, 'policy')} in one episode each with "
                f"the likeliest actions, beside the targets of the users served. Mean velocities "
                f"in m/s: {means}.",
                partial(_velocities, run, speeds, results, velocities),
            )
        )
    return found


def by_target(speeds: Speeds, results: Results) -> TableOrder:
    """A table of returns with policies and users from the slowest to the fastest."""
    return TableOrder(speeds.order(results), speeds.targets)


def _targets(speeds: Speeds, results: Results) -> Figure:
    figure, axis = single(WIDTH, 3.0)
    draw_targets(axis, speeds, results)
    draw_policy_numbers(axis, speeds, results)
    return figure


def _returns_by_target(speeds: Speeds, results: Results, bound: Bound | None) -> Figure:
    figure, axis = single(WIDTH, 3.4)
    draw_returns_by_target(axis, speeds, results, bound)
    draw_policy_numbers(axis, speeds, results)
    if bound is not None:
        legend_above(figure, columns=2)
    return figure


def _velocities(
    run: Run, speeds: Speeds, results: Results, velocities: tuple[NumpyArray, ...]
) -> Figure:
    """A panel a policy, by the targets that they serve, all on the same axes."""
    num_policies = run.num_policies
    columns = next(c for c, panels in _MAX_PANELS.items() if num_policies <= panels)
    rows = -(-num_policies // columns)
    width = WIDTH if columns < 5 else 1.25 * WIDTH
    figure = Figure(figsize=(width, 0.4 + rows * _PANEL_HEIGHTS[columns]), layout="constrained")
    figure.get_layout_engine().set(wspace=0.05)  # type: ignore[union-attr]  # room for the ticks
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    is_raster = sum(map(len, velocities)) > MAX_VECTOR_POINTS
    longest = max(map(len, velocities))
    episode = int(run.problem["environment"].get("time_limit", longest))
    for axis, policy in zip(axes, speeds.order(results), strict=False):
        targets = speeds.served(policy, results)
        draw_velocity(
            axis,
            velocities[policy],
            policy,
            targets,
            step_seconds=speeds.step_seconds,
            is_cut=len(velocities[policy]) < episode,
            is_raster=is_raster,
        )
        axis.set_title(f"policy {policy}: {count(len(targets), 'user')}", fontsize=8.5)
    for axis in axes[num_policies:]:
        axis.remove()
    axes[0].set_xlim(0, speeds.step_seconds * longest)
    figure.supxlabel("seconds", fontsize=9.5)
    figure.supylabel("velocity (m/s)", fontsize=9.5)
    return figure


def served_words(targets: NumpyArray) -> str:
    """``20 users, 0.41 to 0.97 m/s``."""
    users = count(len(targets), "user")
    if not len(targets):
        return users
    low, high = number(targets[0]), number(targets[-1])
    return f"{users}, {low} m/s" if low == high else f"{users}, {low} to {high} m/s"
