"""Reading a run folder back: its problem, its settings, its state, the policies it hands out.

A run folder may be a stranger's, and any of its files may have been edited, lost or copied from
another run: everything that is read here is held against what the other files say of it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handful.backend import computing
from handful.controls import shell_line
from handful.errors import HandfulError
from handful.learner.policies import Policies, reader_of
from handful.learner.policies_file import load_policies
from handful.problem import RMDP, check_consent, described_parameters, make_stored
from handful.runs import RunFolder
from handful.stored import check_config
from handful.tensors import read_about
from handful.training.checkpoint import load_state
from handful.training.config import TrainConfig
from handful.training.description import check_same_problem
from handful.training.kept import read_evaluation
from handful.training.state import TrainState, init_state
from handful.types import NumpyArray

CHECKPOINT = "The checkpoint"
"""What sentences call the file."""

CUSTOM = "custom"
"""The name of a problem that was made in Python and that no task's name stands for."""


@dataclass(frozen=True)
class HandedOut:
    """What a run hands out, as far as it has come.

    Attributes:
        policies: the ``K`` policies.
        alpha: each user's policy [N], or how they share the policies [N, K].
        update: updates of training that were made.
    """

    policies: Policies
    alpha: NumpyArray
    update: int

    @property
    def assignment(self) -> NumpyArray:
        """[N] each user's policy."""
        return self.alpha if self.alpha.ndim == 1 else np.argmax(self.alpha, axis=1)


def open_run(
    path: str | Path, problem: RMDP | None = None, trust: bool = False
) -> tuple[RunFolder, RMDP, TrainConfig]:
    """A run folder's problem and settings.

    Args:
        path: the run folder.
        problem: what the run was trained on, where it has no name to make it by, or where making it
            by name would run code that the folder chooses.
        trust: whether the folder may choose code to run (:func:`handful.problem.make_stored`).

    Raises:
        HandfulError: if there is no run there, a file of it was changed, or it is of another
            problem.
    """
    folder = RunFolder(path)
    stored, config = stored_run(folder)
    check_evidence(folder)
    described = stored["problem"]
    if problem is None:
        problem = _made_again(folder, described, trust)
    if problem.scale_is_measured:  # the run's own counts: measured again it would be another
        problem = dataclasses.replace(problem, return_scale=described["return_scale"])
    check_same_problem(described, problem, path)
    return folder, problem, config


def _made_again(folder: RunFolder, described: Mapping[str, Any], trust: bool) -> RMDP:
    if described["name"] == CUSTOM:
        raise HandfulError(
            f"The run in '{folder.path}' was trained on a problem that was made in Python and has "
            f"no name to make it by: open the run from Python with that problem, as in "
            f"handful.resume('{folder.path}', problem)."
        )
    source = f"The run in '{folder.path}'"
    return make_stored(described["name"], described["parameters"], source, trust)


def resume_advice(folder: RunFolder, problem: RMDP) -> str:
    """How the caller, whose problem it is, continues a run that was stopped: an imperative."""
    if problem.name == CUSTOM:
        return f"continue from Python with: handful.resume('{folder.path}', problem)"
    words = ["handful", "resume", folder.path]
    try:
        check_consent(problem.name, described_parameters(problem.parameters), str(folder.path))
    except HandfulError:
        words.append("--trust")
    return f"continue with: {shell_line(*words)}"


def check_evidence(folder: RunFolder) -> None:
    """Look whether the files of a run belong together.

    Raises:
        HandfulError: naming the first that does not.
    """
    if folder.is_finished:
        folder.read_evaluation()
    elif folder.checkpoint.is_file():
        folder.check_settings(read_about(folder.checkpoint, CHECKPOINT).get("run"))


def stored_run(folder: RunFolder) -> tuple[dict[str, Any], TrainConfig]:
    """What a folder says of its run, and the run's settings.

    Raises:
        HandfulError: if there is no run there, or it is damaged or of another version.
    """
    stored = folder.read_config()
    check_config(stored, folder.config)
    return stored, TrainConfig.from_dict(stored["settings"])


def is_of_todays_method(stored: Mapping[str, Any], config: TrainConfig) -> bool:
    """Whether a run folder's method still does what it did when the run began.

    Args:
        stored: what the folder says of the run; nothing of revisions before there were any.
        config: the run's settings.
    """
    return stored.get("method_revision", 0) == config.make_method().revision


@computing
def load_run_state(folder: RunFolder, problem: RMDP, config: TrainConfig) -> TrainState:
    """A run's state at its latest checkpoint.

    Raises:
        HandfulError: if there is none, it is damaged, or it does not fit the settings.
    """
    state = load_state(folder.checkpoint, jax.eval_shape(lambda: init_state(problem, config)))
    folder.check_settings(read_about(folder.checkpoint, CHECKPOINT).get("run"))
    return state


def handed_out(folder: RunFolder, problem: RMDP, config: TrainConfig) -> HandedOut:
    """The policies that a run hands out and who gets which; nothing is played.

    A finished run has them in a file of their own. Of an unfinished run they are those that its
    latest checkpoint would hand out.

    Raises:
        HandfulError: if they cannot be read, or they do not fit the problem.
    """
    if not folder.is_finished:
        state = load_run_state(folder, problem, config)
        policies, alpha = state.chosen(config).policies(problem), state.handed_out(config)
        return HandedOut(policies, np.asarray(alpha), int(state.update))
    environment = problem.environment
    policies = dataclasses.replace(load_policies(folder.policies), reader=reader_of(environment))
    there = (policies.num_policies, policies.observation_size, policies.action_space)
    here = (config.num_policies, environment.observation_size, environment.action_space)
    if there != here:
        raise HandfulError(
            f"The policies in '{folder.policies}' (number, observation entries, actions: {there}) "
            f"do not fit the run's problem ({here}): was the environment changed?"
        )
    evaluation, shares = read_evaluation(folder, folder.read_evaluation(), problem)
    alpha = evaluation.assignment if shares is None else shares
    return HandedOut(policies, alpha, config.num_updates)
