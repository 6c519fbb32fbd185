"""Cells of the CSV files that a run writes: quoted, and harmless in a spreadsheet.

A spreadsheet takes a text that begins with ``=``, ``+``, ``-`` or ``@`` for a formula and computes
it, so that a user's name could run a command on the machine of whoever opens ``assignment.csv``.
Such a text is written with an apostrophe before it, and the reader of tables takes the apostrophe
off again. A text that has apostrophes before such a sign already gets one more, so that every text
is read back as it was. Numbers stay as they are.
"""

import re
from collections.abc import Sequence
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
"""How a text begins that has to be protected; the last four are taken for the first four."""

_PROTECTED = re.compile(r"'+[=+\-@\t\r＝＋－＠]")

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_NEEDS_QUOTES = re.compile(r"""[",;\t\r\n]""")
"""Other delimiters than the comma too: some spreadsheets part columns at semicolons."""


def is_number(text: str) -> bool:
    """Whether a text is a number with a decimal point: ``1``, ``-1.5``, ``.5`` or ``1e-3``.

    Python takes more for numbers, such as ``1_5``, ``nan`` and the digits of other scripts. All of
    these are text here.
    """
    return _NUMBER.fullmatch(text) is not None


def protect(text: str) -> str:
    """The text as it is written into a CSV file, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not is_number(text) else text


def unprotect(cell: str) -> str:
    """The text that :func:`protect` was given; any other cell as it is."""
    return cell[1:] if _PROTECTED.match(cell) and not is_number(cell[1:]) else cell


def csv_line(row: Sequence[Any]) -> str:
    """A row as one line of a CSV file, with commas between its cells and a line break at its end.

    Text is protected and, where it has to be, put in quotation marks. None is an empty cell.
    """
    return ",".join([_cell(value) for value in row]) + "\n"


def _cell(value: Any) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = protect(value)
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
