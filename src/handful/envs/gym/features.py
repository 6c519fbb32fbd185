"""Reward features [D] of a step: the reward itself, entries of ``info``, or a function."""

import copy
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from handful._support.foreign import failure
from handful.errors import HandfulError

REWARD = "reward"
"""The name of the environment's own reward among features."""


@dataclass(frozen=True)
class Transition:
    """One step of the environment, which feature functions read.

    Attributes:
        observation: the environment's observation before the step.
        action: the action that the environment got.
        next_observation: the observation after the step, also if the episode ended with it.
        reward: a number or, in MO-Gymnasium, a vector.
        info: the ``info`` of the step.
    """

    observation: Any
    action: Any
    next_observation: Any
    reward: Any
    info: Mapping[str, Any]


@runtime_checkable
class Features(Protocol):
    """A function from a transition to its reward features. It is sent to worker processes."""

    @property
    def needs_observation(self) -> bool:
        """Whether it reads the observation before the step."""
        ...

    def __call__(self, step: Transition) -> NDArray[Any]:
        """Return the features [D].

        Raises:
            HandfulError: if this step does not have them.
        """
        ...


@dataclass(frozen=True)
class NamedFeatures:
    """Features that are the reward or entries of ``info``, in this order.

    Attributes:
        names: ``reward`` for the environment's own reward (all of its entries, if it is a vector),
            or else the path to a number in ``info``, with dots between the parts:
            ``rewards.collision_reward``.
    """

    names: tuple[str, ...] = (REWARD,)
    needs_observation: bool = False

    def __call__(self, step: Transition) -> NDArray[Any]:
        """Return the features with these names."""
        parts = [self._look_up(name, step) for name in self.names]
        return np.concatenate(parts)

    def _look_up(self, name: str, step: Transition) -> NDArray[Any]:
        if name == REWARD:
            return as_numbers("reward", step.reward)
        value = entry(step.info, name)
        if value is None:
            there = ", ".join(entry_names(step.info)) or "no numbers"
            raise HandfulError(
                f"The feature '{name}' is not in the environment's info at every step (here it has "
                f"{there}): choose another, or give a function of the transition."
            )
        numbers = as_numbers(f"feature '{name}'", value)
        if numbers.size != 1:
            raise HandfulError(
                f"The feature '{name}' has {numbers.size} entries: name one of them, as '{name}.0'."
            )
        return numbers


@dataclass(frozen=True)
class FunctionFeatures:
    """Features that a function of the caller computes.

    Attributes:
        function: a function of (observation, action, next_observation, reward, info) that returns
            numbers [D]; or its name as ``module:name``.
    """

    function: Callable[..., Any] | str
    needs_observation: bool = True

    def __call__(self, step: Transition) -> NDArray[Any]:
        """Return the features that the function computes."""
        function = load(self.function) if isinstance(self.function, str) else self.function
        try:
            values = function(
                step.observation, step.action, step.next_observation, step.reward, step.info
            )
        except BaseException as error:
            name = getattr(function, "__name__", "features")
            raise failure(f"The feature function '{name}' failed", error) from None
        return as_numbers("feature function's result", values)


def find_features(features: Any) -> Features:
    """Return the features that a caller asks for.

    Args:
        features: None for the reward; a name or several of them (:class:`NamedFeatures`); a
            function, or its ``module:name`` (:class:`FunctionFeatures`).

    Raises:
        HandfulError: if it is none of these.
    """
    if features is None:
        return NamedFeatures()
    if callable(features):
        return FunctionFeatures(features)
    if isinstance(features, str):
        if ":" in features:
            load(features)
            return FunctionFeatures(features)
        features = (features,)
    if isinstance(features, Sequence) and features and all(isinstance(n, str) for n in features):
        return NamedFeatures(tuple(features))
    raise HandfulError(
        "Features are names (of entries of info, or 'reward'), or a function of (observation, "
        f"action, next_observation, reward, info), not {features!r}."
    )


def feature_names(features: Features, step: Transition, given: Sequence[str]) -> tuple[str, ...]:
    """Return a name for every feature, from one step that was taken.

    Args:
        given: the names that the caller gave; empty for the names that the features have.

    Raises:
        HandfulError: if there are more or fewer than features, or a name occurs twice.
    """
    size = len(features(step))
    names = tuple(given) or tuple(_own_names(features, step))
    if len(names) != size:
        raise HandfulError(
            f"There are {size} reward features but {len(names)} names for them: give one for each."
        )
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise HandfulError(f"Feature names must be distinct, but '{repeated}' occurs twice.")
    return names


def _own_names(features: Features, step: Transition) -> list[str]:
    if not isinstance(features, NamedFeatures):
        return [f"feature_{index}" for index in range(len(features(step)))]
    names = []
    for name in features.names:
        size = as_numbers(name, step.reward).size if name == REWARD else 1
        is_vector = size > 1 or (name == REWARD and np.ndim(step.reward) > 0)
        names += [f"{name}_{index}" for index in range(size)] if is_vector else [name]
    return names


def entry(info: Any, path: str) -> Any:
    """Return the entry of nested mappings and sequences at ``a.b.0``; None if there is none."""
    if isinstance(info, Mapping) and path in info:
        return info[path]
    first, _, rest = path.partition(".")
    if isinstance(info, Mapping):
        found = info.get(first)
    elif isinstance(info, Sequence | np.ndarray) and np.ndim(info) and first.isdecimal():
        found = info[int(first)] if int(first) < len(info) else None
    else:
        return None
    return entry(found, rest) if rest and found is not None else found


def entry_names(info: Any, prefix: str = "") -> list[str]:
    """Return the paths of all numbers in ``info``."""
    names = []
    for name, value in info.items() if isinstance(info, Mapping) else ():
        if isinstance(value, Mapping):
            names += entry_names(value, f"{prefix}{name}.")
        elif np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biuf":
            names.append(f"{prefix}{name}")
    return names


def as_numbers(what: str, value: Any) -> NDArray[Any]:
    """Return a number or a list of numbers as a float64 array [D] with memory of its own.

    Environments may write to their arrays again, so nothing of their memory is kept.

    Raises:
        HandfulError: if it is something else: text, None (which NumPy would take for NaN), dates.
    """
    try:
        given = np.asarray(value)
        is_numeric = given.dtype.kind in "biuf" or (
            given.dtype.kind == "O" and all(isinstance(one, Real | Decimal) for one in given.flat)
        )
        numbers = np.array(given, dtype=np.float64) if is_numeric else None
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None or numbers.ndim > 1 or not numbers.size:
        raise HandfulError(f"The {what} must be a number or a list of numbers, not {value!r}.")
    return numbers.reshape(-1)


def check_count(values: NDArray[Any], count: int) -> None:
    """Raise HandfulError unless a step gave as many features as the first one did."""
    if values.size != count:
        raise HandfulError(
            f"The environment gave {values.size} reward features at a step and {count} at first: "
            f"their number must stay the same."
        )


def keep(observation: Any) -> Any:
    """Return a copy of an observation, since environments may write to theirs again."""
    return observation.copy() if isinstance(observation, np.ndarray) else copy.deepcopy(observation)


def keep_step(step: Transition) -> Transition:
    """Return a deep copy of a step."""
    return Transition(
        keep(step.observation),
        keep(step.action),
        keep(step.next_observation),
        copy.deepcopy(step.reward),
        _keep_info(step.info),
    )


def _keep_info(info: Any) -> Any:
    """Return a copy of an info.

    What cannot be copied (a simulator's handle) stays the same object.
    """
    if isinstance(info, Mapping):
        return {name: _keep_info(value) for name, value in info.items()}
    try:
        return copy.deepcopy(info)
    except Exception:
        return info


def load(name: str) -> Any:
    """Return the object that ``module:name`` names.

    Raises:
        HandfulError: if there is no such object.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except BaseException as error:
        raise failure(f"'{name}' cannot be imported: it failed", error) from None
