"""Checks of what callers give, with messages that say how to mend it."""

import dataclasses
import difflib
import json
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence, Sized
from os import PathLike
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from handful.errors import HandfulError

_KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
}


def check_numbers(settings: Any) -> None:
    """Look at a frozen dataclass's fields of type bool, int and float, and make them just that.

    Python would take text or fractions there and fail much later; NumPy's numbers cannot go into
    JSON, nor can infinity and NaN, which nothing can be learnt with. Fields that may be None as
    well are looked at where they are not.

    Raises:
        HandfulError: naming the first field that holds something else.
    """
    for field in dataclasses.fields(settings):
        kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        kind = next((kind for kind in kinds if kind in _KINDS), None)
        value = getattr(settings, field.name)
        if kind is None or (value is None and NoneType in kinds):
            continue
        if not _fits(value, kind):
            raise HandfulError(f"{field.name} must be {_said(kind)}, not {value!r}.")
        number = kind(value)
        if kind is float and not math.isfinite(number):
            raise HandfulError(f"{field.name} must be finite, not {number}.")
        object.__setattr__(settings, field.name, number)


def check_kind(name: str, value: Any, annotation: Any) -> None:
    """Look at an argument, as far as the type that it is declared with says plainly what it takes.

    Numbers, text, lists of them and mappings are told apart; of lists that come as an array, and of
    all that is declared otherwise, whoever takes them knows more.

    Raises:
        HandfulError: naming the argument, if it is something else.
    """
    options = [kind for kind in _options(annotation) if kind is not NoneType]
    if len(options) != 1 or (value is None and len(_options(annotation)) > 1):
        return
    if not _fits(value, options[0]):
        raise HandfulError(f"{name} must be {_said(options[0])}, not {value!r}.")


def _options(annotation: Any) -> tuple[Any, ...]:
    """``int | None`` to both."""
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
    """Anything that has entries in an order, arrays and the columns of tables too."""
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


def check_shares(settings: Any, *names: str) -> None:
    """Look at fields that are a part of something: from none of it to all.

    Raises:
        HandfulError: naming the first that is not (NaN is none either).
    """
    for name in names:
        value = getattr(settings, name)
        if not 0.0 <= value <= 1.0:
            raise HandfulError(f"{name} is a share, from 0 to 1, not {value}.")


def check_seed(seed: int) -> None:
    """Look at a seed of a run or an evaluation: JAX's keys would take part of any other number.

    Raises:
        HandfulError: if it does not fit into 32 bits, or is negative.
    """
    if not 0 <= seed < 2**32:
        raise HandfulError(f"The seed must be between 0 and 2^32 - 1, not {seed}.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` where something known is close to an unknown name, else ``''``."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
