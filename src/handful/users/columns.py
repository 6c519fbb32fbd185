"""The columns of a table: which hold numbers, which one names the users, and which are labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful._support.checks import did_you_mean
from handful.errors import HandfulError
from handful.types import NumpyArray
from handful.users.entries import ID_COLUMNS, check_texts, is_label_name, is_result_name, text_of
from handful.users.entries import plain_name as _plain
from handful.users.files import read_table
from handful.users.numbers import advice, are_numbers, numbers_of
from handful.users.table import UserTable

_LARGEST = float(np.finfo(np.float32).max)  # the largest number that the learner can hold

_LONGEST_SHOWN = 80  # the most characters of an entry in an error message


@dataclass(frozen=True)
class Column:
    """A column of numbers that a table of users may have.

    Attributes:
        name: the name that the table must have for it; case does not matter, and blanks or hyphens
            may stand for underscores.
        meaning: what the numbers are, for the error message about a wrong one.
        low, high: the range of the numbers, both ends included.
        default: the number of every user if the table lacks the column; None if the column is
            required.
    """

    name: str
    meaning: str = "finite numbers"
    low: float = -_LARGEST
    high: float = _LARGEST
    default: float | None = None


@dataclass(frozen=True, eq=False)
class Users:
    """The users of a table that was checked.

    Attributes:
        numbers: the numbers of each column that was asked for, float64 [N], by the column's name.
        user_ids: the users' distinct names [N]; empty if the table has none.
        labels: the text [N] of all other columns, by the column's name.
        table: the table that the users come from.
    """

    numbers: Mapping[str, NumpyArray]
    user_ids: tuple[str, ...]
    labels: Mapping[str, NumpyArray]
    table: UserTable


def read_users(source: Any, columns: Sequence[Column] | None, labels: Sequence[str] = ()) -> Users:
    """Read the users of a table and check them.

    Some columns are neither asked for nor name the users. Such a column is a label if it is in
    ``labels``, if it is called ``group`` or ``label`` (or ``group_...``, ``label_...``), or if it
    has an entry that is not a number. (A missing entry does not make a column a label.) Any other
    column of numbers is an error, because its numbers would be ignored without notice.

    Args:
        source: a table, see :func:`read_table`.
        columns: the columns of numbers; None for all columns of numbers that the table has.
        labels: the names of labels that look like numbers.

    Returns:
        the users with their numbers, names and labels.

    Raises:
        HandfulError: if the table cannot be read or has a wrong entry; the sentence names the file,
            the row and the column.
    """
    table = read_table(source)
    found = _by_plain_name(table)
    id_column = _id_column(table, found)
    wanted = {_plain(name) for name in labels}
    apart = {_plain(id_column)} if id_column else set()
    is_label = {plain: plain in wanted or is_label_name(plain) for plain in found}
    if columns is None:
        columns = [
            Column(name)
            for plain, name in found.items()
            if plain not in apart
            and not is_label[plain]
            and are_numbers(table.columns[name], table.decimal_comma)
        ]
        if not columns:
            raise HandfulError(f"{table.source} has no column of numbers.")
    numbers = {column.name: _numbers(table, found, column) for column in columns}
    _check_decimals(table, [found[plain] for plain in map(_plain, numbers) if plain in found])
    apart |= {_plain(column.name) for column in columns}
    others = {plain: name for plain, name in found.items() if plain not in apart}
    for plain, name in others.items():
        if not is_label[plain] and are_numbers(table.columns[name], table.decimal_comma):
            raise _unknown(table, name, [column.name for column in columns])
    check_kept(table, others.values())
    return Users(
        numbers,
        () if id_column is None else _ids(table, id_column),
        {name: _labels(table, name) for name in others.values()},
        table,
    )


def check_kept(table: UserTable, names: Iterable[str]) -> None:
    """Check the names of columns that every result keeps.

    Raises:
        HandfulError: if results have a column of their own with that name.
    """
    for name in names:
        if is_result_name(name):
            raise HandfulError(
                f"{table.source} has a column '{name}', as the assignment.csv of every run has "
                f"one too: rename it, to 'group_{_plain(name)}' for example."
            )


def read_names(table: UserTable) -> tuple[str, ...]:
    """Return the users' names [N] from the column ``user`` or ``id``; empty if there is neither.

    Raises:
        HandfulError: if it has both, or a name is missing or occurs twice.
    """
    column = _id_column(table, _by_plain_name(table))
    return () if column is None else _ids(table, column)


def find_column(table: UserTable, name: str) -> str:
    """Return the name that the table itself has for a column.

    Raises:
        HandfulError: if it has no such column.
    """
    found = _by_plain_name(table)
    if _plain(name) not in found:
        raise _no_column(table, name)
    return found[_plain(name)]


def _no_column(table: UserTable, name: str) -> HandfulError:
    known = [_plain(column) for column in table.columns]
    return HandfulError(
        f"{table.source} has no column '{name}'{did_you_mean(_plain(name), known)}: its columns "
        f"are {', '.join(table.columns)}."
    )


def _by_plain_name(table: UserTable) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in table.columns:
        plain = _plain(name)
        if plain in found:
            raise HandfulError(
                f"{table.source} has the columns '{found[plain]}' and '{name}', which are the same "
                f"name: rename one of them."
            )
        found[plain] = name
    return found


def _id_column(table: UserTable, found: Mapping[str, str]) -> str | None:
    present = [found[name] for name in ID_COLUMNS if name in found]
    if len(present) > 1:
        raise HandfulError(
            f"{table.source} names its users in two columns, '{present[0]}' and '{present[1]}': "
            f"call one of them 'group_{present[1]}'."
        )
    return present[0] if present else None


def _numbers(table: UserTable, found: Mapping[str, str], column: Column) -> NumpyArray:
    name = found.get(_plain(column.name))
    if name is None:
        if column.default is not None:
            return np.full(table.num_users, column.default)
        raise _no_column(table, column.name)
    values = table.columns[name]
    numbers = numbers_of(values, table.decimal_comma)
    wrong = np.flatnonzero(~((numbers >= column.low) & (numbers <= column.high)))
    if len(wrong):
        row = int(wrong[0])
        entry = values[row]
        how = advice(entry.strip(), table.decimal_comma) if isinstance(entry, str) else ""
        raise HandfulError(
            f"{table.source} has {_shown(entry)} in column '{name}' of {table.where(row)}: "
            f"{_range(column)}{how}."
        )
    return numbers


def _shown(entry: Any) -> str:
    """Return an entry as a sentence names it."""
    if entry is None:
        return "nothing"
    shown = repr(entry.item() if isinstance(entry, np.generic) else entry)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}... (cut here)"


def _check_decimals(table: UserTable, columns: Iterable[str]) -> None:
    """Check how a table writes its numbers if its decimals may follow a comma.

    Beside ``0,5`` the number ``1.234`` may be a thousand or one, so the writer of the table has to
    say it.

    Raises:
        HandfulError: if some have a comma and some a point.
    """
    first: dict[str, str] = {}
    for name in columns if table.decimal_comma else ():
        for row, value in enumerate(table.columns[name]):
            for mark in ",.":
                if mark in value and mark not in first:
                    first[mark] = f"'{value}' in column '{name}' of {table.where(row)}"
    if len(first) == 2:
        raise HandfulError(
            f"{table.source} has {first[',']} and {first['.']}: write all decimals behind a comma "
            f"or all behind a point, and no separator of thousands."
        )


def _range(column: Column) -> str:
    if column.low > -_LARGEST and column.high < _LARGEST:
        return f"these must be {column.meaning}, from {column.low:g} to {column.high:g}"
    if column.low > -_LARGEST:
        return f"these must be {column.meaning}, finite and {column.low:g} or more"
    return f"these must be {column.meaning}"


def _ids(table: UserTable, column: str) -> tuple[str, ...]:
    first: dict[str, int] = {}
    for row, value in enumerate(table.columns[column]):
        name = text_of(value)
        if not name or name in first:
            wrong = f"{name!r} again, as in {table.where(first[name])}," if name else "nothing"
            raise HandfulError(
                f"{table.source} has {wrong} in column '{column}' of {table.where(row)}: every "
                f"user needs a name of their own."
            )
        first[name] = row
    names = tuple(first)
    _check_texts(table, column, names, breaks=False)
    return names


def _labels(table: UserTable, column: str) -> NumpyArray:
    texts = [text_of(value) for value in table.columns[column]]
    _check_texts(table, column, texts, breaks=True)
    return np.array(texts, dtype=object)


def _check_texts(table: UserTable, column: str, texts: Sequence[str], breaks: bool) -> None:
    def said(row: int, text: str) -> str:
        return f"{table.source} has {text!r} in column '{column}' of {table.where(row)}, with"

    check_texts(texts, said, breaks)


def _unknown(table: UserTable, name: str, known: Sequence[str]) -> HandfulError:
    return HandfulError(
        f"{table.source} has a column of numbers, '{name}', that nothing asks for"
        f"{did_you_mean(_plain(name), known)}: the columns of numbers are {', '.join(known)}; "
        f"rename it 'group_{_plain(name)}' to keep it as a label."
    )
