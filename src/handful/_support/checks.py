"""Checks of callers' values, with messages that say how to mend them."""

import dataclasses
import difflib
import json
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence, Sized
from decimal import Decimal
from os import PathLike
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import numpy as np

from handful.errors import HandfulError

LARGEST = 2**53
"""The largest whole number that every program reads exactly from JSON."""

FLOAT32_MAX = 3.4e38
"""About the largest number in single precision, in which learning computes."""

DEEPEST = 32
"""The depth to which lists and mappings may be nested in settings."""

_LONGEST = 100
"""The most letters of a value in an error message."""

_MOST_COMPARED = 10_000
"""The most names among which a close one is searched."""

_KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
}


def check_numbers(settings: Any) -> None:
    """Check a frozen dataclass's fields of type bool, int and float, and convert them to these.

    Python would take text or fractions there and fail much later; NumPy's numbers cannot go into
    JSON, nor can infinity and NaN, which nothing can be learnt with. Fields that may be None as
    well are looked at where they are not.

    Raises:
        HandfulError: if a field holds another value; the sentence names the first.
    """
    for field in dataclasses.fields(settings):
        kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        kind = next((kind for kind in kinds if kind in _KINDS), None)
        value = getattr(settings, field.name)
        if kind is None or (value is None and NoneType in kinds):
            continue
        if not _fits(value, kind):
            raise HandfulError(f"{field.name} must be {_said(kind)}, not {brief(value)}.")
        _check_magnitude(field.name, value)
        number = kind(value)
        if kind is float and not math.isfinite(number):
            raise HandfulError(f"{field.name} must be finite, not {number}.")
        if kind is float and abs(number) > FLOAT32_MAX:
            raise HandfulError(f"{field.name} must be at most {FLOAT32_MAX:g}, not {number}.")
        object.__setattr__(settings, field.name, number)


def check_kind(name: str, value: Any, annotation: Any) -> None:
    """Check an argument, as far as its declared type says plainly what it takes.

    Numbers, text, lists of them and mappings are distinguished. Lists that come as an array, and
    all other declarations, are left to the code that uses the argument.

    Raises:
        HandfulError: if the argument is of another type; the sentence names it.
    """
    options = [kind for kind in _options(annotation) if kind is not NoneType]
    if len(options) != 1 or (value is None and len(_options(annotation)) > 1):
        return
    if not _fits(value, options[0]):
        raise HandfulError(f"{name} must be {_said(options[0])}, not {brief(value)}.")
    _check_magnitude(name, value)


def check_range(name: str, value: int, least: int, most: int) -> None:
    """Check that a whole number lies in a range.

    Raises:
        HandfulError: if it does not.
    """
    if not least <= value <= most:
        raise HandfulError(f"{name} must be from {least:,} to {most:,}, not {brief(value)}.")


def require(holds: bool, name: str, range_: str, value: Any) -> None:
    """Raise HandfulError unless a setting's value is in its range.

    Args:
        holds: whether the value is in the range, by a comparison that is false for NaN.
        name: the setting's name.
        range_: the values that are allowed, in words such as "at least 1".
        value: the value.
    """
    if not holds:
        raise HandfulError(f"{name} must be {range_}, not {value}.")


def check_plain(value: Any, what: str) -> None:
    """Check settings that come from text, before anything reads them recursively or opens files.

    Args:
        value: a value in the types that JSON or YAML give.
        what: the words for the value at the beginning of an error message.

    Raises:
        HandfulError: if lists and mappings are nested deeper than :data:`DEEPEST`, or there is a
            text with the character NUL, which no system accepts in a name.
    """
    level = [value]
    for _ in range(DEEPEST):
        if any(isinstance(one, str) and "\0" in one for one in level):
            raise HandfulError(f"{what} has a text with the character NUL (\\0): leave it out.")
        level = [entry for one in level for entry in _entries(one)]
        if not level:
            return
    raise HandfulError(f"{what} has lists or mappings nested more than {DEEPEST} deep.")


def _entries(value: Any) -> Iterable[Any]:
    """Return what is in a list or a mapping, keys too; nothing for anything else."""
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple) else ()


def brief(value: Any) -> str:
    """Return a value as Python shows it, shortened for an error message."""
    try:
        shown = repr(value)
    except ValueError:  # Python does not write a number with so many digits
        return "a number of thousands of digits"
    if len(shown) <= _LONGEST:
        return shown
    return f"{shown[: _LONGEST // 2]}... ({len(shown):,} letters)"


def _check_magnitude(name: str, value: Any) -> None:
    """Raise HandfulError for a whole number that no computer counts to, also one in a list."""
    if isinstance(value, list | tuple):
        for entry in value:
            _check_magnitude(name, entry)
    elif isinstance(value, int) and abs(value) > LARGEST:
        raise HandfulError(
            f"{name} must be between -{LARGEST:,} and {LARGEST:,}, not {brief(value)}."
        )


def _options(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type: both for ``int | None``."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _fits(value: Any, kind: Any) -> bool:
    origin, entries = get_origin(kind), get_args(kind)
    if kind in (bool, int, float):
        return isinstance(value, _KINDS[kind][0]) and isinstance(value, bool) == (kind is bool)
    if kind is str:
        return isinstance(value, str | PathLike)
    if origin in (Mapping, dict):
        return isinstance(value, Mapping)
    if origin in (Sequence, list):
        return _is_list(value)
    if origin is not tuple:
        return True
    if not _is_list(value):
        return False
    if entries[1:] == (Ellipsis,):
        return all(_fits(entry, entries[0]) for entry in value)
    return len(value) == len(entries) and all(map(_fits, value, entries))


def _is_list(value: Any) -> bool:
    """Return whether a value has entries in an order, as arrays and columns of tables have too."""
    if isinstance(value, str | bytes | Mapping) or getattr(value, "ndim", 1) == 0:
        return False
    return isinstance(value, Iterable) and isinstance(value, Sized)


def _said(kind: Any) -> str:
    if kind in (bool, int, float):
        return _KINDS[kind][1]
    if kind is str:
        return "text"
    what = "a mapping" if get_origin(kind) in (Mapping, dict) else "a list"
    return f"{what} like {json.dumps(_example(kind))}"


def _example(kind: Any) -> Any:
    origin, entries = get_origin(kind), get_args(kind)
    if origin in (Mapping, dict):
        return {"name": _example(entries[1])}
    if origin in (Sequence, list) or entries[1:] == (Ellipsis,):
        return [_example(entries[0])] * 2
    if origin is tuple:
        return [_example(entry) for entry in entries]
    return {bool: True, float: 0.5, str: "name"}.get(kind, 1)


def number_array(values: Any) -> np.ndarray:
    """Return an array of values that are numbers, without turning other values into numbers.

    NumPy takes text such as ``1_5`` for a number, a date for the time since 1970, and a complex
    number for its real part.

    Args:
        values: an array, or lists of lists.

    Returns:
        the array, with its own type of whole numbers, floats or booleans. None becomes NaN.

    Raises:
        TypeError: if an entry is not a number.
        ValueError: if the lists differ in length.
    """
    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind == "O":
        kinds = set(map(type, array.ravel()))
        if all(kind is NoneType or issubclass(kind, numbers.Real | Decimal) for kind in kinds):
            return array.astype(np.float64)
    # JAX has its own types for short floats, which NumPy takes for plain bytes.
    if array.dtype.kind == "V" and array.dtype.names is None and hasattr(values, "devices"):
        return array.astype(np.float32)
    raise TypeError("an entry is no number")


def check_shares(settings: Any, *names: str) -> None:
    """Check fields that are a share, from 0 to 1.

    Raises:
        HandfulError: if a field is not a share, or is NaN; the sentence names the first.
    """
    for name in names:
        value = getattr(settings, name)
        if not 0.0 <= value <= 1.0:
            raise HandfulError(f"{name} is a share, from 0 to 1, not {value}.")


def check_seed(seed: int) -> None:
    """Check a seed of a run or an evaluation: JAX's keys would use only a part of other numbers.

    Raises:
        HandfulError: if it does not fit into 32 bits, or is negative.
    """
    if not 0 <= seed < 2**32:
        raise HandfulError(f"The seed must be between 0 and 2^32 - 1, not {brief(seed)}.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` if a known name is close to an unknown one, else ``''``.

    With more than `_MOST_COMPARED` known names it does not search, since that would take minutes.
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1) if len(names) <= _MOST_COMPARED else []
    return f" (did you mean '{close[0]}'?)" if close else ""
