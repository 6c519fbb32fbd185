"""The whole set of figures, and the page that lists them."""

from collections.abc import Sequence
from pathlib import Path

from handful.reports.study.assignments import assignments_figure, with_targets
from handful.reports.study.budgets import percent_figure, welfare_figure
from handful.reports.study.collection import Collection
from handful.reports.study.figure import StudyFigure
from handful.reports.study.paper import BUDGET, GRID_TASK, ROBOTS, WALKED
from handful.reports.study.paper import TASKS as PAPER_TASKS
from handful.reports.study.profiles import profiles_figure
from handful.reports.study.spread import spread_figure
from handful.reports.study.training import training_figure
from handful.reports.study.walks import walkers, walks_figure
from handful.reports.words import task_title
from handful.runs import write_text

PAGE = "figures.md"


def collected_figures(collection: Collection) -> tuple[list[StudyFigure], list[str]]:
    """The figures of a folder of results, and what is left out of them.

    Those of the paper where any of its tasks is there, else those of any study.
    """
    others = [task for task in collection.tasks if task not in PAPER_TASKS]
    if others == collection.tasks:
        return general_figures(collection)
    figures, left_out = paper_figures(collection)
    passed_over = [
        f"{task_title(task)}, which is none of the paper's tasks: 'handful report' draws a study."
        for task in others
    ]
    return figures, [*left_out, *passed_over]


def paper_figures(collection: Collection) -> tuple[list[StudyFigure], list[str]]:
    """The paper's five figures and ours, and what is left out for want of data."""
    tasks = PAPER_TASKS
    candidates = {
        "walks": walks_figure(collection, GRID_TASK),
        "resource-gathering": welfare_figure(
            collection, [GRID_TASK], "resource-gathering", "Welfare in Resource Gathering"
        ),
        "robots": welfare_figure(collection, ROBOTS, "robots", "Welfare of the robots' users"),
        "assignments-half-cheetah": assignments_figure(
            collection, ROBOTS[:1], "assignments-half-cheetah"
        ),
        "assignments": assignments_figure(collection, ROBOTS[1:], "assignments"),
        "percent-of-optimum": percent_figure(collection, tasks),
        "training": training_figure(collection, tasks),
        "spread": spread_figure(collection, tasks),
        "profiles": profiles_figure(collection, tasks),
    }
    return _sorted_out(candidates)


def general_figures(collection: Collection) -> tuple[list[StudyFigure], list[str]]:
    """The same of any study, whatever its tasks."""
    tasks = collection.tasks
    at_budget = [task for task in tasks if collection.of(task, policies=BUDGET)]
    candidates: dict[str, StudyFigure | None] = {
        "welfare": welfare_figure(collection, tasks, "welfare", "Welfare"),
        "percent-of-optimum": percent_figure(collection, tasks),
        "training": training_figure(collection, at_budget),
        "spread": spread_figure(collection, tasks),
        "profiles": profiles_figure(collection, tasks),
        "assignments": assignments_figure(collection, with_targets(collection), "assignments"),
    }
    walked = collection.of(GRID_TASK, walkers(collection, GRID_TASK))
    asked = sorted({cell.policies for cell in walked})
    if asked:
        candidates["walks"] = walks_figure(collection, GRID_TASK, asked[: len(WALKED)])
    return _sorted_out(candidates)


def write_figures(
    figures: Sequence[StudyFigure], left_out: Sequence[str], out: Path, kinds: Sequence[str]
) -> list[Path]:
    """Write every figure in each kind (svg, png, pdf), and the page that lists them."""
    written = []
    for figure in figures:
        paths = [out / f"{figure.name}.{kind}" for kind in kinds]
        figure.write(*paths)
        written += paths
    lines = ["# Figures", "", "Made by `handful figures` from the tables beside this folder.", ""]
    for figure in figures:
        lines += [f"## {figure.title}", "", f"![{figure.alt}]({figure.name}.svg)", ""]
        lines += [figure.caption, ""]
        if figure.missing:
            lines += ["Not in it:", "", *(f"- {sentence}" for sentence in figure.missing), ""]
    if left_out:
        lines += ["## Left out", "", *(f"- {sentence}" for sentence in left_out), ""]
    write_text(out / PAGE, "\n".join(lines).rstrip() + "\n")
    return [*written, out / PAGE]


def _sorted_out(
    candidates: dict[str, StudyFigure | None],
) -> tuple[list[StudyFigure], list[str]]:
    found = [figure for figure in candidates.values() if figure is not None]
    left_out = [
        f"`{name}`: nothing that it is drawn from was kept yet."
        for name, figure in candidates.items()
        if figure is None
    ]
    return found, left_out
