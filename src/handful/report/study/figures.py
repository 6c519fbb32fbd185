"""The figures of a study, whatever its tasks are."""

from collections.abc import Iterable, Mapping

from handful._support.foreign import failure
from handful.catalogue import task_of_run
from handful.errors import HandfulError
from handful.parameters import find_object
from handful.report.study.budgets import percent_figure, welfare_figure
from handful.report.study.collection import Collection, budget_of_most
from handful.report.study.figure import StudyFigure
from handful.report.study.spread import profiles_figure, spread_figure
from handful.report.study.training import training_figure


def study_figures(collection: Collection) -> tuple[list[StudyFigure], list[str]]:
    """Make every figure that a collection of runs has the data for.

    Returns:
        The figures, and a sentence for each one that is left out.
    """
    tasks = collection.tasks
    of_curves = _budget(collection)
    with_budget = [task for task in tasks if collection.of(task, policies=of_curves)]
    candidates: dict[str, StudyFigure | None] = {
        "welfare": welfare_figure(collection, tasks, "welfare", "Welfare"),
        "percent-of-optimum": percent_figure(collection, tasks),
        "training": training_figure(collection, with_budget, of_curves),
        "spread": spread_figure(collection, tasks),
        "profiles": profiles_figure(collection, tasks),
    }
    candidates |= {figure.name: figure for figure in _of_tasks(collection)}
    return sort_out(candidates)


def _of_tasks(collection: Collection) -> Iterable[StudyFigure]:
    """Return the figures that the tasks of the study bring, each with the tasks that name it.

    Raises:
        HandfulError: if the function of a task fails.
    """
    asked: dict[str, list[str]] = {}
    for name in collection.tasks:
        task = task_of_run(name)
        if task is not None and task.study_pictures:
            asked.setdefault(task.study_pictures, []).append(name)
    for entry_point, names in asked.items():
        try:
            yield from find_object(entry_point)(collection, names)
        except HandfulError:
            raise
        except Exception as error:
            raise failure(
                f"'{entry_point}', which draws the studies of {', '.join(names)}, failed", error
            ) from error


def _budget(collection: Collection) -> int:
    """Return the budget that a figure of one budget shows, of those whose curves were kept."""
    kept = [cell.policies for cell in collection.cells if collection.kept_seeds(cell, "curves")]
    return budget_of_most(kept or [cell.policies for cell in collection.cells])


def sort_out(
    candidates: Mapping[str, StudyFigure | None],
) -> tuple[list[StudyFigure], list[str]]:
    """Separate figures that could be drawn from those that had no data.

    Args:
        candidates: a figure by its name, or None if there are no data for it.

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
