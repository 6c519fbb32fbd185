"""A table of users: its columns, and the words for its rows in error messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.errors import HandfulError
from handful.users.entries import check_texts, is_id_name, is_label_name
from handful.users.numbers import Values, are_numbers, with_point

MAX_USERS = 1_000_000
"""The most rows of a table: results have several entries for each user and policy."""


@dataclass(frozen=True, eq=False)
class UserTable:
    """The columns of a table by name, all of length ``N >= 1``.

    Attributes:
        columns: the entries by column, as they were read: text from a CSV file; text, numbers,
            booleans and None from a DataFrame.
        source: the words for the table in error messages.
        lines: the line [N] in which each row ends in its file, counted from 1; None if the file is
            not a text.
        decimal_comma: whether numbers may have a decimal comma, as in a CSV file with semicolons
            between its columns.
    """

    columns: Mapping[str, Values]
    source: str = "The table of users"
    lines: Sequence[int] | None = None
    decimal_comma: bool = False

    @property
    def num_users(self) -> int:
        """The number of users ``N``."""
        return len(next(iter(self.columns.values())))

    def where(self, row: int) -> str:
        """Return the place of a row in words, given its index from 0."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the columns in the types of JSON, which :func:`handful.users.read_table` reads.

        Numbers with a decimal comma get a decimal point; names and labels stay.
        """
        return {
            name: [_as_json(value) for value in self._with_points(name)] for name in self.columns
        }

    def _with_points(self, name: str) -> Values:
        values = self.columns[name]
        is_text = not self.decimal_comma or is_id_name(name) or is_label_name(name)
        if is_text or not are_numbers(values, decimal_comma=True):
            return values
        return [with_point(cell) for cell in values]


def _as_json(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)  # JSON has neither NaN nor infinity
    return value


def checked_table(
    columns: Mapping[str, Values],
    source: str,
    lines: Sequence[int] | None = None,
    decimal_comma: bool = False,
) -> UserTable:
    """Make a table from these columns after checking them.

    Raises:
        HandfulError: if there are no columns, their lengths differ, they have no rows or too many,
            or a name has a control character in it.
    """
    if not columns:
        raise HandfulError(
            f"{source} is empty: its first line must name the columns, and every user has a line "
            f"below."
        )
    check_texts(
        list(columns), lambda _, name: f"{source} has a column {name!r}, whose name holds", True
    )
    lengths = {name: len(column) for name, column in columns.items()}
    (first, length), *others = lengths.items()
    for name, other in others:
        if other != length:
            raise HandfulError(
                f"{source} has {length} rows in column '{first}' and {other} in '{name}': all "
                f"columns must have the same length."
            )
    if not length:
        raise HandfulError(
            f"{source} has no users: give each a line, below the names of the columns."
        )
    if length > MAX_USERS:
        raise too_many(source, f"row {MAX_USERS + 1}")
    return UserTable(columns, source, lines, decimal_comma)


def named_twice(source: str, name: str) -> HandfulError:
    """Return the error for two columns with the same name."""
    return HandfulError(f"{source} has two columns named '{name}': rename one of them.")


def too_many(source: str, where: str) -> HandfulError:
    """Return the error for more than `MAX_USERS` rows."""
    return HandfulError(
        f"{source} has more than {MAX_USERS:,} users (at {where}): train on a sample of them."
    )


def unnamed_index(source: str) -> HandfulError:
    """Return the error for an index of pandas that has no name and may be the users' names."""
    return HandfulError(
        f"{source} has an index without a name, which may name the users: give it one with "
        f"rename_axis('user'), or leave it out with reset_index(drop=True)."
    )
