"""What a run folder says of its problem, and whether a problem is the one that it speaks of."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handful.errors import HandfulError
from handful.plain import is_json, plain, shown
from handful.problem import RMDP, described_parameters

_COMPARED = {
    "num_features": "the number of reward features",
    "feature_names": "the names of reward features",
    "discount": "the discount",
    "return_scale": "the return scale",
    "users": "the users",
    "attributes": "the users' attributes",
    "coefficients_digest": "the users' coefficients",
}
"""Of a description, what a problem must have in common with it, by what it is called."""

_ROUNDING = 1e-6
"""Relative; a return scale that was measured may differ by as much from machine to machine."""

_SHORT = 60
"""Letters of two values that fit into a sentence."""


def describe_problem(problem: RMDP) -> dict[str, Any]:
    """A problem as JSON holds it: all that it can be made again by, or told from others."""
    return {
        "name": problem.name,
        "parameters": described_parameters(problem.parameters),
        "environment": {n: shown(value) for n, value in _fields(problem.environment).items()},
        "discount": problem.discount,
        "return_scale": problem.return_scale,
        "users": list(problem.population.user_ids),
        "attributes": described_attributes(problem),
        "coefficients_digest": _coefficients_digest(problem),
        "num_features": problem.num_features,
        "feature_names": list(problem.population.feature_names),
    }


def described_attributes(problem: RMDP) -> dict[str, list[Any]]:
    """What is known of the users besides their names, by name."""
    return {
        name: np.asarray(values).tolist() for name, values in problem.population.attributes.items()
    }


def check_same_problem(stored: Mapping[str, Any], problem: RMDP, path: str | Path) -> None:
    """Whether a problem is the one that a run was trained on, as far as the run's folder knows.

    Name and rewards are not compared: the first may be any, and of the second there is no record.

    Args:
        stored: :func:`describe_problem` of the run's, perhaps of an older version that said less.
        path: of the run, for the sentence.

    Raises:
        HandfulError: naming the first thing in which they differ.
    """
    for what, there, here in _pairs(stored, problem):
        if _differ(there, here):
            values = f" ({here!r} instead of {there!r})"
            values = values if len(values) <= _SHORT else ""  # a list of all users would hide it
            raise HandfulError(
                f"The problem given is not the one that the run in '{path}' was trained on: they "
                f"differ in {what}{values}."
            )


def _pairs(stored: Mapping[str, Any], problem: RMDP) -> Iterator[tuple[str, Any, Any]]:
    """What to compare: its name, the run's value, the problem's value."""
    described = describe_problem(problem)
    for name, what in _COMPARED.items():
        if stored.get(name) is not None and described[name] is not None:
            yield what, stored[name], described[name]
    for name, there in stored["parameters"].items():
        if name in described["parameters"]:  # the others may have been left at their defaults
            here = _from_json(described["parameters"][name])
            yield f"the task's parameter '{name}'", there, here
    fields = _fields(problem.environment)
    for name, there in stored.get("environment", {}).items():
        here = plain(fields.get(name))
        # What JSON cannot hold is kept as Python showed it, in another process perhaps otherwise.
        is_shown = not is_json(here) or (isinstance(there, str) and not isinstance(here, str))
        if name not in fields or not is_shown:
            yield f"the environment's '{name}'", there, _from_json(here)


def _from_json(value: Any) -> Any:
    """A value as it comes back from a file: without tuples, keys as text."""
    return json.loads(json.dumps(value))


def _differ(there: Any, here: Any) -> bool:
    if isinstance(there, float) and isinstance(here, float):
        return not math.isclose(there, here, rel_tol=_ROUNDING)
    return there != here


def _coefficients_digest(problem: RMDP) -> str | None:
    """Of the users' weights; None where they were computed by a compression.

    Those differ in their last digits from machine to machine, and a run may go on on another one.
    """
    population = problem.population
    if population.reward_fn is not None:
        return None
    return hashlib.sha256(population.coefficients.astype("<f4").tobytes()).hexdigest()


def _fields(environment: Any) -> dict[str, Any]:
    """A dataclass's fields by name: nothing of other environments.

    Nobody makes an environment of them again: they tell readers of the run folder what it was.
    """
    if not dataclasses.is_dataclass(environment):
        return {}
    fields = dataclasses.fields(environment)
    return {field.name: getattr(environment, field.name) for field in fields}
