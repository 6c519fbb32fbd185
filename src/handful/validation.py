"""Checks of what callers give, with messages that say how to mend it."""

import dataclasses
import difflib
import numbers
from collections.abc import Iterable
from typing import Any

from handful.errors import HandfulError

_KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
}


def check_numbers(settings: Any) -> None:
    """Look at a frozen dataclass's fields of type bool, int and float, and make them just that.

    Python would take text or fractions there and fail much later; NumPy's numbers cannot go into
    JSON.

    Raises:
        HandfulError: naming the first field that holds something else.
    """
    for field in dataclasses.fields(settings):
        if field.type not in _KINDS:
            continue
        accepted, name = _KINDS[field.type]  # type: ignore[index]
        value = getattr(settings, field.name)
        is_wrong_bool = isinstance(value, bool) and field.type is not bool
        if is_wrong_bool or not isinstance(value, accepted):
            raise HandfulError(f"{field.name} must be {name}, not {value!r}.")
        object.__setattr__(settings, field.name, field.type(value))  # type: ignore[operator]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` where something known is close to an unknown name, else ``''``."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
