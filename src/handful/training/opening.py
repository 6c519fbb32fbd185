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
from handful.training.state import TrainState, init_state


def open_run(path: str | Path, problem: RMDP | None = None) -> tuple[RunFolder, RMDP, TrainConfig]:
    """A run folder's problem and settings.

    Raises:
        HandfulError: if there is no run there, or it does not fit.
    """
    folder = RunFolder(path)
    stored = folder.read_config()
    try:
        described, settings = stored["problem"], stored["settings"]
        name, parameters = described["name"], described["parameters"]
    except (KeyError, TypeError) as error:
        raise HandfulError(
            f"'{folder.config}' is damaged or of another version: it lacks {error}."
        ) from None
    config = TrainConfig.from_dict(settings)
    if problem is None:
        if name == "custom":
            raise HandfulError(
                f"The run in '{path}' was trained on a problem without a name: open it from "
                f"Python and pass the problem."
            )
        problem = make(name, **parameters)
    return folder, problem, config


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
    return load_state(folder.checkpoint, jax.eval_shape(lambda: init_state(problem, config)))
