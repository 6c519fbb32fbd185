"""Tables of returns that anybody may bring: policies × users or users × policies, as CSV.

The first line names the columns, and the first column names the rows if its entries are not all
numbers. A row is a policy and a column a user, unless the caller says that rows are users, or names
a column that belongs to users (their group, weight, or outside option).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handful._support.checks import brief, did_you_mean
from handful.errors import HandfulError
from handful.users.csv_text import decode, guess_delimiter


@dataclass(frozen=True, eq=False)
class ReturnsTable:
    """A table of returns with names.

    Attributes:
        returns: the return of each policy for each user, [M, N].
        policies: the policies' names.
        users: the users' names.
        columns: the columns that are about users and are no policies, as text [N] each.
    """

    returns: np.ndarray
    policies: tuple[str, ...]
    users: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]


def read_returns(
    path: str | Path, *, rows_are_users: bool = False, about_users: Sequence[str] = ()
) -> ReturnsTable:
    """Read a table of returns.

    Args:
        path: the CSV file.
        rows_are_users: whether a row is a user and a column a policy.
        about_users: the names of columns that are no policies; if there are any, rows are users.

    Returns:
        the table, with policies as rows.

    Raises:
        HandfulError: if the file is no such table; the sentence names the place.
    """
    path = Path(path)
    header, rows = _read(path)
    for name in about_users:
        if name not in header:
            raise HandfulError(
                f"'{path}' has no column {brief(name)}{did_you_mean(name, header)}: name a column "
                f"of a table in which a row is a user."
            )
    has_names = not all(_is_number(row[0]) for row in rows)
    first = int(has_names and header[0] not in about_users)
    names = tuple(row[0] for row in rows) if has_names else tuple(map(str, range(len(rows))))
    kept = [i for i in range(first, len(header)) if header[i] not in about_users]
    if not kept:
        raise HandfulError(f"'{path}' has no column of returns.")
    numbers = np.array(
        [[_number(path, header, row, i, n) for i in kept] for n, row in rows_of(rows)]
    )
    across = tuple(header[i] for i in kept)
    if rows_are_users or about_users:
        columns = {name: tuple(row[header.index(name)] for row in rows) for name in about_users}
        return ReturnsTable(numbers.T, across, names, columns)
    return ReturnsTable(numbers, names, across, {})


def read_costs(path: str | Path, policies: Sequence[str]) -> np.ndarray:
    """Read what each policy costs, from a table of two columns: the policy and its cost.

    Args:
        path: the CSV file.
        policies: the names of the policies.

    Returns:
        the costs, [M].

    Raises:
        HandfulError: if a policy's cost is missing or no number.
    """
    path = Path(path)
    header, rows = _read(path)
    if len(header) < 2:
        raise HandfulError(f"'{path}' needs two columns: the policy and its cost.")
    found = {row[0]: _number(path, header, row, 1, n) for n, row in rows_of(rows)}
    missing = [name for name in policies if name not in found]
    if missing:
        raise HandfulError(f"'{path}' has no cost for the policy '{missing[0]}'.")
    return np.array([found[name] for name in policies])


def read_errors(
    path: str | Path, table: ReturnsTable, *, rows_are_users: bool = False
) -> np.ndarray:
    """Read the standard errors of a table of returns, in the order of its policies and users.

    Args:
        path: the CSV file, laid out as the table of returns is. Columns about users may be left
            out.
        table: the table of returns.
        rows_are_users: whether a row is a user and a column a policy.

    Returns:
        the standard errors, [M, N].

    Raises:
        HandfulError: if the file is no such table, or a policy or user is missing.
    """
    header, _ = _read(Path(path))
    about_users = [name for name in table.columns if name in header]
    found = read_returns(path, rows_are_users=rows_are_users, about_users=about_users)
    places = []
    for kind, names, ours in (
        ("policy", found.policies, table.policies),
        ("user", found.users, table.users),
    ):
        missing = [name for name in ours if name not in names]
        if missing:
            raise HandfulError(f"'{path}' has no standard errors for the {kind} '{missing[0]}'.")
        places.append([names.index(name) for name in ours])
    return found.returns[np.ix_(*places)]


def numbers_of(table: ReturnsTable, name: str) -> np.ndarray:
    """Give a column about users as numbers, [N].

    Raises:
        HandfulError: if an entry is no number.
    """
    for user, text in zip(table.users, table.columns[name], strict=True):
        if not _is_number(text):
            raise HandfulError(f"Column '{name}' of user '{user}' is no number: {brief(text)}.")
    return np.array([float(text) for text in table.columns[name]])


def rows_of(rows: list[list[str]]) -> list[tuple[int, list[str]]]:
    """Number rows as lines of the file, below the line of names."""
    return list(enumerate(rows, start=2))


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    text = decode(path.read_bytes(), f"'{path}'")
    lines = csv.reader(io.StringIO(text), delimiter=guess_delimiter(text))
    rows = [[cell.strip() for cell in row] for row in lines if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise HandfulError(f"'{path}' needs a line of names and a line for each policy or user.")
    header, rows = rows[0], rows[1:]
    for number, row in rows_of(rows):
        if len(row) != len(header):
            raise HandfulError(
                f"'{path}' has {len(row)} entries in line {number}, and its first line names "
                f"{len(header)} columns."
            )
    twice = next((name for i, name in enumerate(header) if name in header[:i]), None)
    if twice is not None:
        raise HandfulError(f"'{path}' names the column {brief(twice)} twice.")
    return header, rows


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _number(path: Path, header: list[str], row: list[str], column: int, line: int) -> float:
    if not _is_number(row[column]):
        raise HandfulError(
            f"'{path}' has {brief(row[column])} in column '{header[column]}' of line {line}, where "
            f"a return must be a number; columns about users are named with --group, --weight, "
            f"--outside or --ignore."
        )
    return float(row[column])
