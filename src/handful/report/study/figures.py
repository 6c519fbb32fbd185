"""The figures of a study, whatever its tasks are."""

from collections.abc import Mapping

from handful.report.study.assignments import assignments_figure, with_targets
from handful.report.study.budgets import percent_figure, welfare_figure
from handful.report.study.collection import Collection, budget_of_most
from handful.report.study.figure import StudyFigure
from handful.report.study.spread import profiles_figure, spread_figure
from handful.report.study.training import training_figure
from handful.report.study.walks import walked_maps, walkers, walks_figure

MOST_MAPS = 4
"""A figure of walks shows at most so many budgets."""


def study_figures(collection: Collection) -> tuple[list[StudyFigure], list[str]]:
    """Every figure that a collection of runs has the data for.

    Returns:
        The figures, and a sentence for each one that is left out.
    """
    tasks = collection.tasks
    of_curves, of_users = (_budget(collection, kind) for kind in ("curves", "users"))
    with_budget = [task for task in tasks if collection.of(task, policies=of_curves)]
    candidates: dict[str, StudyFigure | None] = {
        "welfare": welfare_figure(collection, tasks, "welfare", "Welfare"),
        "percent-of-optimum": percent_figure(collection, tasks),
        "training": training_figure(collection, with_budget, of_curves),
        "spread": spread_figure(collection, tasks),
        "profiles": profiles_figure(collection, tasks),
        "assignments": assignments_figure(
            collection, with_targets(collection), "assignments", of_users
        ),
    }
    for task in tasks:
        label = walkers(collection, task)
        if walked_maps(collection, task, label):
            budgets = sorted({cell.policies for cell in collection.of(task, label)})
            candidates["walks"] = walks_figure(collection, task, budgets[:MOST_MAPS])
            break
    return sort_out(candidates)


def _budget(collection: Collection, kind: str) -> int:
    """The budget that a figure of one budget shows, of those whose curves or users were kept."""
    kept = [cell.policies for cell in collection.cells if collection.kept_seeds(cell, kind)]
    return budget_of_most(kept or [cell.policies for cell in collection.cells])


def sort_out(
    candidates: Mapping[str, StudyFigure | None],
) -> tuple[list[StudyFigure], list[str]]:
    """Part figures that could be drawn from those that had no data.

    Args:
        candidates: a figure by its name, or None where there are no data for it.

    Returns:
        The figures, and a sentence for each name without one.
    """
    found = [figure for figure in candidates.values() if figure is not None]
    left_out = [
        f"`{name}`: nothing that it is drawn from was kept yet."
        for name, figure in candidates.items()
        if figure is None
    ]
    return found, left_out
