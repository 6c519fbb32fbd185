"""Users' names and other facts about them, as a caller gives them in Python.

Tables hold what people write, and arrays hold what programs make: whole numbers of NumPy as names,
NaN for a missing value, dates. A run writes all of that into JSON and CSV and reads it back.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handful.errors import HandfulError
from handful.types import NumpyArray
from handful.users.entries import (
    check_texts,
    column_entries,
    is_id_name,
    is_result_name,
    plain_entry,
    plain_name,
    text_of,
)

_INT64 = range(-(2**63), 2**63)


def user_names(user_ids: Any) -> tuple[str, ...]:
    """Return users' names as text.

    The names are distinct, without blanks around them and without control characters.

    Args:
        user_ids: the names [N]: text, whole numbers, dates and the like, in a list, an array or a
            column of a DataFrame.

    Raises:
        HandfulError: if a name is missing, cannot become text or occurs twice.
    """
    if isinstance(user_ids, str | bytes | Mapping) or not hasattr(user_ids, "__iter__"):
        raise HandfulError(f"User ids must be a list with a name for each user, not {user_ids!r}.")
    names = tuple(user_ids)
    if set(map(type, names)) != {str}:
        names = tuple(_name(row, user) for row, user in enumerate(names))
    names = tuple([name.strip() for name in names])
    if not all(names):
        raise _no_name(names.index(""))
    if len(set(names)) != len(names):
        seen: set[str] = set()
        repeated = next(name for name in names if name in seen or seen.add(name))
        raise HandfulError(f"User ids must be distinct, but '{repeated}' occurs twice.")
    check_texts(names, lambda _, name: f"The user id {name!r} holds")
    return names


def _name(row: int, user: Any) -> str:
    try:
        name = text_of(plain_entry(user))
    except ValueError as error:
        raise HandfulError(
            f"User ids must be names, and the one at index {row} (counted from 0) is {error}."
        ) from None
    if not name:
        raise _no_name(row)
    return name


def _no_name(row: int) -> HandfulError:
    return HandfulError(
        f"User ids must be names, and there is none at index {row} (counted from 0): give every "
        f"user one, or leave the user ids out."
    )


def user_attributes(attributes: Mapping[str, Any], num_users: int) -> dict[str, NumpyArray]:
    """Return facts about the users in a form that JSON and CSV can hold: arrays [N] by name.

    Finite numbers and booleans stay. Everything else becomes text: a date becomes ``2026-01-02``,
    and a missing value becomes ``""``.

    Args:
        attributes: the values [N] of each attribute, by name.
        num_users: the number of users ``N``.

    Raises:
        HandfulError: if there is not one value for each user, a value cannot become text, or
            results have a column of their own with that name.
    """
    known = {}
    first: dict[str, str] = {}
    for name, values in attributes.items():
        same = first.setdefault(plain_name(str(name)), str(name))
        if not same.strip() or same != str(name):
            raise HandfulError(
                f"The attributes {same!r} and {str(name)!r} have the same name or none: give each "
                f"a name of its own."
            )
        try:
            shape = np.shape(values)
        except ValueError:  # the entries are lists of different lengths
            shape = (num_users, 0)
        if shape != (num_users,):
            raise HandfulError(
                f"The attribute '{name}' has shape {list(shape)}: give one value for each of the "
                f"{num_users} users."
            )
        if is_id_name(str(name)) or is_result_name(str(name)):
            raise HandfulError(
                f"The attribute '{name}' is called as a column that the assignment.csv of every "
                f"run has: rename it, to 'group_{name}' for example."
            )
        check_texts([str(name)], lambda _, text: f"The name of the attribute {text!r} holds")
        known[str(name)] = _attribute(str(name), values)
    return known


def _attribute(name: str, values: Any) -> NumpyArray:
    entries = column_entries(name, values, "The population")
    kinds = set(map(type, entries)) if isinstance(entries, list) else set()
    if kinds == {bool}:
        return np.array(entries)
    if isinstance(entries, list) and (
        kinds == {float} or (kinds == {int} and all(entry in _INT64 for entry in entries))
    ):
        entries = np.array(entries)
    if isinstance(entries, np.ndarray) and np.isfinite(entries).all():
        return entries
    texts = [text_of(entry) for entry in entries]
    check_texts(texts, lambda _, text: f"The attribute '{name}' has {text!r}, with", breaks=True)
    return np.array(texts, dtype=object)
