"""A result as a bundle: what is known of the run besides its policies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from handful._support.text import is_json
from handful.catalogue import find_task
from handful.errors import HandfulError
from handful.evaluation.returns import Evaluation
from handful.export.bundle import Release, check_target, write_bundle
from handful.export.further import check_formats
from handful.export.own_network import check_own
from handful.learner.policies import Policies
from handful.learner.policies_file import digest_of_policies
from handful.problem import RMDP
from handful.training.config import TrainConfig
from handful.training.records.provenance import described_simulator, now, versions
from handful.training.records.run_reader import CUSTOM, describe_problem
from handful.types import NumpyArray

ABOUT_USERS = ("population", "weights", "user_ids")
"""The names of parameters that hold users, besides those that a task says itself."""


@runtime_checkable
class Result(Protocol):
    """The parts of a :class:`~handful.training.result.TrainResult` that a bundle is made from."""

    @property
    def problem(self) -> RMDP:
        """The problem that the policies were trained on."""
        ...

    @property
    def config(self) -> TrainConfig:
        """The settings of the run."""
        ...

    @property
    def policies(self) -> Policies:
        """The final policies."""
        ...

    @property
    def shares(self) -> NumpyArray | None:
        """The users' distributions over policies [N, K], if they have any."""
        ...

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation of the policies."""
        ...

    @property
    def transitions(self) -> int:
        """The number of all transitions."""
        ...

    @property
    def folder(self) -> Path | None:
        """The folder of the run, if it was kept."""
        ...


def save_result(
    result: Result, path: str | Path, with_users: bool, zipped: bool, formats: Sequence[str]
) -> Path:
    """Write the bundle of a result; :meth:`handful.TrainResult.save` describes the arguments."""
    folder, archive = check_target(path, zipped)
    check_formats(formats)
    check_own(result.policies)
    write_bundle(_release(result, with_users), folder, archive, with_users, formats)
    written = folder or archive
    assert written is not None
    return written


def _release(result: Result, with_users: bool) -> Release:
    problem, policies = result.problem, result.policies
    described = describe_problem(problem)
    digest = digest_of_policies(policies)
    return Release(
        problem=problem,
        policies=policies,
        evaluation=result.evaluation,
        shares=result.shares,
        feature_names=described["feature_names"],
        about={
            "created": now(),
            "versions": versions(),
            "task": {
                "name": described["name"],
                **_parameters(described, with_users),
                "observation_size": described["observation_size"],
                "time_limit": described["time_limit"],
                "discount": described["discount"],
                "return_scale": described["return_scale"],
            },
            "simulator": described_simulator(problem),
            "training": _training(result),
        },
        weights=[
            f"the final policy {k} of the run, which its evaluation measured: policy-{k}/ in "
            f"policies.safetensors, of which the SHA-256 of all arrays is {digest}"
            for k in range(policies.num_policies)
        ],
    )


def _parameters(described: Mapping[str, Any], with_users: bool) -> dict[str, Any]:
    """Return the parameters of the task, and the names of those that are kept back.

    Lists and mappings may hold users' preferences, and so may what a task calls users.
    """
    private = {*ABOUT_USERS, *_users_from(described["name"])}
    kept, held = {}, []
    for name, value in described["parameters"].items():
        is_plain = value is None or isinstance(value, str | int | float | bool)
        if is_json(value) and (with_users or (is_plain and name not in private)):
            kept[name] = value
        else:
            held.append(name)
    return {"parameters": kept, "parameters_left_out": held}


def _users_from(name: str) -> tuple[str, ...]:
    """Return the names of the task's parameters that say who the users are."""
    if name == CUSTOM:
        return ()
    try:
        return find_task(name).users_from
    except HandfulError:  # a function of the caller's own
        return ()


def _training(result: Result) -> dict[str, Any]:
    """Return the record of the training: what was done, and what came of it."""
    config, evaluation = result.config, result.evaluation
    settings = config.to_dict()
    return {
        "method": config.method,
        "learner": settings["learner"]["name"],
        "seed": config.seed,
        "steps": config.steps,
        "transitions": int(result.transitions),
        "settings": {name: settings[name] for name in ("learner", "collect")},
        "evaluation": {
            "welfare": evaluation.welfare,
            "welfare_stderr": evaluation.welfare_stderr,
            "welfare_function": evaluation.welfare_function,
            "sampled_actions_welfare": evaluation.stochastic.welfare,
            "episodes": evaluation.num_episodes,
            "seed": evaluation.seed,
        },
        "run": None if result.folder is None else result.folder.name,
    }
