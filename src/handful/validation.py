"""Checks of what callers give, with messages that say how to mend it."""

import dataclasses
import difflib
import numbers
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Any, get_args

from handful.errors import HandfulError

_KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
}


def check_numbers(settings: Any) -> None:
    """Look at a frozen dataclass's fields of type bool, int and float, and make them just that.

    Python would take text or fractions there and fail much later; NumPy's numbers cannot go into
    JSON. Fields that may be None as well are looked at where they are not.

    Raises:
        HandfulError: naming the first field that holds something else.
    """
    for field in dataclasses.fields(settings):
        kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        kind = next((kind for kind in kinds if kind in _KINDS), None)
        value = getattr(settings, field.name)
        if kind is None or (value is None and NoneType in kinds):
            continue
        accepted, name = _KINDS[kind]
        is_wrong_bool = isinstance(value, bool) and kind is not bool
        if is_wrong_bool or not isinstance(value, accepted):
            raise HandfulError(f"{field.name} must be {name}, not {value!r}.")
        object.__setattr__(settings, field.name, kind(value))


def check_shares(settings: Any, *names: str) -> None:
    """Look at fields that are a part of something: from none of it to all.

    Raises:
        HandfulError: naming the first that is not (NaN is none either).
    """
    for name in names:
        value = getattr(settings, name)
        if not 0.0 <= value <= 1.0:
            raise HandfulError(f"{name} is a share, from 0 to 1, not {value}.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` where something known is close to an unknown name, else ``''``."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
