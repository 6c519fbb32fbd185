"""The entries of a table that are numbers, and their values.

A number is written as in most programs: ``1``, ``-1.5``, ``.5``, ``1e-3``. If semicolons separate
the columns of a file, a comma may precede the decimals instead. Everything else is text, even if
Python takes it for a number: ``1_5``, ``Infinity``, ``nan``, full-width digits.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from handful._support.controls import is_number
from handful.types import NumpyArray

Values = Sequence[Any] | NumpyArray
"""The type of a column: N entries of any kind."""

_OTHER_CHARACTERS = re.compile(r"[^0-9+\-.eE\n]")
"""The characters that no number contains, in a text with one entry in each line."""

_NO_NUMBER = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
"""The words of programs for values that are not numbers, or not finite."""

_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:([.,'’\s])[0-9]{3})(?:\1[0-9]{3})*(?:[.,][0-9]*)?")
"""Digits in groups of three, with or without decimals."""


def numbers_of(values: Values, decimal_comma: bool = False) -> NumpyArray:
    """Return the numbers in a column: float64 [N], with NaN for an entry that is not a number.

    A number that float64 cannot hold becomes infinity.

    Args:
        values: the entries of the column, each a text or a number.
        decimal_comma: whether ``1,5`` is one and a half.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return values.astype(np.float64)
    if set(map(type, values)) == {str}:
        numbers = _all_at_once(values, decimal_comma)
        if numbers is not None:
            return numbers
    return np.array([_number(value, decimal_comma) for value in values], dtype=np.float64)


def _all_at_once(texts: Values, decimal_comma: bool) -> NumpyArray | None:
    """Return the numbers if every text is one; None if the texts need a closer look.

    This is the fast way.
    """
    joined = "\n".join(texts)
    if decimal_comma:
        joined = joined.replace(",", ".")
    if _OTHER_CHARACTERS.search(joined) or joined.count("\n") != len(texts) - 1:
        return None
    try:
        return np.array(joined.split("\n"), dtype=np.float64)
    except ValueError:
        return None


def _number(value: Any, decimal_comma: bool) -> float:
    if isinstance(value, str):
        text = with_point(value.strip()) if decimal_comma else value.strip()
        return float(text) if is_number(text) else math.nan
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def are_numbers(values: Values, decimal_comma: bool = False) -> bool:
    """Return whether a column has numbers and all its other entries are missing.

    An entry ``nan`` or ``inf`` counts as missing beside numbers, and so do digits in groups of
    three in a file with decimal commas: such a column has an error in it, and must not be taken for
    a label.
    """
    numbers = numbers_of(values, decimal_comma)
    is_missing = np.isnan(numbers)
    if is_missing.all():
        return decimal_comma and _all_others(values, is_missing, decimal_comma, least=1)
    return not is_missing.any() or _all_others(values, is_missing, decimal_comma)


def _all_others(values: Values, others: NumpyArray, decimal_comma: bool, least: int = 0) -> bool:
    """Return whether each other entry is missing, says so in a word, or has grouped digits.

    At least ``least`` of them must have grouped digits.

    At least ``least`` of them must have grouped digits.
    """
    grouped = 0
    for row in np.flatnonzero(others).tolist():
        text = "" if _is_missing(values[row]) else str(values[row]).strip()
        if not text or _NO_NUMBER.fullmatch(text):
            continue
        if not (decimal_comma and _THOUSANDS.fullmatch(text)):
            return False
        grouped += 1
    return grouped >= least


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def with_point(text: str) -> str:
    """Return a number with a decimal comma as one with a decimal point; any other text as it is."""
    number = text.replace(",", ".", 1)
    return number if "," in text and is_number(number) else text


def advice(text: str, decimal_comma: bool) -> str:
    """Return how to write a wrong entry as a number: the end of a sentence, or ``""``.

    Args:
        text: the entry.
        decimal_comma: whether the file may have decimal commas.
    """
    if is_number(text):
        return ""
    if not decimal_comma and is_number(with_point(text)):
        return (
            "; write decimals behind a point and thousands without a separator, or part the "
            "columns with semicolons and write decimals behind a comma"
        )
    if _THOUSANDS.fullmatch(text):
        return "; write the thousands without a separator"
    if text.endswith("%"):
        return "; write a share of 1 instead of a percentage"
    return ""
