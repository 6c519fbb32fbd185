"""Reading a run folder back: its problem, its settings, its latest state."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from handful.errors import HandfulError
from handful.problem import RMDP, make
from handful.runs import RunFolder
from handful.training.checkpoint import load_state
from handful.training.config import TrainConfig
from handful.training.description import check_same_problem
from handful.training.state import TrainState, init_state

PROBLEM_KEYS = ("name", "parameters")
"""Of the problem in a run's settings, what it is made again by."""


def open_run(path: str | Path, problem: RMDP | None = None) -> tuple[RunFolder, RMDP, TrainConfig]:
    """A run folder's problem and settings.

    Args:
        path: the run folder.
        problem: what the run was trained on, where it has no name to make it by.

    Raises:
        HandfulError: if there is no run there, it does not fit, or it is of another problem.
    """
    folder = RunFolder(path)
    stored, config = stored_run(folder)
    if problem is None:
        name, parameters = stored["problem"]["name"], stored["problem"]["parameters"]
        if name == "custom":
            raise HandfulError(
                f"The run in '{path}' was trained on a problem without a name: open it from "
                f"Python and pass the problem."
            )
        problem = make(name, **parameters)
    else:
        check_same_problem(stored["problem"], problem, path)
    return folder, problem, config


def stored_run(folder: RunFolder) -> tuple[dict[str, Any], TrainConfig]:
    """What a folder says of its run, and the run's settings.

    The ``name`` and the ``parameters`` of its ``problem`` are there.

    Raises:
        HandfulError: if there is no run there, or it is damaged or of another version.
    """
    stored = folder.read_config()
    try:
        settings, _ = stored["settings"], [stored["problem"][key] for key in PROBLEM_KEYS]
    except (KeyError, TypeError) as error:
        raise HandfulError(
            f"'{folder.config}' is damaged or of another version: it lacks {error}."
        ) from None
    return stored, TrainConfig.from_dict(settings)


def is_of_todays_method(stored: Mapping[str, Any], config: TrainConfig) -> bool:
    """Whether a run folder's method still does what it did when the run began.

    Args:
        stored: what the folder says of the run; nothing of revisions before there were any.
        config: the run's settings.
    """
    return stored.get("method_revision", 0) == config.make_method().revision


def load_run_state(folder: RunFolder, problem: RMDP, config: TrainConfig) -> TrainState:
    """A run's state at its latest checkpoint.

    Raises:
        HandfulError: if there is none, or it does not fit the settings.
    """
    if folder.is_finished and not folder.checkpoint.is_file():
        raise HandfulError(
            f"The run in '{folder.path}' is finished, but its policies are gone: they were in "
            f"{folder.checkpoint.name}, so put that file back, or train anew."
        )
    return load_state(folder.checkpoint, jax.eval_shape(lambda: init_state(problem, config)))
