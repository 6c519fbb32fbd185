"""Text of other people, made safe for a terminal, a shell and a CSV file.

A terminal obeys control characters: they move its cursor, change its title, or hide the text before
them. A shell runs text that is not quoted.

The cells of the CSV files that a run writes are quoted, and harmless in a spreadsheet.

A spreadsheet takes a text that begins with ``=``, ``+``, ``-`` or ``@`` for a formula and computes
it, so that a user's name could run a command on the machine on which somebody opens
``assignment.csv``. Such a text is written with an apostrophe before it, which the reader of tables
removes. A text that already has apostrophes before such a sign gets one more, so that every text is
read back unchanged. Numbers stay as they are.
"""

import re
import shlex
from collections.abc import Sequence
from typing import Any

_CONTROLS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # all control characters but the tab and the new line
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn the direction of the text after them
    "\u2028\u2029"  # other characters that end a line
    "\ud800-\udfff"  # halves of letters, which file names outside UTF-8 contain
)
_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_OR_LINE = re.compile(f"[{_CONTROLS}\n\t]")


def has_controls(text: str) -> bool:
    """Return whether a text has a character that a terminal would obey."""
    return _CONTROL_OR_LINE.search(text) is not None


def first_control(text: str, one_line: bool = True) -> str | None:
    """Return the code of the first control character of a text; None if it has none.

    Args:
        text: the text to look at.
        one_line: whether the ends of lines and tabs count too.
    """
    found = (_CONTROL_OR_LINE if one_line else _CONTROL).search(text)
    return None if found is None else ascii(found[0])[1:-1]


def escaped(text: str, one_line: bool = True) -> str:
    """Return a text with the codes of its control characters in their place.

    Args:
        text: the text to show.
        one_line: whether the ends of lines and tabs are escaped too.
    """
    pattern = _CONTROL_OR_LINE if one_line else _CONTROL
    return pattern.sub(lambda found: ascii(found[0])[1:-1], text)


def shell_word(value: object) -> str:
    """Return any value as one word of a command line.

    Control characters are written by their codes, in quotation marks of bash and zsh that know
    them: otherwise some of them would reach the terminal before the shell when they are pasted.
    """
    text = str(value)
    if not has_controls(text):
        return shlex.quote(text)
    inside = "".join(
        escaped(letter) if has_controls(letter) else f"\\{letter}" if letter in "\\'" else letter
        for letter in text
    )
    return f"$'{inside}'"


def shell_line(*words: object) -> str:
    """Return a command line with these words, ready to be pasted."""
    return " ".join(map(shell_word, words))


_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
"""The beginning of a text that must be protected; spreadsheets read the last four as the first."""

_PROTECTED = re.compile(r"'+[=+\-@\t\r＝＋－＠]")

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_NEEDS_QUOTES = re.compile(r"""[",;\t\r\n]""")
"""The characters for which a cell needs quotes; some spreadsheets split columns at semicolons."""


def is_number(text: str) -> bool:
    """Return whether a text is a number with a decimal point: ``1``, ``-1.5``, ``.5`` or ``1e-3``.

    Python takes more for numbers, such as ``1_5``, ``nan`` and the digits of other scripts. All of
    these are text here.
    """
    return _NUMBER.fullmatch(text) is not None


def protect(text: str) -> str:
    """Return the text for a CSV file, changed if a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not is_number(text) else text


def unprotect(cell: str) -> str:
    """Return the text that :func:`protect` got; any other cell is returned unchanged."""
    return cell[1:] if _PROTECTED.match(cell) and not is_number(cell[1:]) else cell


def csv_line(row: Sequence[Any]) -> str:
    """Return a row as a line of a CSV file, with commas between cells and a line break at its end.

    Text is protected and, if it has to be, put in quotation marks. None is an empty cell.
    """
    return ",".join([_cell(value) for value in row]) + "\n"


def _cell(value: Any) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = protect(value)
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
