"""What a run folder says of its problem, and whether a problem is the one that it speaks of."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handful.digests import digest_of_arrays, digest_of_json
from handful.errors import HandfulError
from handful.plain import is_json, plain, shown
from handful.population import Population
from handful.problem import RMDP, described_parameters
from handful.types import NumpyArray

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
"""Of a description, what a problem must have in common with it, by what it is called."""

_COMPARED_LAST = {
    "observation_size": "the number of observation entries",
    "action_space": "the actions",
    "time_limit": "the time limit",
}
"""The same, of what follows from the environment's own fields where it has any."""

_ROUNDING = 1e-6
"""Relative; a return scale that was measured may differ by as much from machine to machine."""

_LONGEST_ARRAY = 1000
"""Numbers of an array that a description holds; of a longer one it holds the digest."""

_SHORT = 60
"""Letters of two values that fit into a sentence."""


def describe_problem(problem: RMDP) -> dict[str, Any]:
    """A problem as JSON holds it: all that it can be made again by, or told from others."""
    environment = problem.environment
    return {
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
    """The digest by which files say that they are about these users and what they want."""
    attributes = {n: np.asarray(v).tolist() for n, v in population.attributes.items()}
    known = [list(population.user_ids), attributes]
    return digest_of_json([known, _coefficients_digest(population)])


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
        # Others may have been left at their defaults; of a file what is in it was compared above.
        is_file = isinstance(problem.parameters.get(name), Path)
        if name in described["parameters"] and not is_file:
            here = _from_json(described["parameters"][name])
            yield f"the task's parameter '{name}'", there, here
    fields = _fields(problem.environment)
    for name, there in stored.get("environment", {}).items():
        here = plain(_short(fields.get(name)))
        # What JSON cannot hold is kept as Python showed it, in another process perhaps otherwise.
        is_shown = not is_json(here) or (isinstance(there, str) and not isinstance(here, str))
        if name not in fields or not is_shown:
            yield f"the environment's '{name}'", there, _from_json(here)
    for name, what in _COMPARED_LAST.items():
        if name in stored:
            yield what, stored[name], _from_json(described[name])


def _from_json(value: Any) -> Any:
    """A value as it comes back from a file: without tuples, keys as text."""
    return json.loads(json.dumps(value))


def _differ(there: Any, here: Any) -> bool:
    """Whether two values from JSON differ by more than the rounding of two machines."""
    if isinstance(there, float) and isinstance(here, float):
        return not math.isclose(there, here, rel_tol=_ROUNDING)
    if isinstance(there, list) and isinstance(here, list):
        return len(there) != len(here) or any(map(_differ, there, here))
    if isinstance(there, dict) and isinstance(here, dict):
        return there.keys() != here.keys() or any(_differ(there[n], here[n]) for n in there)
    return there != here


def _coefficients_digest(population: Population) -> str | None:
    """Of the users' weights; None where they were computed by a compression.

    Those differ in their last digits from machine to machine, and a run may go on on another one.
    """
    if population.reward_fn is not None:
        return None
    return digest_of_arrays({"coefficients": population.coefficients.astype("<f4")})


def _features_digest(population: Population) -> str | None:
    """Of the tables that features are looked up in; None of features that are computed."""
    tables = {n: v for n, v in _fields(population.features).items() if isinstance(v, np.ndarray)}
    return digest_of_arrays({n: _rounded(v) for n, v in tables.items()}) if tables else None


def _rounded(array: NumpyArray) -> NumpyArray:
    """Floating-point numbers in single precision, in which machines agree."""
    return array.astype("<f4") if array.dtype.kind == "f" else array


def _feature_names(problem: RMDP) -> tuple[str, ...]:
    """The names of the reward features, from the users or else from the environment."""
    names = getattr(problem.environment, "feature_names", ())
    return problem.population.feature_names or tuple(map(str, names))


def _fields(environment: Any) -> dict[str, Any]:
    """A dataclass's fields by name: nothing of other environments.

    Nobody makes an environment of them again: they tell readers of the run folder what it was.
    """
    if not dataclasses.is_dataclass(environment):
        return {}
    fields = dataclasses.fields(environment)
    return {field.name: getattr(environment, field.name) for field in fields}


def _short(value: Any) -> Any:
    """A value, or the digest of it where it is a long array."""
    if not isinstance(value, np.ndarray) or value.size <= _LONGEST_ARRAY:
        return value
    return f"array of shape {list(value.shape)}, SHA-256 {digest_of_arrays({'': _rounded(value)})}"
