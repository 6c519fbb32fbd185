"""A run folder read and checked, as arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from handful._support.files import read_json
from handful._support.storage import (
    ANYTHING,
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Shape,
    check_stored,
    checked_config,
)
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.tensors import read_about, read_tensors
from handful.types import NumpyArray

Part = TypeVar("Part")

_MEASUREMENT: Shape = {
    "welfare": NUMBER,
    "welfare_stderr": NUMBER,
    "soft_welfare": NUMBER,
    "reassigned_welfare": NUMBER,
    "reassigned_welfare_stderr": NUMBER,
    "worst_user_return": NUMBER,
    "worst_episode": NUMBER,
    "lengths": [NUMBER],
}

RECORD: Shape = {
    "welfare_function?": TEXT,
    "mean_utility?": NUMBER,
    "mean_utility_stderr?": NUMBER,
    "welfare": NUMBER,
    "welfare_stderr": NUMBER,
    "optimum": (NUMBER, None),
    "optimum_kind": (TEXT, None),
    "percent_of_optimum": (NUMBER, None),
    "num_episodes": WHOLE,
    "evaluation_seed": WHOLE,
    "transitions": NUMBER,
    "seconds": NUMBER,
    "worst_user": TEXT,
    "worst_user_return": NUMBER,
    "assigned_by?": (TEXT, None),
    "alternatives?": {
        ...: {"welfare": NUMBER, "gain": NUMBER, "gain_stderr": NUMBER, "users_moved": WHOLE}
    },
    "findings?": [{"kind": TEXT, "message": TEXT, "advice": TEXT}],
    "deterministic": _MEASUREMENT,
    "stochastic": _MEASUREMENT,
}
"""The shape of the part of ``evaluation.json`` that a report uses."""

TRACES: Shape = [{"length": WHOLE, ...: (NUMBER, FLAG, TEXT, [ANYTHING])}]
"""The shape of ``traces.json``."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The course of training, after each of ``U`` updates.

    Attributes:
        transitions: [U] per policy, so far.
        welfare: [U] moving average of training returns, with sampled actions.
        users: [U, K] users on each policy; fractions if an assignment is soft.
        entropy: [U, K] the entropy of each policy's actions in nats; None if the learner does not
            say it.
    """

    transitions: NumpyArray
    welfare: NumpyArray
    users: NumpyArray
    entropy: NumpyArray | None


@dataclass(frozen=True, eq=False)
class Results:
    """A finished run's evaluation; the arrays are of the deterministic measurement.

    Attributes:
        record: all of ``evaluation.json``.
        assignment: [N] each user's policy.
        shown: [S] users whose returns from all policies are known, ascending: everybody, or of very
            many the worst served and some others.
        returns: the mean return of each shown user from each policy, [K, S].
        lengths: [K] mean steps an episode.
        utilities: [N] each user's mean return from the policy they are assigned to.
        worst_episodes: [N] each user's lowest return from it.
    """

    record: Mapping[str, Any]
    assignment: NumpyArray
    shown: NumpyArray
    returns: NumpyArray
    lengths: NumpyArray
    utilities: NumpyArray
    worst_episodes: NumpyArray

    @property
    def users_per_policy(self) -> NumpyArray:
        """How many users each policy serves: [K]; users whom no policy fits are left out."""
        return np.bincount(self.assignment[self.assignment >= 0], minlength=len(self.returns))

    def returns_of(self, user: int) -> NumpyArray:
        """Return what each policy earns a user who is shown: [K]."""
        return self.returns[:, np.searchsorted(self.shown, user)]


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that a report is made of.

    Attributes:
        name: the folder's own name.
        config: all of ``config.json``.
        users: [N] names.
        curves: the curves of training so far, if an update was made.
        results: the results of the evaluation, if the run is finished.
        traces: one deterministic episode a policy, if there are any.
    """

    name: str
    config: Mapping[str, Any]
    users: tuple[str, ...]
    curves: Curves | None
    results: Results | None
    traces: Sequence[Mapping[str, Any]]

    @property
    def problem(self) -> Mapping[str, Any]:
        """The problem's description."""
        return self.config["problem"]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The training settings."""
        return self.config["settings"]

    @cached_property
    def labels(self) -> dict[str, list[str]]:
        """The words that the users' table has for them, by column: [N] each."""
        found = self.problem.get("attributes", {})
        return {
            name: values
            for name, values in found.items()
            if isinstance(values, list)
            and len(values) == len(self.users)
            and all(isinstance(value, str) for value in values)
        }

    @property
    def num_policies(self) -> int:
        """The number of policies ``K``."""
        return self.settings["num_policies"]


def read_run(path: str | Path) -> Run:
    """Read a run folder, finished or not.

    Raises:
        HandfulError: if there is none, or a file in it is damaged.
    """
    folder = RunFolder(path)
    config = checked_config(folder.read_config(), folder.config)
    users = tuple(config["problem"]["users"])
    record = None
    if folder.is_finished:
        record = folder.read_evaluation()
    elif folder.checkpoint.is_file():
        folder.check_settings(read_about(folder.checkpoint, "The checkpoint").get("run"))
    num_policies = config["settings"]["num_policies"]
    metrics = folder.read_metrics()
    curves = _checked(folder.metrics, lambda: _curves(metrics, num_policies)) if metrics else None
    results, traces = None, []
    if record is not None:
        shape = (num_policies, len(users))
        check_stored(record, RECORD, folder.evaluation)
        arrays = {} if "users" in record else read_tensors(folder.users, "The file")[0]
        source = folder.users if arrays else folder.evaluation
        results = _checked(source, lambda: _results(record, arrays, shape))
        traces = read_json(folder.traces) if folder.traces.is_file() else []
        check_stored(traces, TRACES, folder.traces)
    return Run(folder.path.resolve().name, config, users, curves, results, traces)


def _checked(path: Path, read: Callable[[], Part]) -> Part:
    """Return the result of ``read``.

    If something is missing or misshapen, the error says that the file is damaged.
    """
    try:
        return read()
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise HandfulError(
            f"'{path}' is damaged or of another version of handful "
            f"({type(error).__name__}: {error})."
        ) from None


def _curves(metrics: Sequence[Mapping[str, Any]], num_policies: int) -> Curves:
    updates = len(metrics)

    def column(name: str, *shape: int) -> NumpyArray:
        values = np.array([record[name] for record in metrics], dtype=float)
        return values.reshape(updates, *shape)

    return Curves(
        column("transitions"),
        column("welfare"),
        column("users", num_policies),
        column("entropy", num_policies) if "entropy" in metrics[-1] else None,
    )


def _results(
    record: Mapping[str, Any], arrays: Mapping[str, NumpyArray], shape: tuple[int, int]
) -> Results:
    """Return the results of a record that lists every user, or of arrays if it does not."""
    num_policies, num_users = shape
    measured = record["deterministic"]
    if "users" in record:
        found = {
            "assignment": record["assignment"],
            "shown.users": range(num_users),
            "shown.returns": measured["returns"],
            "deterministic.utilities": measured["utilities"],
            "deterministic.worst_episodes": measured["worst_episodes"],
        }
    else:
        found = arrays
    assignment = np.array(found["assignment"], dtype=int).reshape(num_users)
    least = -1 if record.get("num_no_policy_fits") else 0  # -1 says that no policy fits
    if assignment.min() < least or assignment.max() >= num_policies:
        raise ValueError(f"an assignment to policies other than 0 to {num_policies - 1}")
    shown = np.array(found["shown.users"], dtype=int)
    if shown.min() < 0 or shown.max() >= num_users:
        raise ValueError(f"users other than 0 to {num_users - 1}")
    return Results(
        record,
        assignment,
        shown,
        np.array(found["shown.returns"], dtype=float).reshape(num_policies, len(shown)),
        np.array(measured["lengths"], dtype=float).reshape(num_policies),
        np.array(found["deterministic.utilities"], dtype=float).reshape(num_users),
        np.array(found["deterministic.worst_episodes"], dtype=float).reshape(num_users),
    )
