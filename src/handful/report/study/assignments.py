"""Histograms of who is served by whom, where users differ in the velocity that they want."""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from handful.report.plots.speeds import draw_target_histogram
from handful.report.plots.style import PAPER_COLUMN, set_title
from handful.report.study.collection import Cell, Collection
from handful.report.study.figure import StudyFigure
from handful.report.words import task_title
from handful.types import NumpyArray


class Served(NamedTuple):
    """Who serves whom in one run whose users want velocities.

    Attributes:
        task, label, policies, seed: of the run.
        targets: [N] m/s.
        assignment: [N].
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
    """Each run of the cell whose users' targets were kept."""
    found = []
    for users in collection.users_of(cell):
        if users["target"].null_count():
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
    """A histogram for each method (down) and task (across); None without data.

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


def with_targets(collection: Collection) -> list[str]:
    """The tasks with a run whose users' targets were kept."""
    known = collection.users.drop_nulls("target")["digest"].unique().to_list()
    return [
        task
        for task in collection.tasks
        if any(digest in known for cell in collection.of(task) for digest in cell.digests)
    ]


def _of_common_seed(methods: Sequence[Sequence[Served]]) -> list[Served]:
    """A run of each method: of the seed that most of them have, else the method's lowest."""
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
