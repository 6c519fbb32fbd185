"""Reading a run folder: its problem, its settings, its state, and its final policies.

A run folder may come from a stranger, and any of its files may have been edited, lost or copied
from another run. So everything that is read here is checked against the other files.
"""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handful._support.backend import computing
from handful._support.controls import shell_line
from handful._support.storage import checked_config, digest_of_arrays, digest_of_json
from handful._support.text import is_json, plain, shown
from handful.environment import outcome_shape
from handful.envs.drawn import num_parts
from handful.errors import HandfulError
from handful.evaluation.returns import Evaluation
from handful.learner import LEARNERS
from handful.learner.builders import (
    FIELDS,
    Network,
    is_importable,
    network_settings,
    settled_name,
)
from handful.learner.parallel import core_mesh
from handful.learner.policies import Policies, reader_of
from handful.learner.policies_file import load_policies
from handful.methods import METHODS, AssignmentMethod
from handful.population import Population
from handful.problem import RMDP, check_consent, described_parameters, make_stored
from handful.run_folder import RunFolder
from handful.tensors import read_about
from handful.training.config import TrainConfig
from handful.training.records.checkpoint import load_state
from handful.training.records.evaluation_files import read_evaluation
from handful.training.run import Run
from handful.training.starting.continuing import gone_on
from handful.training.state import TrainState, init_state
from handful.types import NumpyArray
from handful.welfare import load_welfare

_COMPARED = {
    "num_features": "the number of reward features",
    "feature_names": "the names of reward features",
    "discount": "the discount",
    "return_scale": "the return scale",
    "users": "the users",
    "attributes": "the users' attributes",
    "coefficients_digest": "the users' coefficients",
    "features_digest": "what is paid in each reward feature",
}
"""The entries of a description that a problem must share, by the words for them."""

_COMPARED_LAST = {
    "observation_size": "the number of observation entries",
    "action_space": "the actions",
    "time_limit": "the time limit",
}
"""The same for entries that follow from the environment's own fields, if it has any."""

_ROUNDING = 1e-6
"""The relative difference by which a measured return scale may vary between machines."""

_LONGEST_ARRAY = 1000
"""The most numbers of an array that a description holds; for a longer one it holds the digest."""

_SHORT = 60
"""The most letters of two values in an error message."""


def describe_problem(problem: RMDP) -> dict[str, Any]:
    """Return a description of a problem in the types of JSON.

    It has all from which the problem can be made again, or be distinguished from others.
    """
    environment, parts = problem.environment, num_parts(problem)
    return {
        **({"draw": parts} if parts > 1 else {}),
        "name": problem.name,
        "parameters": described_parameters(problem.parameters),
        "environment": {n: shown(_short(value)) for n, value in _fields(environment).items()},
        "observation_size": int(environment.observation_size),
        "action_space": shown(environment.action_space),
        "time_limit": int(environment.time_limit),
        "discount": problem.discount,
        "return_scale": problem.return_scale,
        "users": list(problem.population.user_ids),
        "attributes": described_attributes(problem),
        "coefficients_digest": _coefficients_digest(problem.population),
        "features_digest": _features_digest(problem.population),
        "num_features": problem.num_features,
        "feature_names": list(_feature_names(problem)),
    }


def digest_of_population(population: Population) -> str:
    """Return the digest by which files name these users and their wishes."""
    attributes = {n: np.asarray(v).tolist() for n, v in population.attributes.items()}
    known = [list(population.user_ids), attributes]
    return digest_of_json([known, _coefficients_digest(population)])


def described_attributes(problem: RMDP) -> dict[str, list[Any]]:
    """Return the users' attributes, by name."""
    return {
        name: np.asarray(values).tolist() for name, values in problem.population.attributes.items()
    }


def check_same_problem(stored: Mapping[str, Any], problem: RMDP, path: str | Path) -> None:
    """Check that a problem is the one that a run was trained on, as far as the folder shows.

    Names and reward functions are not compared: a name may be any, and reward functions are not
    recorded.

    Args:
        stored: the run's description by :func:`describe_problem`, perhaps of an older version that
            said less.
        path: the path of the run, for the error message.

    Raises:
        HandfulError: if they differ; the sentence names the first difference.
    """
    for what, there, here in _pairs(stored, problem):
        if _differ(there, here):
            values = f" ({here!r} instead of {there!r})"
            values = values if len(values) <= _SHORT else ""  # a long list would hide the rest
            raise HandfulError(
                f"The problem given is not the one that the run in '{path}' was trained on: they "
                f"differ in {what}{values}."
            )


def _pairs(stored: Mapping[str, Any], problem: RMDP) -> Iterator[tuple[str, Any, Any]]:
    """Return what to compare: its name, the run's value, the problem's value."""
    described = describe_problem(problem)
    for name, what in _COMPARED.items():
        if stored.get(name) is not None and described[name] is not None:
            yield what, stored[name], described[name]
    for name, there in stored["parameters"].items():
        # Other parameters may be at their defaults; the contents of a file were compared above.
        is_file = isinstance(problem.parameters.get(name), Path)
        if name in described["parameters"] and not is_file:
            here = _from_json(described["parameters"][name])
            yield f"the task's parameter '{name}'", there, here
    fields = _fields(problem.environment)
    for name, there in stored.get("environment", {}).items():
        here = plain(_short(fields.get(name)))
        # Values outside JSON are kept as Python's text, which may differ in another process.
        is_shown = not is_json(here) or (isinstance(there, str) and not isinstance(here, str))
        if name not in fields or not is_shown:
            yield f"the environment's '{name}'", there, _from_json(here)
    for name, what in _COMPARED_LAST.items():
        if name in stored:
            yield what, stored[name], _from_json(described[name])


def _from_json(value: Any) -> Any:
    """Return a value as it comes back from a file: without tuples, keys as text."""
    return json.loads(json.dumps(value))


def _differ(there: Any, here: Any) -> bool:
    """Return whether two values from JSON differ by more than the rounding of two machines."""
    if isinstance(there, float) and isinstance(here, float):
        return not math.isclose(there, here, rel_tol=_ROUNDING)
    if isinstance(there, list) and isinstance(here, list):
        return len(there) != len(here) or any(map(_differ, there, here))
    if isinstance(there, dict) and isinstance(here, dict):
        return there.keys() != here.keys() or any(_differ(there[n], here[n]) for n in there)
    return there != here


def _coefficients_digest(population: Population) -> str | None:
    """Return the digest of the users' weights; None if they come from a compression.

    Weights of a compression differ in their last digits between machines, and a run may go on on
    another machine.
    """
    if population.reward_fn is not None:
        return None
    return digest_of_arrays({"coefficients": population.coefficients.astype("<f4")})


def _features_digest(population: Population) -> str | None:
    """Return the digest of the tables from which features are looked up; None for computed ones."""
    tables = {n: v for n, v in _fields(population.features).items() if isinstance(v, np.ndarray)}
    return digest_of_arrays({n: _rounded(v) for n, v in tables.items()}) if tables else None


def _rounded(array: NumpyArray) -> NumpyArray:
    """Return floating-point numbers in single precision, in which machines agree."""
    return array.astype("<f4") if array.dtype.kind == "f" else array


def _feature_names(problem: RMDP) -> tuple[str, ...]:
    """Return the names of the reward features, from the users or else from the environment."""
    names = getattr(problem.environment, "feature_names", ())
    return problem.population.feature_names or tuple(map(str, names))


def _fields(environment: Any) -> dict[str, Any]:
    """Return a dataclass's fields by name: nothing of other environments.

    They only inform readers of the run folder: no environment is made from them again.
    """
    if not dataclasses.is_dataclass(environment):
        return {}
    fields = dataclasses.fields(environment)
    return {field.name: getattr(environment, field.name) for field in fields}


def _short(value: Any) -> Any:
    """Return a value, or the digest of it if it is a long array."""
    if not isinstance(value, np.ndarray) or value.size <= _LONGEST_ARRAY:
        return value
    return f"array of shape {list(value.shape)}, SHA-256 {digest_of_arrays({'': _rounded(value)})}"


CHECKPOINT = "The checkpoint"
"""The words for the file in error messages."""

CUSTOM = "custom"
"""The name of a problem that was made in Python and that no task's name stands for."""


@dataclass(frozen=True)
class HandedOut:
    """The final policies of a run, as far as it has come.

    Attributes:
        policies: the ``K`` policies.
        alpha: the policy of each user [N], or the users' shares of the policies [N, K].
        update: the number of updates of training that were made.
    """

    policies: Policies
    alpha: NumpyArray
    update: int

    @property
    def assignment(self) -> NumpyArray:
        """The policy of each user, [N]."""
        return self.alpha if self.alpha.ndim == 1 else np.argmax(self.alpha, axis=1)


def open_run(
    path: str | Path,
    problem: RMDP | None = None,
    trust: bool = False,
    network: Network | None = None,
) -> tuple[RunFolder, Run]:
    """Open a run folder.

    Args:
        path: the path of the run folder.
        problem: the problem that the run was trained on. It is needed if the problem has no name to
            make it by, or if making it by name would run code that the folder chooses.
        trust: whether the folder may choose code to run, as its problem
            (:func:`handful.problem.make_stored`), its networks or its welfare function may need.
        network: the run's own network, if this program does not know it.

    Returns:
        the folder, and the run that it keeps.

    Raises:
        HandfulError: if there is no run at the path, a file of it was changed, it belongs to
            another problem, or its assignment method, its network or its welfare function is not
            known.
    """
    folder = RunFolder(path)
    stored, config = stored_run(folder, trust)
    check_evidence(folder)
    described = stored["problem"]
    if problem is None:
        problem = _made_again(folder, described, trust)
    if problem.scale_is_measured:  # the run's own scale is used: a new measurement would differ
        problem = dataclasses.replace(problem, return_scale=described["return_scale"])
    check_same_problem(described, problem, path)
    config = with_networks(config, f"The run in '{path}'", network, trust)
    if trust:
        load_welfare(config.welfare)
    return folder, Run(problem, config, core_mesh())


def with_networks(
    config: TrainConfig, source: str, network: Network | None, trust: bool
) -> TrainConfig:
    """Return the settings with names of networks that this program knows.

    Raises:
        HandfulError: if a network is not known, or is given although the run has none of its own.
    """
    given, names = network_settings(network), {}
    for field in FIELDS:
        stored = getattr(config.learner, field, None)
        if stored is not None:
            names[field] = settled_name(stored, given.get(field), source, trust)
    if given and not names:
        raise HandfulError(
            f"{source} was trained with the library's own networks: open it without network."
        )
    if not names:
        return config
    return dataclasses.replace(config, learner=dataclasses.replace(config.learner, **names))


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
    """Return how the caller, whose problem it is, continues a stopped run: an imperative."""
    _, config = stored_run(folder)
    learner = config.learner
    networks = [name for field in FIELDS if (name := getattr(learner, field, None)) is not None]
    given = ["problem"] if problem.name == CUSTOM else []
    if not all(map(is_importable, networks)):
        given.append("network=build")
    name, _ = LEARNERS.describe(learner)
    classes = (METHODS.is_importable(config.method), LEARNERS.is_importable(name))
    if given or not all(classes):
        arguments = ", ".join([f"'{folder.path}'", *given])
        return f"continue from Python with: handful.resume({arguments})"
    words = ["handful", "resume", folder.path]
    try:
        check_consent(problem.name, described_parameters(problem.parameters), str(folder.path))
    except HandfulError:
        words.append("--trust")
    own_code = [*networks, *(n for n in (config.method, config.welfare, name) if ":" in n)]
    if own_code and "--trust" not in words:
        words.append("--trust")
    return f"continue with: {shell_line(*words)}"


def check_evidence(folder: RunFolder) -> None:
    """Check that the files of a run belong together.

    Raises:
        HandfulError: if a file does not; the sentence names the first.
    """
    if folder.is_finished:
        folder.read_evaluation()
    elif folder.checkpoint.is_file():
        folder.check_settings(read_about(folder.checkpoint, CHECKPOINT).get("run"))


def stored_run(folder: RunFolder, trust: bool = False) -> tuple[dict[str, Any], TrainConfig]:
    """Read the record of a run in its folder, and the run's settings.

    Args:
        folder: the run folder.
        trust: whether modules that the folder names for a method or a learner may be imported.

    Raises:
        HandfulError: if there is no run in the folder, it is damaged or of another version, or its
            assignment method or learner is not known.
    """
    stored = checked_config(folder.read_config(), folder.config)
    source, settings = f"The run in '{folder.path}'", stored["settings"]
    METHODS.load_stored(settings["method"], source, trust)
    LEARNERS.load_stored(settings["learner"]["name"], source, trust)
    return stored, TrainConfig.from_dict(stored["settings"])


def evaluation_of(
    folder: RunFolder, record: Mapping[str, Any], problem: RMDP
) -> tuple[Evaluation, NumpyArray | None]:
    """Return the evaluation of a finished run of a problem, and the users' shares, from its files.

    Args:
        folder: the run folder.
        record: the content of its ``evaluation.json``.
        problem: the problem of the run.
    """

    def outcomes() -> Any:
        return outcome_shape(problem.environment)

    return read_evaluation(folder, record, problem.population, outcomes)


def is_of_todays_method(stored: Mapping[str, Any], method: AssignmentMethod) -> bool:
    """Return whether the method of a run folder still does what it did when the run began.

    Args:
        stored: the record of the run in its folder. A record from before there were revisions has
            no revision.
        method: the method as it is today.
    """
    return stored.get("method_revision", 0) == method.info.revision


def check_goes_on(folder: RunFolder, config: TrainConfig) -> None:
    """Check that the library still has the method of a run which is to go on.

    Raises:
        HandfulError: if the method left the library; the sentence says what takes its place.
    """
    if METHODS.is_gone(config.method):
        raise HandfulError(
            f"The run in '{folder.path}' cannot go on, as the {METHODS.fate(config.method)}."
        )


@computing
def load_run_state(folder: RunFolder, run: Run) -> TrainState:
    """Return a run's state at its latest checkpoint.

    Raises:
        HandfulError: if there is no checkpoint, it is damaged, it does not fit the settings, or the
            run's method left the library.
    """
    check_goes_on(folder, run.config)
    digest, continued = _digest_of_checkpoint(folder), run.config.continued
    known = len(continued) if digest is None else folder.continuations_known(digest)
    before = run
    if known < len(continued):  # the run is about to go on
        config = dataclasses.replace(run.config, continued=continued[:known])
        before = dataclasses.replace(run, config=config)
    state = load_state(folder.checkpoint, jax.eval_shape(lambda: init_state(before)))
    folder.check_settings(digest)
    return state if before is run else gone_on(run, before, state)


def _digest_of_checkpoint(folder: RunFolder) -> str | None:
    """Return the settings that a checkpoint names; None if it names none, or not the run's."""
    if not folder.checkpoint.is_file():
        return None
    digest = read_about(folder.checkpoint, CHECKPOINT).get("run")
    folder.check_settings(digest)
    return digest


def handed_out(folder: RunFolder, run: Run) -> HandedOut:
    """Return the final policies of a run and their users, without playing.

    A finished run has them in a file of their own. For an unfinished run they are the policies that
    would be final at its latest checkpoint.

    Raises:
        HandfulError: if they cannot be read, or they do not fit the problem.
    """
    problem, config = run.problem, run.config
    if not folder.is_finished:
        state = load_run_state(folder, run)
        policies, alpha = state.chosen(run).policies(problem), state.handed_out(run)
        return HandedOut(policies, np.asarray(alpha), int(state.update))
    environment = problem.environment
    loaded = load_policies(folder.policies, getattr(config.learner, "actor_network", None))
    policies = dataclasses.replace(loaded, reader=reader_of(environment))
    there = (policies.num_policies, policies.observation_size, policies.action_space)
    here = (config.num_policies, environment.observation_size, environment.action_space)
    if there != here:
        raise HandfulError(
            f"The policies in '{folder.policies}' (number, observation entries, actions: {there}) "
            f"do not fit the run's problem ({here}): was the environment changed?"
        )
    evaluation, shares = evaluation_of(folder, folder.read_evaluation(), problem)
    alpha = evaluation.assignment if shares is None else shares
    return HandedOut(policies, alpha, config.num_updates)
