"""Gymnasium's spaces for policies: observations become vectors, and actions become numbers.

Observations of any space that Gymnasium can flatten become vectors [O]: arrays in row-major order,
choices one-hot, dictionaries and tuples part after part.

Observations without any entry become one entry that is always 0, so that policies have an input.

Actions are either one of finitely many (``Discrete``, ``MultiDiscrete``, ``MultiBinary`` and
boxes of whole numbers: every combination is an action of its own) or a vector (``Box``). Policies
see every bounded entry of a box as -1 to 1, whatever its unit; unbounded entries, also those with
one bound, are left as they are. A narrower range of a box's actions may be asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.text import count
from handful.errors import HandfulError

MAX_CHOICES = 1024
"""The most combinations of a finite action space; a policy has an output for each."""


ActionRange = Sequence[Any] | None
"""The part of a box that policies use: ``[low, high]`` for all entries, or a pair for each."""

ObservationOffset = Mapping[Any, float] | Sequence[float] | None
"""The numbers to subtract from observations: by entry, or a number for each entry."""


@dataclass(frozen=True)
class Choices:
    """A finite action space: the policy's action is an index.

    Attributes:
        sizes: the number of values that each part can take.
        starts: the lowest value of each part.
        shape: the shape of the environment's action; () for a plain number.
        dtype: the type of the environment's action.
    """

    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: Any

    @property
    def count(self) -> int:
        """The number ``A`` of combinations."""
        return int(np.prod(self.sizes, dtype=np.int64))

    def decode(self, action: Any) -> Any:
        """Return the environment's action for an index."""
        parts = np.asarray(np.unravel_index(int(action), self.sizes), dtype=np.int64)
        values = (parts + self.starts).astype(self.dtype).reshape(self.shape)
        return values[()] if self.shape == () else values

    def encode(self, action: Any) -> int:
        """Return the index for an action of the environment: the inverse of :meth:`decode`.

        Raises:
            ValueError: if there is no such action.
        """
        parts = np.asarray(action).reshape(-1)
        if parts.size != len(self.sizes) or not np.equal(parts, np.rint(parts)).all():
            raise ValueError(f"{np.asarray(action).tolist()} is none of the actions")
        indices = parts.astype(np.int64) - np.asarray(self.starts)
        if not ((indices >= 0) & (indices < self.sizes)).all():
            raise ValueError(f"{np.asarray(action).tolist()} is none of the actions")
        return int(np.ravel_multi_index(tuple(indices), self.sizes))


@dataclass(frozen=True)
class Interval:
    """A box: the policy's action is a vector.

    Attributes:
        low, high: the bounds that the policy sees, [A].
        scale, shift: the change from the policy's units to the environment's, [A].
        env_low, env_high: the environment's bounds, [A].
        shape, dtype: the shape and the type of the environment's action.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: NDArray[Any]
    shift: NDArray[Any]
    env_low: NDArray[Any]
    env_high: NDArray[Any]
    shape: tuple[int, ...]
    dtype: Any

    def decode(self, action: Any) -> NDArray[Any]:
        """Return the environment's action for a vector [A].

        Rounding never leaves the bounds.
        """
        values = np.asarray(action, dtype=np.float64) * self.scale + self.shift
        values = np.clip(values, self.env_low, self.env_high)
        return values.astype(self.dtype).reshape(self.shape)

    def encode(self, action: Any) -> NDArray[Any]:
        """Return the vector [A] for an action of the environment: the inverse of :meth:`decode`.

        Raises:
            ValueError: if the action has another number of entries.
        """
        values = np.asarray(action, dtype=np.float64).reshape(self.scale.shape)
        return (values - self.shift) / self.scale


def read_action_space(space: Any, action_range: ActionRange = None) -> Choices | Interval:
    """Return the translation of policies' actions into the environment's.

    Args:
        action_range: the part of a box that policies use; None for all of it.

    Raises:
        HandfulError: if policies cannot act in the space (the sentence says why), or if the range
            does not fit the space.
    """
    from gymnasium import spaces

    if action_range is not None:
        space = _narrowed(space, action_range)
    if isinstance(space, spaces.Discrete):
        return _choices((int(space.n),), (int(space.start),), (), space.dtype)
    if isinstance(space, spaces.MultiDiscrete):
        starts = np.broadcast_to(space.start, space.nvec.shape)
        return _choices(space.nvec.ravel(), starts.ravel(), space.nvec.shape, space.dtype)
    if isinstance(space, spaces.MultiBinary):
        size = int(np.prod(space.shape))
        return _choices((2,) * size, (0,) * size, space.shape, space.dtype)
    if not isinstance(space, spaces.Box):
        raise HandfulError(
            f"Policies cannot act in a {type(space).__name__} space: wrap the environment so that "
            f"its actions are Discrete, MultiDiscrete, MultiBinary or a Box "
            f"(gymnasium.ActionWrapper)."
        )
    if not np.issubdtype(space.dtype, np.integer):
        return _interval(space)
    if not space.is_bounded("both"):
        raise HandfulError(
            "The action space is a Box of whole numbers without bounds, and policies choose among "
            "finitely many: give it bounds, or make it a Box of real numbers."
        )
    low, high = space.low.ravel().astype(np.int64), space.high.ravel().astype(np.int64)
    return _choices(high - low + 1, low, space.shape, space.dtype)


def _narrowed(space: Any, action_range: Sequence[Any]) -> Any:
    """Return the part of a box that policies are to use."""
    from gymnasium import spaces

    if not isinstance(space, spaces.Box):
        raise HandfulError(
            f"action_range narrows actions that are a Box, and those of this environment are "
            f"{type(space).__name__}: leave it out."
        )
    low, high = (np.ravel(bound).astype(np.float64) for bound in (space.low, space.high))
    pairs = [action_range] * low.size if _is_pair(action_range) else list(action_range)
    if len(pairs) != low.size or not all(pair is None or _is_pair(pair) for pair in pairs):
        raise HandfulError(
            f"action_range must be [LOW, HIGH] for all entries of an action, or a list with one "
            f"[LOW, HIGH] (or null, for the whole range) for each of its "
            f"{count(low.size, 'entry')}, not {list(action_range)!r}."
        )
    for entry, pair in enumerate(pairs):
        if pair is None:
            continue
        if not (low[entry] <= pair[0] < pair[1] <= high[entry]):
            raise HandfulError(
                f"action_range asks for {pair[0]:g} to {pair[1]:g} in entry {entry} of an action, "
                f"and the environment takes {low[entry]:g} to {high[entry]:g} there: give a lower "
                f"and a higher number within that range."
            )
        low[entry], high[entry] = pair
    low, high = (bound.reshape(space.shape).astype(space.dtype) for bound in (low, high))
    low, high = (
        np.maximum(low, space.low),
        np.minimum(high, space.high),
    )  # the cast may have rounded
    return spaces.Box(low, high, dtype=space.dtype.type)


def _is_pair(value: Any) -> bool:
    """Return whether a value is two finite numbers."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or len(value) != 2:
        return False
    return all(isinstance(one, int | float | np.number) and np.isfinite(one) for one in value)


def _choices(sizes: Any, starts: Any, shape: Any, dtype: Any) -> Choices:
    sizes, starts = (tuple(int(value) for value in values) for values in (sizes, starts))
    choices = Choices(sizes, starts, tuple(shape), dtype)
    if np.prod(np.asarray(sizes, dtype=np.float64)) > MAX_CHOICES:
        raise HandfulError(
            f"The action space has {' x '.join(map(str, sizes))} combinations, and policies choose "
            f"among at most {MAX_CHOICES:,}: offer fewer with a gymnasium.ActionWrapper, or make "
            f"the actions a Box of real numbers."
        )
    return choices


def _interval(space: Any) -> Interval:
    low, high = (np.ravel(bound).astype(np.float64) for bound in (space.low, space.high))
    if not low.size:
        raise HandfulError("The action space is a Box without entries: there is nothing to choose.")
    if not (low < high).all():
        entry = int(np.flatnonzero(~(low < high))[0])
        raise HandfulError(
            f"Entry {entry} of the action space's Box cannot vary (it lies between {low[entry]:g} "
            f"and {high[entry]:g}): leave it out with a gymnasium.ActionWrapper."
        )
    with np.errstate(over="ignore"):
        bounded = np.isfinite(low) & np.isfinite(high) & np.isfinite(high - low)
    scale, shift = np.ones(low.size), np.zeros(low.size)
    scale[bounded] = (high[bounded] - low[bounded]) / 2
    shift[bounded] = (high[bounded] + low[bounded]) / 2
    return Interval(
        low=tuple(np.where(bounded, -1.0, low).tolist()),
        high=tuple(np.where(bounded, 1.0, high).tolist()),
        scale=scale,
        shift=shift,
        env_low=low,
        env_high=high,
        shape=tuple(space.shape),
        dtype=space.dtype,
    )


class Flattener:
    """A function that turns an observation of a space into a vector [O].

    Args:
        space: the space of the environment's observations.
        offset: the numbers that are subtracted from entries in double precision, before these
            become float32: by an entry's index in the vector, from 0, or one number for each entry.
            None subtracts nothing.

    Attributes:
        size: the size ``O`` of a vector; it is 1 if observations have no entry at all.

    Raises:
        HandfulError: if observations of the space have no fixed length, or the offset does not fit.
    """

    def __init__(self, space: Any, offset: ObservationOffset = None) -> None:
        from gymnasium import spaces

        if not space.is_np_flattenable:
            raise HandfulError(
                f"Observations of a {type(space).__name__} space have no fixed length: turn them "
                f"into arrays with a gymnasium.ObservationWrapper."
            )
        self._space, self._flatten = space, spaces.flatten
        self._is_box = isinstance(space, spaces.Box)
        self._num_entries = int(spaces.flatdim(space))
        self.size = max(self._num_entries, 1)
        self._offset = None if offset is None else _offsets(offset, self._num_entries)

    @property
    def space(self) -> Any:
        """The space of the environment's observations."""
        return self._space

    @property
    def offset(self) -> NDArray[Any] | None:
        """The numbers [O] that are subtracted from entries; None if none are."""
        return self._offset

    def __call__(self, observation: Any) -> NDArray[Any]:
        """Return the vector [O] of an observation, in float32; it may share memory with it.

        Raises:
            HandfulError: if it does not have the shape that the space declares.
        """
        return self._vector(observation, np.float32)

    def exactly(self, observation: Any) -> NDArray[Any]:
        """Return the vector [O] in float64, with digits that float32 may not have.

        Raises:
            HandfulError: if the observation does not have the shape that the space declares.
        """
        return self._vector(observation, np.float64)

    def originals(self, rows: NDArray[Any]) -> Any:
        """Return the observations of vectors [B, O], as arrays with a leading axis [B].

        Digits that float32 does not have are lost. Observations with parts are mappings or tuples
        of such arrays.
        """
        from gymnasium import spaces

        vectors = np.asarray(rows)[:, : self._num_entries]
        if self._offset is not None:
            vectors = vectors.astype(np.float64) + self._offset
        each = [spaces.unflatten(self._space, row) for row in vectors]
        return _together(self._space, each)

    def many(self, observation: Any) -> NDArray[Any]:
        """Return vectors [..., O] in float32, of one observation or of many.

        Args:
            observation: an observation of the space, a list of such, arrays of a box [..., *shape],
                or vectors [..., O] that are flattened already. If there is an offset, it was
                subtracted from vectors in float32 already, and not from others.

        Raises:
            HandfulError: if it does not fit the space.
        """
        from gymnasium import spaces

        if isinstance(observation, Mapping | tuple) and not self._is_box:
            return self(observation)
        has_parts = isinstance(self._space, spaces.Dict | spaces.Tuple)
        if has_parts and isinstance(observation, list) and observation:
            return np.stack([self.many(one) for one in observation])
        given = np.asarray(observation)
        if self._num_entries == 0:
            return np.zeros((*given.shape[:-1], 1), np.float32)
        if given.dtype.kind not in "biuf":
            return self(observation)
        is_vector = given.ndim > 0 and given.shape[-1] == self.size
        if isinstance(self._space, spaces.Discrete) and given.dtype.kind in "iu":
            rows = [self(one) for one in given.reshape(-1)]
            return np.reshape(rows, (*given.shape, self.size))
        shape = self._space.shape
        if self._is_box and shape and given.shape[given.ndim - len(shape) :] == shape:
            if len(shape) > 1 or not is_vector:
                given = given.reshape(*given.shape[: given.ndim - len(shape)], self.size)
        elif not is_vector:
            return self(observation)
        if self._offset is not None and given.dtype != np.float32:
            given = given.astype(np.float64) - self._offset
        return given.astype(np.float32)

    def _vector(self, observation: Any, dtype: Any) -> NDArray[Any]:
        try:
            if self._num_entries == 0:
                vector = np.zeros(1)
            elif self._is_box:
                vector = np.asarray(observation).reshape(-1)
            else:
                vector = self._flatten(self._space, observation)
            if self._offset is not None:
                vector = np.asarray(vector, dtype=np.float64) - self._offset
            with np.errstate(over="ignore"):  # numbers too large for float32 become infinite
                vector = np.asarray(vector, dtype=dtype)
        except (TypeError, ValueError, KeyError, IndexError, AssertionError) as error:
            raise HandfulError(
                f"The environment returned an observation that does not fit its observation space "
                f"{self._space} ({type(error).__name__}: {' '.join(str(error).split())})."
            ) from None
        if vector.shape != (self.size,):
            raise HandfulError(
                f"The environment returned an observation of shape {list(np.shape(observation))}, "
                f"but its observation space is {self._space}."
            )
        return vector


def _offsets(offset: Any, num_entries: int) -> NDArray[Any]:
    """Return the numbers [O] that are subtracted from the entries."""
    wrong = HandfulError(
        f'observation_offset must give finite numbers by entry, as in {{"0": 1.7e9}} with entries '
        f"from 0 to {num_entries - 1}, or a list of {num_entries} numbers, not {offset!r}."
    )
    offsets = np.zeros(num_entries)
    try:
        if isinstance(offset, Mapping):
            for entry, number in offset.items():
                if not 0 <= int(entry) < num_entries:
                    raise wrong
                offsets[int(entry)] = float(number)
        else:
            offsets[...] = np.asarray(offset, dtype=np.float64)
            if np.shape(offset) != (num_entries,):
                raise wrong
    except (TypeError, ValueError):
        raise wrong from None
    if not np.isfinite(offsets).all():
        raise wrong
    return offsets


def _together(space: Any, each: list[Any]) -> Any:
    """Return observations of a space as one, whose arrays have a leading axis."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return {n: _together(part, [one[n] for one in each]) for n, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        parts = enumerate(space.spaces)
        return tuple(_together(part, [one[place] for one in each]) for place, part in parts)
    return np.stack([np.asarray(one) for one in each])
