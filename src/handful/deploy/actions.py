"""Actions: from what a network puts out to what the simulator takes.

A policy chooses among finitely many actions by number, or takes a vector. The simulator may number
its actions in another way, have several choices at once, or measure a vector in other units; the
decoding turns one into the other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.deploy.own_network import GraphPolicy
from handful.deploy.policy import Policy

MOST_ACTIONS = 2**16
"""The most finite actions, and the most entries of a vector."""

_FLOATS = ("float16", "float32", "float64")
_INTEGERS = tuple(f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64))
_TYPES = ("bool", *_FLOATS, *_INTEGERS)


class ActionError(Exception):
    """What is wrong with the description of actions."""


@dataclass(frozen=True, eq=False)
class Choices:
    """Finitely many actions. One number stands for all of the simulator's choices together.

    Attributes:
        sizes: the number of values of each of the simulator's choices.
        starts: the lowest value of each of them.
        shape, dtype: the shape and the type of the simulator's action.
        is_plain: whether the simulator takes the policy's own number.
    """

    sizes: tuple[int, ...]
    starts: NDArray[Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_plain: bool

    @property
    def num_actions(self) -> int:
        """The number ``A`` of actions."""
        return math.prod(self.sizes)

    @property
    def num_outputs(self) -> int:
        """How many numbers a network puts out."""
        return self.num_actions

    def has_spread(self, policy: Policy | GraphPolicy) -> bool:
        """Return whether a policy has the spread that these actions need: none."""
        return policy.log_std is None

    def choose(
        self, policy: Policy | GraphPolicy, rows: NDArray[Any], rng: np.random.Generator | None
    ) -> NDArray[Any]:
        """Return the numbers [M] of a policy's actions.

        Args:
            policy: the policy.
            rows: the observations, float32 [M, O].
            rng: draws the actions; None takes the likeliest, and of several the first.
        """
        outputs = policy.outputs(rows)
        if rng is not None:
            outputs = outputs + rng.gumbel(size=outputs.shape)
        return outputs.argmax(axis=-1)

    def decode(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Return what the simulator takes, [M, *shape], for numbers of actions."""
        if self.is_plain:
            return actions
        values = np.stack(np.unravel_index(actions, self.sizes), axis=-1) + self.starts
        return values.astype(self.dtype).reshape(len(actions), *self.shape)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Actions that are vectors.

    Attributes:
        low, high: the bounds in the policies' units, float32 [A].
        squashed: whether a tanh keeps a policy's actions within them.
        log_std_range: the least and the largest logarithm of a standard deviation, if squashed.
        scale, shift: the change to the simulator's units, [A].
        env_low, env_high: the simulator's bounds, [A].
        shape, dtype: the shape and the type of the simulator's action.
        is_plain: whether the simulator takes the policy's own vector.
    """

    low: NDArray[Any]
    high: NDArray[Any]
    squashed: bool
    log_std_range: tuple[float, float]
    scale: NDArray[Any]
    shift: NDArray[Any]
    env_low: NDArray[Any]
    env_high: NDArray[Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_plain: bool

    @property
    def size(self) -> int:
        """The number ``A`` of entries."""
        return len(self.low)

    @property
    def num_outputs(self) -> int:
        """How many numbers a network puts out."""
        return self.size * (2 if self.squashed else 1)

    def has_spread(self, policy: Policy | GraphPolicy) -> bool:
        """Return whether a policy has the spread that these actions need."""
        return (policy.log_std is None) == self.squashed

    def choose(
        self, policy: Policy | GraphPolicy, rows: NDArray[Any], rng: np.random.Generator | None
    ) -> NDArray[Any]:
        """Return a policy's actions in its own units, float32 [M, A] within the bounds.

        Args:
            policy: the policy.
            rows: the observations, float32 [M, O].
            rng: draws the actions; None takes the means.
        """
        outputs, spread = policy.outputs(rows), policy.log_std
        if self.squashed:
            outputs, spread = outputs[:, : self.size], outputs[:, self.size :]
            spread = spread.clip(*self.log_std_range)
        if rng is not None:
            assert spread is not None
            noise = rng.standard_normal(outputs.shape, dtype=np.float32)
            outputs = outputs + np.exp(spread) * noise
        low, high, middle, reach = self._rows
        if self.squashed:
            outputs = middle + reach * np.tanh(outputs)
        return np.minimum(np.maximum(outputs, low), high)

    @cached_property
    def _rows(self) -> tuple[NDArray[Any], ...]:
        """The bounds, and the middle and the half of their range, [1, A].

        NumPy computes a single action faster with rows than with vectors.
        """
        low, high = self.low[None], self.high[None]
        with np.errstate(invalid="ignore"):  # without bounds there is no middle, nor need of one
            return low, high, (low + high) / 2, (high - low) / 2

    def decode(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Return what the simulator takes, [M, *shape], for vectors in the policies' units."""
        if self.is_plain:
            return actions
        scale, shift, low, high = self._decoding
        values = np.minimum(np.maximum(actions.astype(np.float64) * scale + shift, low), high)
        return values.astype(self.dtype).reshape(len(actions), *self.shape)

    @cached_property
    def _decoding(self) -> tuple[NDArray[Any], ...]:
        """The change of units and the simulator's bounds, as rows [1, A]."""
        return self.scale[None], self.shift[None], self.env_low[None], self.env_high[None]


Actions = Choices | Vectors


def read_actions(described: Any) -> Actions:
    """Return the actions that a description stands for.

    Args:
        described: the entry ``action`` of ``interface.json``.

    Raises:
        ActionError: if it describes no actions.
    """
    kind = described.get("kind") if isinstance(described, dict) else None
    if kind not in ("discrete", "box"):
        raise ActionError("actions must be of the kind 'discrete' or 'box'")
    decode = described.get("decode")
    if decode is not None and not isinstance(decode, dict):
        raise ActionError("the decoding must be a mapping")
    return _read_choices(described, decode) if kind == "discrete" else _read_box(described, decode)


def _read_choices(described: Mapping[str, Any], decode: Mapping[str, Any] | None) -> Choices:
    number = described.get("num_actions")
    if type(number) is not int or not 1 <= number <= MOST_ACTIONS:
        raise ActionError(f"there must be from 1 to {MOST_ACTIONS} finite actions")
    if decode is None:
        return Choices((number,), np.zeros(1, np.int64), (), np.dtype(np.int64), True)
    sizes, starts = _whole(decode, "sizes"), _whole(decode, "starts")
    if len(starts) != len(sizes) or min(sizes, default=0) < 1 or math.prod(sizes) != number:
        raise ActionError("the choices do not make up the finite actions")
    shape, dtype = _array(decode, len(sizes))
    return Choices(tuple(sizes), np.array(starts, np.int64), shape, dtype, False)


def _read_box(described: Mapping[str, Any], decode: Mapping[str, Any] | None) -> Vectors:
    low, high = _vector(described, "low", -np.inf), _vector(described, "high", np.inf)
    if len(low) != len(high) or not np.less(low, high).all():
        raise ActionError("each lower bound must be below the upper one")
    squashed = described.get("squashed")
    if type(squashed) is not bool or (squashed and not np.isfinite([low, high]).all()):
        raise ActionError("'squashed' must be true or false, and true only within bounds")
    spreads = described.get("log_std_range") if squashed else [0.0, 0.0]
    if not (isinstance(spreads, list) and len(spreads) == 2 and all(map(_is_number, spreads))):
        raise ActionError("'log_std_range' must be two numbers")
    if decode is None:
        found = [np.ones(len(low)), np.zeros(len(low)), low, high]
        shape, dtype = (len(low),), np.dtype(np.float32)
    else:
        found = [_vector(decode, "scale", None), _vector(decode, "shift", None)]
        found += [_vector(decode, "low", -np.inf), _vector(decode, "high", np.inf)]
        if any(len(one) != len(low) for one in found):
            raise ActionError("the decoding does not fit the entries of an action")
        shape, dtype = _array(decode, len(low))
    scale, shift, env_low, env_high = found
    return Vectors(
        low=low.astype(np.float32),
        high=high.astype(np.float32),
        squashed=squashed,
        log_std_range=(float(spreads[0]), float(spreads[1])),
        scale=scale,
        shift=shift,
        env_low=env_low,
        env_high=env_high,
        shape=shape,
        dtype=dtype,
        is_plain=decode is None,
    )


def _vector(described: Mapping[str, Any], name: str, missing: float | None) -> NDArray[Any]:
    """Return an entry that is a list of numbers; ``missing`` stands for null in it."""
    values = described.get(name)
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_ACTIONS:
        raise ActionError(f"'{name}' must be a list of numbers")
    if not all(_is_number(v) or (v is None and missing is not None) for v in values):
        raise ActionError(f"'{name}' must be a list of numbers")
    return np.array([missing if v is None else v for v in values], np.float64)


def _whole(described: Mapping[str, Any], name: str) -> list[int]:
    values = described.get(name)
    if not isinstance(values, list) or len(values) > MOST_ACTIONS:
        raise ActionError(f"'{name}' must be a list of whole numbers")
    if not all(type(v) is int and abs(v) < 2**62 for v in values):
        raise ActionError(f"'{name}' must be a list of whole numbers")
    return values


def _array(decode: Mapping[str, Any], size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and the type of the simulator's action, which has so many entries."""
    shape, name = _whole(decode, "shape"), decode.get("dtype")
    if len(shape) > 8 or not all(v >= 1 for v in shape) or math.prod(shape) != size:
        raise ActionError("'shape' must be the shape of an array with the entries of an action")
    if name not in _TYPES:
        raise ActionError("'dtype' must be a type of numbers")
    return tuple(shape), np.dtype(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
