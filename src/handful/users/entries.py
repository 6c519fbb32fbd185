"""Entries of DataFrames and Parquet files in the form that a CSV file would have.

A table means the same in every form. So every entry becomes text, a number, true or false, or None
if it is missing. A date or a duration becomes text, as in a CSV file, and not a number of
nanoseconds. An entry that has no such form is refused.
"""

import enum
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Complex, Integral, Real
from typing import Any

import numpy as np

from handful._support.controls import first_control
from handful.errors import HandfulError
from handful.users.numbers import Values

_KEPT = {str, int, float, bool, type(None)}

_LARGEST_INT = 10**300
"""The largest whole number: no result needs more digits, and Python can write this one."""

_ZEROS_OF_A_SECOND = re.compile(r"(\.\d*?)0+$")


def column_entries(name: str, values: Any, source: str) -> Values:
    """Return a copy of a column: numbers [N], or a list of text, numbers, booleans and None.

    Args:
        name: the name of the column, for the error message.
        values: a list, an array or a column of a DataFrame.
        source: the words for the table in error messages.

    Raises:
        HandfulError: if it is not a column, or an entry is neither a number nor a name nor a label.
    """
    is_list = isinstance(values, Sequence) or hasattr(values, "__array__")
    if isinstance(values, str | bytes) or not is_list or getattr(values, "ndim", 1) != 1:
        shape = getattr(values, "shape", ())
        kind = f"an array of shape {list(shape)}" if shape else f"a {type(values).__name__}"
        raise HandfulError(
            f"{source} must have a list with one entry for each user as column '{name}', and not "
            f"{kind}."
        )
    entries = _numeric(values) if hasattr(values, "__array__") else None
    if entries is not None:
        return entries
    entries = _as_list(values)
    kinds = set(map(type, entries))
    if float in kinds and kinds <= {float, type(None)}:
        return np.array(entries, dtype=np.float64)
    if kinds <= _KEPT and int not in kinds:
        return entries
    plain = []
    for row, entry in enumerate(entries, start=1):
        try:
            plain.append(plain_entry(entry))
        except ValueError as error:
            raise HandfulError(
                f"{source} has {error} in column '{name}' of row {row}: every entry must be a "
                f"number, a name or a label."
            ) from None
    return plain


def _numeric(values: Any) -> np.ndarray | None:
    """Return a copy of an array of numbers, none of them missing; None for any other column."""
    if isinstance(values, np.ma.MaskedArray):
        return None
    array = np.array(values)
    if array.ndim != 1:
        return None
    if array.dtype.kind in "iu":
        return array
    # pandas gives integers with missing ones as floats, which do not have all their digits.
    if array.dtype.kind == "f" and not np.isnan(array).any():
        return array.astype(np.float64)
    return None


def _as_list(values: Any) -> list[Any]:
    """Return the entries as a list, made by the library that they come from."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":
        return list(values)  # as nanoseconds they would become numbers
    for method in ("to_list", "tolist"):  # polars and pandas have the first, NumPy has the second
        if hasattr(values, method):
            return list(getattr(values, method)())
    return list(values)


def plain_entry(value: Any) -> str | int | float | bool | None:
    """Return one entry in the types of JSON; None for a missing one.

    None, NA and NaT are missing; NaN stays NaN.

    Raises:
        ValueError: if the entry has no such form; the text says what it is, such as "a complex
            number".
    """
    if type(value) is int and not -_LARGEST_INT < value < _LARGEST_INT:
        raise ValueError("a number of too many digits")
    if type(value) in _KEPT:
        return value
    if isinstance(value, enum.Enum):
        return plain_entry(value.value)
    if repr(value) in ("<NA>", "NaT", "masked"):
        return None
    if isinstance(value, np.datetime64 | np.timedelta64):
        return _time_text(value)
    if getattr(value, "ndim", None) == 0 and hasattr(
        value, "item"
    ):  # an array of NumPy or JAX without axes
        inner = np.asarray(value).item()
        if type(inner) is not type(value):  # Python has no type for NumPy's longest numbers
            return plain_entry(inner)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Complex):
        raise ValueError("a complex number")
    if isinstance(value, bytes | bytearray | memoryview):
        return _decoded(bytes(value))
    return _other_text(value)


def _time_text(value: np.datetime64 | np.timedelta64) -> str | None:
    """Return ``2026-01-02`` for a date and ``2026-01-02 12:30:00`` for a moment.

    A duration is shown as NumPy shows it.
    """
    if np.isnat(value):
        return None
    text = str(value)
    if isinstance(value, np.timedelta64):
        return text
    return _ZEROS_OF_A_SECOND.sub(r"\1", text.replace("T", " ")).removesuffix(".")


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("bytes that are no text in UTF-8") from None


def _other_text(value: Any) -> str:
    """Return the text of an object, if it is one thing and its text says more than its address."""
    if hasattr(value, "__len__") or hasattr(value, "__iter__"):
        raise ValueError("several values at once")
    if type(value).__str__ is object.__str__:
        raise ValueError(f"an object of type {type(value).__name__}")
    return str(value)


def text_of(value: Any) -> str:
    """Return a name or label as text.

    A missing one becomes ``""``; a whole number has no decimal point.

    Args:
        value: an entry as :func:`column_entries` makes it.
    """
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        return str(int(value)) if float(value).is_integer() else str(value)
    return str(value).strip()


def check_texts(
    texts: Sequence[str], said: Callable[[int, str], str], breaks: bool = False
) -> None:
    """Check texts for control characters, which files change or screens obey.

    Args:
        texts: the names or labels.
        said: a function from a text's index and the text to the sentence about it, up to the
            character.
        breaks: whether line breaks and tabs are allowed.

    Raises:
        HandfulError: if there is such a character; the sentence names the first.
    """
    if first_control("".join(texts)) is None:
        return  # looking at each text takes long
    for row, text in enumerate(texts):
        # Where line breaks are allowed, those of Windows are too.
        character = first_control(text.replace("\r\n", "\n") if breaks else text, not breaks)
        if character is not None:
            raise HandfulError(
                f"{said(row, text)} the control character {character}, which other programs would "
                f"act upon: take it out."
            )


ID_COLUMNS = ("user", "id")
"""The names that the column of the users' names may have; a table may have one of them."""

LABEL_NAMES = ("group", "label", "outside", "floor")
"""The names of labels: a column with this name, or with this name and ``_`` first, is a label."""

_IN_RESULTS = re.compile(r"policy|return|share_\d+")
"""The columns of a run's ``assignment.csv`` besides the users' names and their attributes."""


def plain_name(name: str) -> str:
    """Return the name in lower case, with an underscore for all blanks, hyphens and underscores."""
    return "_".join(name.strip().casefold().replace("-", " ").replace("_", " ").split())


def is_label_name(name: str) -> bool:
    """Return whether a column of this name is a label, whatever its entries are."""
    plain = plain_name(name)
    return plain in LABEL_NAMES or plain.startswith(tuple(f"{label}_" for label in LABEL_NAMES))


def is_id_name(name: str) -> bool:
    """Return whether a column of this name names the users."""
    return plain_name(name) in ID_COLUMNS


def is_result_name(name: str) -> bool:
    """Return whether the ``assignment.csv`` of a run has a column of its own with this name."""
    return _IN_RESULTS.fullmatch(plain_name(name)) is not None
