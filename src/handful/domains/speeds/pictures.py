"""The pictures of tasks whose users each want a velocity: of a run and of a study."""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from handful.domains.speeds.plots import (
    Bound,
    Speeds,
    bound_of,
    draw_policy_numbers,
    draw_returns_by_target,
    draw_target_histogram,
    draw_targets,
    draw_velocity,
    speeds_of,
    velocities_of,
)
from handful.report.pictures import Picture, TaskPictures
from handful.report.plots.served import TableOrder
from handful.report.plots.style import (
    MAX_VECTOR_POINTS,
    PAPER_COLUMN,
    WIDTH,
    legend_above,
    set_title,
    single,
)
from handful.report.run import Results, Run
from handful.report.study.collection import Cell, Collection, budget_of_most
from handful.report.study.figure import StudyFigure
from handful.report.wording import count, number, task_title
from handful.types import NumpyArray

_MAX_PANELS = {1: 1, 2: 4, 3: 12, 5: np.inf}
"""The most panels for which so many side by side are wide enough, by the number side by side."""

_PANEL_HEIGHTS = {1: 3.0, 2: 2.1, 3: 1.75, 5: 1.35}
"""The heights of a panel in inches, by the number of panels side by side."""


def run_pictures(run: Run) -> TaskPictures | None:
    """Show who is served by whom, how well, and what the policies do.

    None for a run whose environment does not say how fast users are drawn to want it, or how long a
    step lasts.
    """
    speeds, results = speeds_of(run), run.results
    if speeds is None or results is None:
        return None
    velocities = velocities_of(run)
    found = [
        _targets_picture(speeds, results),
        _returns_by_target_picture(speeds, results),
    ]
    if velocities is not None:
        found.append(_velocities_picture(run, speeds, results, velocities))
    served = [speeds.served(policy, results) for policy in range(run.num_policies)]
    return TaskPictures(
        found,
        users=f"A user of this run wants to move forward at a velocity of their own, from 0 to "
        f"{number(speeds.top)} m/s.",
        order=by_target(speeds, results),
        order_words="Policies and their users stand in the order of their targets",
        policy_columns={"their targets, m/s": lambda policy: _range(served[policy])},
        user_columns={"target, m/s": lambda user: number(speeds.targets[user])},
    )


def _targets_picture(speeds: Speeds, results: Results) -> Picture:
    served = "; ".join(
        f"policy {policy} {served_words(speeds.served(policy, results))}"
        for policy in speeds.order(results)
    )
    return Picture(
        "targets",
        "Target velocities by policy",
        f"A histogram of the users' target velocities, coloured by the policy that serves them: "
        f"{served}.",
        partial(_targets, speeds, results),
        caption="The users' target velocities, in the colour of the policy that serves them. Over "
        "the bars stands each policy's number, at the mean of the targets that it serves.",
        is_wide=True,
    )


def _returns_by_target_picture(speeds: Speeds, results: Results) -> Picture:
    bound = bound_of(results)
    compared = "" if bound is None else f", over those of the {bound.name}"
    in_grey = (
        ""
        if bound is None
        else f" In grey is what the user would get in the choice of constant velocities "
        f"(triangles) that gives the {bound.name}: welfare cannot exceed its mean, though a single "
        f"user may do better."
    )
    return Picture(
        "returns_by_target",
        "Returns by target velocity",
        f"Every user's return against their target velocity{compared}: from "
        f"{number(results.utilities.min())} to {number(results.utilities.max())}.",
        partial(_returns_by_target, speeds, results, bound),
        caption=f"Every user's mean return against the velocity that they want, in the colour of "
        f"their policy.{in_grey}",
        is_wide=True,
    )


def _velocities_picture(
    run: Run, speeds: Speeds, results: Results, velocities: tuple[NumpyArray, ...]
) -> Picture:
    means = ", ".join(f"policy {k} {number(v.mean())}" for k, v in enumerate(velocities))
    return Picture(
        "velocities",
        "The policies' velocities",
        f"The velocity of {count(run.num_policies, 'policy')} in one episode each with the "
        f"likeliest actions, beside the targets of the users served. Mean velocities in m/s: "
        f"{means}.",
        partial(_velocities, run, speeds, results, velocities),
        caption="One episode of each policy with its likeliest actions, policies in the order of "
        "the targets that they serve. The grey line is the velocity at every step, the bold one "
        "its running mean over one second. The ticks at the right are the targets of the users "
        "served, and the band reaches from the lowest to the highest of them; a cross marks an "
        "episode that ended early.",
        heading="What the policies do",
        is_wide=True,
    )


def _range(targets: NumpyArray) -> str:
    return f"{number(targets[0])} to {number(targets[-1])}" if len(targets) else "–"


def by_target(speeds: Speeds, results: Results) -> TableOrder:
    """Order the table of returns: policies and users from the slowest to the fastest."""
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
    """Draw a panel a policy, in the order of the targets that they serve, all on the same axes."""
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
    """Return the users of a policy in words: ``20 users, 0.41 to 0.97 m/s``."""
    users = count(len(targets), "user")
    if not len(targets):
        return users
    low, high = number(targets[0]), number(targets[-1])
    return f"{users}, {low} m/s" if low == high else f"{users}, {low} to {high} m/s"


def study_pictures(collection: Collection, tasks: Sequence[str]) -> list[StudyFigure]:
    """Show who is served by whom on the tasks with a run whose users' targets were kept."""
    shown = [
        task
        for task in tasks
        if any(served_by_target(collection, cell) for cell in collection.of(task))
    ]
    budgets = [
        cell.policies for cell in collection.cells if collection.kept_seeds(cell, "users")
    ] or [cell.policies for cell in collection.cells]
    figure = assignments_figure(collection, shown, "assignments", budget_of_most(budgets))
    return [] if figure is None else [figure]


class Served(NamedTuple):
    """The assignment of one run whose users want velocities.

    Attributes:
        task, label, policies, seed: the task, the label, the number of policies and the seed of the
            run.
        targets: the users' targets [N], m/s.
        assignment: the policy of each user, [N].
        top: the highest velocity that a user is drawn to want, m/s.
    """

    task: str
    label: str
    policies: int
    seed: int
    targets: NumpyArray
    assignment: NumpyArray
    top: float


def served_by_target(collection: Collection, cell: Cell) -> list[Served]:
    """Return the assignment of each run of the cell whose users' targets were kept."""
    found = []
    for users in collection.users_of(cell):
        if "target" not in users.columns or users["target"].null_count():
            continue
        targets = users["target"].to_numpy().astype(float)
        digest = users["digest"][0]
        seed = cell.seeds[cell.digests.index(digest)]
        top = collection.environments.get(digest, {}).get("top_speed")
        highest = float(targets.max() if top is None else top)
        assignment = users["policy"].to_numpy().astype(int)
        found.append(
            Served(cell.task, cell.label, cell.policies, seed, targets, assignment, highest)
        )
    return found


def assignments_figure(
    collection: Collection, tasks: Sequence[str], name: str, budget: int
) -> StudyFigure | None:
    """Draw a histogram for each method (down) and task (across); None without data.

    The figure shows the seed that most methods of a task have, as each seed draws its own users.

    Args:
        tasks: the tasks whose users are shown, from left to right.
        name: the name of the figure's files.
        budget: the number of policies of the runs that are shown.
    """
    shown: dict[tuple[str, str], Served] = {}
    for task in tasks:
        runs = [served_by_target(collection, c) for c in collection.best(task, policies=budget)]
        shown |= {(one.label, task): one for one in _of_common_seed([r for r in runs if r])}
    if not shown:
        return None
    labels = [label for label in collection.labels() if any(key[0] == label for key in shown)]
    with_runs = [task for task in tasks if any(key[1] == task for key in shown)]
    runs_of = {task: collection.of(task, policies=budget) for task in tasks}
    without_users = dict.fromkeys(
        (c.label, task) for task in tasks for c in runs_of[task] if (c.label, task) not in shown
    )
    missing = [
        f"{task_title(task)}, {label}: no users were kept of a run with k = {budget}."
        for label, task in without_users
    ] + [f"{task_title(task)}: no run with k = {budget}." for task in tasks if not runs_of[task]]
    groups = "; ".join(
        f"{task_title(task)}, {label}: groups of {_sizes(one)}"
        for (label, task), one in shown.items()
    )
    seeds = "; ".join(
        f"{task_title(task)}, {label}: seed {one.seed}" for (label, task), one in shown.items()
    )
    return StudyFigure(
        name,
        f"Who is served by whom: {', '.join(task_title(task) for task in with_runs)}",
        f"Users by the velocity that they want, in the colour of the policy that serves them; "
        f"k = {budget}. Each seed has users of its own. {seeds}.",
        f"Histograms of target velocities, coloured by policy. {groups}.",
        [
            [task, label, one.seed, one.targets.tolist(), one.assignment.tolist()]
            for (label, task), one in shown.items()
        ]
        + [[task, label, None, [], []] for label, task in without_users],
        lambda: _histograms(shown, labels, with_runs, without_users),
        missing,
    )


def _of_common_seed(methods: Sequence[Sequence[Served]]) -> list[Served]:
    """Return a run of each method: of the seed that most of them have, else the method's lowest."""
    seeds = [run.seed for runs in methods for run in runs]
    common = max(seeds, key=lambda seed: (seeds.count(seed), -seed), default=0)
    return [min(runs, key=lambda run: (run.seed != common, run.seed)) for runs in methods]


def _sizes(one: Served) -> str:
    sizes = np.bincount(one.assignment, minlength=one.policies)
    return ", ".join(str(size) for size in sorted(sizes, reverse=True))


def _histograms(
    shown: Mapping[tuple[str, str], Served],
    labels: Sequence[str],
    tasks: Sequence[str],
    without_users: Container[tuple[str, str]],
) -> Figure:
    height = 0.3 + 0.62 * len(labels)
    figure = Figure(figsize=(PAPER_COLUMN, height), layout="constrained")
    axes = figure.subplots(len(labels), len(tasks), squeeze=False, sharex="col")
    seeds = {task: {one.seed for key, one in shown.items() if key[1] == task} for task in tasks}
    is_common = {task: len(found) == 1 for task, found in seeds.items()}
    for i, label in enumerate(labels):
        for j, task in enumerate(tasks):
            axis, one = axes[i, j], shown.get((label, task))
            if j == 0:
                set_title(axis, label)
            if i == 0:
                axis.set_title(f"{task_title(task)}\n", loc="right")  # a line above the method's
            if one is None:
                axis.set_axis_off()  # its titles stay
                why = "not kept" if (label, task) in without_users else "not run"
                axis.text(0.5, 0.4, why, transform=axis.transAxes, ha="center", fontsize=6)
                continue
            if not is_common[task]:
                axis.set_ylabel(f"seed {one.seed}", fontsize=6)
            draw_target_histogram(axis, one.targets, one.assignment, one.policies, one.top)
            axis.set_xlim(0, one.top)
            axis.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    for j, task in enumerate(tasks):
        lowest = max(i for i, label in enumerate(labels) if (label, task) in shown)
        axes[lowest, j].tick_params(labelbottom=True)  # where nothing is shown below it too
    figure.supxlabel("target velocity (m/s)", fontsize=7)
    figure.supylabel("users", fontsize=7)
    return figure
