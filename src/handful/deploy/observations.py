"""Observations as a simulator gives them, turned into the vectors that policies see.

A space is described by nested mappings, in the form that ``interface.json`` holds. Its parts are
flattened in the order in which they are listed there: arrays row by row, choices as one-hot
vectors. An observation may be a batch: every array then has the same further axes in front, and a
list is a batch of observations.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ENTRIES = 2**24
"""The most entries of a flattened observation."""

MOST_AXES = 32
"""The most axes of an array, batches not counted."""

DEEPEST = 16
"""The most levels of spaces within each other."""


class SpaceError(Exception):
    """What is wrong with the description of a space, or with an observation of it."""


class Reader:
    """A function that turns observations into vectors.

    Args:
        space: the description of the space.
        offset: the numbers that are subtracted from the entries in double precision, [O]; None
            subtracts nothing.

    Attributes:
        size: the number ``O`` of entries of a vector, at least 1.

    Raises:
        SpaceError: if the description is none, or the offset does not fit it.
    """

    def __init__(self, space: Any, offset: NDArray[Any] | None = None) -> None:
        self._space = _checked(space)
        entries = _size(self._space)
        self.size, self._is_empty = max(entries, 1), entries == 0
        if entries > MOST_ENTRIES:
            raise SpaceError(f"an observation has more than {MOST_ENTRIES} entries")
        if offset is not None and offset.shape != (self.size,):
            raise SpaceError(f"the offset needs {self.size} numbers")
        self._offset = offset
        is_vector = self._space["kind"] == "box" and len(self._space["shape"]) == 1
        self._row_shape = (entries,) if is_vector and entries and offset is None else None

    def __call__(self, observation: Any) -> NDArray[Any]:
        """Return the vectors float32 [..., O] of one observation or of many.

        Raises:
            SpaceError: if it does not fit the space.
        """
        if (
            type(observation) is np.ndarray
            and observation.shape[-1:] == self._row_shape
            and observation.dtype == np.float32
        ):
            return observation  # the usual case, and fast
        if isinstance(observation, list) and self._space["kind"] in ("dict", "tuple"):
            if not observation:
                raise SpaceError("a batch needs at least one observation")
            return np.stack([self(one) for one in observation])
        parts: list[NDArray[Any]] = []
        _flatten(self._space, observation, parts, "the observation")
        batch = parts[0].shape[:-1]
        if any(part.shape[:-1] != batch for part in parts):
            raise SpaceError("its parts have batches of different sizes")
        if self._is_empty:
            return np.zeros((*batch, 1), np.float32)
        vectors = np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        if self._offset is not None:
            vectors = vectors.astype(np.float64) - self._offset
        with np.errstate(over="ignore"):  # numbers too large for float32 become infinite
            return vectors.astype(np.float32)

    def names(self) -> list[str]:
        """Return the name of each entry of a vector, such as ``position[0]``."""
        found: list[str] = []
        _name(self._space, "", found)
        return found or ["nothing"]


def _checked(space: Any, depth: int = 0) -> dict[str, Any]:
    """Return the description of a space if it is one."""
    if not isinstance(space, dict) or depth > DEEPEST:
        raise SpaceError("a space is described by a mapping, at most 16 levels deep")
    kind = space.get("kind")
    if kind in ("box", "multi-binary", "multi-discrete"):
        _check_sizes(space.get("shape"), 0)
        if len(space["shape"]) > MOST_AXES:
            raise SpaceError(f"an array has more than {MOST_AXES} axes")
    if kind in ("box", "multi-binary"):
        if math.prod(space["shape"]) > MOST_ENTRIES:
            raise SpaceError(f"an array has more than {MOST_ENTRIES} entries")
    elif kind == "discrete":
        _check_sizes([space.get("n")], 1)
        _check_starts([space.get("start")])
    elif kind == "multi-discrete":
        _check_sizes(space.get("sizes"), 1)
        _check_starts(space.get("starts"))
        lengths = {len(space["sizes"]), len(space["starts"]), math.prod(space["shape"])}
        if len(lengths) != 1:
            raise SpaceError("the parts of a choice do not fit each other")
    elif kind in ("dict", "tuple"):
        parts = space.get("parts")
        if not isinstance(parts, list):
            raise SpaceError("a space of parts needs a list of them")
        names = [part.get("name") if isinstance(part, dict) else None for part in parts]
        if kind == "dict" and not all(isinstance(n, str) for n in names):
            raise SpaceError("each part of a mapping needs a name")
        if kind == "dict" and len(set(names)) != len(names):
            raise SpaceError("two parts of a mapping have the same name")
        for part in parts:
            _checked(part.get("space") if kind == "dict" else part, depth + 1)
    else:
        raise SpaceError("a space is of a kind that this version does not know")
    return space


def _check_sizes(values: Any, least: int) -> None:
    is_list = isinstance(values, list) and len(values) <= 2**16
    if not is_list or not all(type(v) is int and least <= v <= MOST_ENTRIES for v in values):
        raise SpaceError("the sizes of a space are whole numbers")


def _check_starts(values: Any) -> None:
    if not isinstance(values, list) or not all(type(v) is int and abs(v) < 2**62 for v in values):
        raise SpaceError("the lowest values of a choice are whole numbers")


def _parts(space: Mapping[str, Any]) -> list[tuple[Any, Mapping[str, Any]]]:
    """Return the parts of a mapping or a tuple, by name or by position."""
    if space["kind"] == "dict":
        return [(part["name"], part["space"]) for part in space["parts"]]
    return list(enumerate(space["parts"]))


def _size(space: Mapping[str, Any]) -> int:
    kind = space["kind"]
    if kind in ("box", "multi-binary"):
        return math.prod(space["shape"])
    if kind == "discrete":
        return space["n"]
    if kind == "multi-discrete":
        return sum(space["sizes"])
    return sum(_size(part) for _, part in _parts(space))


def _flatten(space: Mapping[str, Any], value: Any, into: list[NDArray[Any]], place: str) -> None:
    """Add the vectors [..., entries] of each part of an observation."""
    kind = space["kind"]
    if kind in ("dict", "tuple"):
        parts = _parts(space)
        if kind == "dict" and not isinstance(value, Mapping):
            raise SpaceError(f"{place} must be a mapping")
        if kind == "tuple" and (not isinstance(value, tuple) or len(value) != len(parts)):
            raise SpaceError(f"{place} must be a tuple of {len(parts)} parts")
        for name, part in parts:
            if kind == "dict" and name not in value:
                raise SpaceError(f"{place} lacks the part {name!r}")
            _flatten(part, value[name], into, f"{place}[{name!r}]")
        return
    try:
        given = np.asarray(value)
    except ValueError:
        given = np.empty(0, object)
    if given.dtype.kind not in "biuf":
        raise SpaceError(f"{place} must be numbers")
    shape = () if kind == "discrete" else tuple(space["shape"])
    batch = given.shape[: given.ndim - len(shape)]
    if given.ndim < len(shape) or given.shape[len(batch) :] != shape:
        raise SpaceError(f"{place} must have the shape {list(shape)}, not {list(given.shape)}")
    if kind == "discrete":
        into.append(_one_hot(given[..., None], [space["n"]], [space["start"]], place))
    elif kind == "multi-discrete":
        flat = given.reshape(*batch, len(space["sizes"]))
        into.append(_one_hot(flat, space["sizes"], space["starts"], place))
    else:
        into.append(given.reshape(*batch, math.prod(shape)))


def _one_hot(
    choices: NDArray[Any], sizes: list[int], starts: list[int], place: str
) -> NDArray[Any]:
    """Return one-hot vectors, one after the other, of choices [..., P]."""
    with np.errstate(invalid="ignore"):
        indices = choices.astype(np.int64) - np.asarray(starts)
    is_whole = indices + np.asarray(starts) == choices
    if not (is_whole & (indices >= 0) & (indices < np.asarray(sizes))).all():
        raise SpaceError(f"{place} is none of its choices")
    columns = indices + np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    flat = np.zeros((math.prod(choices.shape[:-1]), sum(sizes)), np.float32)
    np.put_along_axis(flat, columns.reshape(len(flat), -1), 1.0, axis=1)
    return flat.reshape(*choices.shape[:-1], sum(sizes))


def _name(space: Mapping[str, Any], before: str, into: list[str]) -> None:
    kind = space["kind"]
    if kind in ("dict", "tuple"):
        for name, part in _parts(space):
            _name(part, f"{before}.{name}" if before else str(name), into)
    elif kind in ("box", "multi-binary"):
        places = [",".join(map(str, index)) for index in np.ndindex(*space["shape"])]
        into += [f"{before}[{place}]" if place else before or "value" for place in places]
    else:
        sizes = [space["n"]] if kind == "discrete" else space["sizes"]
        starts = [space["start"]] if kind == "discrete" else space["starts"]
        for part, (size, start) in enumerate(zip(sizes, starts, strict=True)):
            own = before if kind == "discrete" else f"{before}[{part}]"
            into += [f"{own}={start + choice}" for choice in range(size)]
