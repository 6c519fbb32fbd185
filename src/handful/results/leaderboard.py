"""The public leaderboard: one Parquet schema, read and checked row by row."""

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
    """The column as its type; a value that does not fit is told with its row."""
    pl = import_polars()
    wanted, before = leaderboard_schema()[column.name], table[column.name]
    if before.dtype == wanted:
        return table
    kind = "a list of whole numbers" if column.name == "seeds" else wanted.__name__
    is_text = wanted == pl.String and before.dtype != pl.Null
    is_list = isinstance(before.dtype, pl.List) == isinstance(wanted, pl.List)
    if is_text or not (is_list or before.dtype == pl.Null):
        raise HandfulError(
            f"{name}, row 1, column '{column.name}': {before[0]!r} is of type {before.dtype}, and "
            f"{kind} is wanted."
        )
    after = before.cast(wanted, strict=False)
    lost = (before.is_not_null() & after.is_null()).arg_true()
    if len(lost):
        raise HandfulError(
            f"{name}, row {lost[0] + 1}, column '{column.name}': {before[lost[0]]!r} is not {kind}."
        )
    return table.with_columns(after)


def _fault(row: dict[str, Any]) -> str | None:
    """What is wrong with a row of the right types, with its column; None where all is well."""
    for column in COLUMNS:
        value = row[column.name]
        if value is None or value == "" or value == []:
            if column.is_required:
                return f"column '{column.name}': it is empty"
        elif isinstance(value, float) and not np.isfinite(value):
            return f"column '{column.name}': {value} is not a finite number"
        elif column.dtype == "Int64" and value < 1:
            return f"column '{column.name}': {value} is not at least 1"
        elif column.name.endswith("_stderr") and value < 0:
            return f"column '{column.name}': {value} is negative"
    wrong = _task_fault(row["task"])
    if wrong:
        return f"column 'task': {wrong}"
    seeds = row["seeds"]
    if None in seeds or len(set(seeds)) < len(seeds):
        return f"column 'seeds': {seeds} must be different whole numbers"
    if row["policies"] > row["users"]:
        return f"column 'policies': {row['policies']} is more than the {row['users']} users"
    if "\n" in row["command"].strip():
        return "column 'command': it must be one line"
    if row["percent"] is not None and row["optimum_kind"] not in ("exact", "upper bound"):
        kind = row["optimum_kind"]
        return f"column 'optimum_kind': {kind!r} must be 'exact' or 'upper bound' beside a percent"
    if row["optimum_kind"] == "exact" and (row["percent"] or 0.0) > 100.0 + MOST_LUCK:
        return (
            f"column 'percent': {row['percent']} is more than 100 percent of an exact optimum, by "
            f"more than the luck of the evaluation's episodes explains"
        )
    return None


def _task_fault(name: str) -> str | None:
    """What is wrong with a task's name; its own package need not be there."""
    try:
        find_task(name)
    except HandfulError as error:
        return str(error).removesuffix(".")
    return None
