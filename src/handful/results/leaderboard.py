"""The public leaderboard: one Parquet schema, read and checked row by row."""

from collections.abc import Callable
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handful.catalogue import find_task
from handful.errors import HandfulError
from handful.results.frames import import_polars, read_parquet

if TYPE_CHECKING:
    import polars as pl


class Column(NamedTuple):
    """A column of the leaderboard.

    Attributes:
        name: in the file.
        dtype: as polars names it.
        is_required: whether every row must have it.
        meaning: in words.
    """

    name: str
    dtype: str
    is_required: bool
    meaning: str


COLUMNS = (
    Column("task", "String", True, "as `handful tasks` names it"),
    Column("policies", "Int64", True, "the budget k"),
    Column("users", "Int64", True, "n"),
    Column("method", "String", True, "its name, with its settings where there are several"),
    Column("author", "String", True, "whose method and code it is"),
    Column("seeds", "List", True, "a list of the training seeds, whole numbers"),
    Column("transitions", "Int64", True, "that training took, per policy"),
    Column("welfare", "Float64", True, "mean over seeds, likeliest actions, fresh episodes"),
    Column("welfare_stderr", "Float64", False, "of that mean over seeds; empty for one seed"),
    Column("percent", "Float64", False, "of the optimum or upper bound for each seed's own users"),
    Column("percent_stderr", "Float64", False, "of that mean over seeds; empty for one seed"),
    Column("optimum_kind", "String", False, "`exact` or `upper bound`: what the percent is of"),
    Column("command", "String", True, "one line of shell that trains and evaluates all seeds"),
    Column("version", "String", False, "of the software"),
    Column("commit", "String", False, "of its source"),
    Column("url", "String", False, "where its source or paper is"),
)

OURS = "handful"
"""The author of the rows that are made from this library's own results."""

MOST_LUCK = 0.5
"""Percentage points that measured welfare may lie above the optimum: episodes have chance in them.
"""

KEY = ("task", "policies", "users", "method", "author", "transitions")
"""What only one row may have."""

SORT = ("task", "policies", "users", "welfare", "method")


def leaderboard_schema() -> dict[str, Any]:
    """The polars types of all columns."""
    pl = import_polars()
    types = {column.name: getattr(pl, column.dtype) for column in COLUMNS}
    return {**types, "seeds": pl.List(pl.Int64)}


def read_leaderboard(path: Path) -> "pl.DataFrame":
    """A leaderboard, checked.

    Raises:
        HandfulError: with one sentence that names what is wrong, its row (from 1) and its column.
    """
    return check_leaderboard(read_parquet(path), f"'{path}'")


def read_added(path: Path) -> "pl.DataFrame":
    """Rows that somebody adds to a leaderboard, checked.

    Raises:
        HandfulError: as `read_leaderboard` says, and if a row is by the author of our own.
    """
    table = read_leaderboard(path)
    for number, author in enumerate(table["author"], 1):
        if author.strip() == OURS:
            raise HandfulError(
                f"'{path}', row {number}, column 'author': rows by '{OURS}' are made from the "
                f"studies' own tables, and this one would be gone with the next 'handful "
                f"leaderboard': name who measured it."
            )
    return table


def check_leaderboard(table: "pl.DataFrame", name: str) -> "pl.DataFrame":
    """The table with exactly the leaderboard's columns and types.

    Args:
        table: as it was read.
        name: of the table, for the sentence.

    Raises:
        HandfulError: as `read_leaderboard` says.
    """
    pl = import_polars()
    known = [column.name for column in COLUMNS]
    unknown = [column for column in table.columns if column not in known]
    if unknown:
        raise HandfulError(
            f"{name}: there is no column '{unknown[0]}' in a leaderboard; it has "
            f"{', '.join(known)}."
        )
    for column in COLUMNS:
        if column.name not in table.columns:
            if column.is_required:
                raise HandfulError(f"{name}: the column '{column.name}' is missing.")
            table = table.with_columns(pl.lit(None).alias(column.name))
        table = _typed(table, column, name)
    table = table.select(*known)
    rows = table.to_dicts()
    for number, row in enumerate(rows, 1):
        wrong = _fault(row)
        if wrong:
            raise HandfulError(f"{name}, row {number}, {wrong}.")
    seen: dict[tuple, int] = {}
    for number, row in enumerate(rows, 1):
        first = seen.setdefault(tuple(row[key] for key in KEY), number)
        if first != number:
            raise HandfulError(
                f"{name}, row {number}: row {first} has the same {', '.join(KEY[:-1])} and "
                f"{KEY[-1]} already."
            )
    return table


def merged(table: "pl.DataFrame", added: "pl.DataFrame") -> "pl.DataFrame":
    """Both tables' rows, the best first within task and budget; an added row replaces its like."""
    pl = import_polars()
    kept = table.join(added.select(*KEY), on=list(KEY), how="anti")
    descending = [column == "welfare" for column in SORT]
    return pl.concat([kept, added]).sort(*SORT, descending=descending)


def _typed(table: "pl.DataFrame", column: Column, name: str) -> "pl.DataFrame":
    """The column as its type; a value that is of another kind is told with its row."""
    pl = import_polars()
    wanted, before = leaderboard_schema()[column.name], table[column.name]
    if before.dtype == wanted:
        return table
    read, kind = _READERS[column.dtype]
    values = []
    for number, value in enumerate(before.to_list(), 1):
        try:
            values.append(None if value is None else read(value))
        except (TypeError, ValueError, OverflowError):
            raise HandfulError(
                f"{name}, row {number}, column '{column.name}': {value!r} is not {kind}."
            ) from None
    return table.with_columns(pl.Series(column.name, values, dtype=wanted))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if not isinstance(value, Number) or isinstance(value, bool):
        raise TypeError
    return float(value)  # type: ignore[arg-type]


def _whole_number(value: Any) -> int:
    """Also 3.0: a table that has been in pandas may have it for 3."""
    if _number(value) != int(value) or abs(int(value)) >= 2**63:
        raise ValueError
    return int(value)


def _whole_numbers(values: Any) -> list[int]:
    if not isinstance(values, list):
        raise TypeError
    return [_whole_number(value) for value in values]


_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "String": (_text, "text"),
    "Int64": (_whole_number, "a whole number"),
    "Float64": (_number, "a number"),
    "List": (_whole_numbers, "a list of whole numbers"),
}
"""By a column's type: what makes its values of others that mean the same, and what it wants."""


def _fault(row: dict[str, Any]) -> str | None:
    """What is wrong with a row of the right types, with its column; None where all is well."""
    for column in COLUMNS:
        wrong = _value_fault(column, row[column.name])
        if wrong:
            return f"column '{column.name}': {wrong}"
    wrong = _task_fault(row["task"])
    if wrong:
        return f"column 'task': {wrong}"
    seeds = row["seeds"]
    if None in seeds or len(set(seeds)) < len(seeds):
        return f"column 'seeds': {seeds} must be different whole numbers"
    if row["policies"] > row["users"]:
        return f"column 'policies': {row['policies']} is more than the {row['users']} users"
    if row["percent"] is not None:
        return _percent_fault(row)
    return None


def _value_fault(column: Column, value: Any) -> str | None:
    """What is wrong with a value by itself."""
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        return "it is empty" if column.is_required else None
    if isinstance(value, str):
        return None if value.splitlines() == [value] else "it must be one line"
    if isinstance(value, float) and not np.isfinite(value):
        return f"{value} is not a finite number"
    if column.dtype == "Int64" and value < 1:
        return f"{value} is not at least 1"
    if column.name.endswith("_stderr") and value < 0:
        return f"{value} is negative"
    return None


def _percent_fault(row: dict[str, Any]) -> str | None:
    percent, kind = row["percent"], row["optimum_kind"]
    if kind not in ("exact", "upper bound"):
        return f"column 'optimum_kind': {kind!r} must be 'exact' or 'upper bound' beside a percent"
    if percent > 100.0 + MOST_LUCK:
        best = "exact optimum" if kind == "exact" else "upper bound"
        return (
            f"column 'percent': {percent} is more than 100 percent of an {best}, by more than the "
            f"luck of the evaluation's episodes explains"
        )
    if percent < 0 <= row["welfare"]:
        return f"column 'percent': {percent} is negative, and the welfare is not"
    return None


def _task_fault(name: str) -> str | None:
    """What is wrong with a task's name; its own package need not be there."""
    try:
        find_task(name)
    except HandfulError as error:
        return str(error).removesuffix(".")
    return None
