"""Readers of tables: CSV and Parquet files, DataFrames and plain columns.

They do not interpret any entry.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handful._support.files import read_whole
from handful.errors import HandfulError
from handful.users.csv_text import decode, read_csv
from handful.users.entries import column_entries
from handful.users.numbers import Values
from handful.users.parquet import is_parquet, read_columns
from handful.users.table import UserTable, checked_table, named_twice, unnamed_index


def read_table(source: Any, what: str = "population") -> UserTable:
    """Read a table with at least one user.

    Args:
        source: the path of a CSV or Parquet file; a DataFrame of polars or pandas, or any other
            object with ``columns`` that it gives by name; or a mapping from names to columns.
        what: the word for a file of the table in error messages.

    Raises:
        HandfulError: if the source cannot be read or is not such a table; the sentence names the
            file, and the line and the column if there is one.
    """
    if isinstance(source, UserTable):
        return source
    if isinstance(source, str | Path):
        return _read_file(Path(source), f"The {what} '{source}'")
    if isinstance(source, Mapping):
        named = [(str(name), values) for name, values in source.items()]
    elif hasattr(type(source), "collect"):  # its columns are not in memory yet
        raise HandfulError(
            f"A table of users must have its columns in memory: call collect() on the "
            f"{type(source).__name__} first."
        )
    elif hasattr(source, "columns") and hasattr(source, "__getitem__"):
        is_arrow = hasattr(type(source), "column_names")  # ``columns`` has the columns
        names = source.column_names if is_arrow else source.columns
        named = [*_index_columns(source), *((str(name), source[name]) for name in names)]
    else:
        raise HandfulError(
            f"A table of users must be the path of a file, a DataFrame or a mapping from names to "
            f"columns, not a {type(source).__name__}."
        )
    return checked_table(_columns(named, UserTable.source), UserTable.source)


def _index_columns(frame: Any) -> list[tuple[str, Any]]:
    """Return the index of a DataFrame of pandas, a column for each of its levels that have a name.

    An index of whole numbers without a name counts rows, and is nothing that is known of a user.

    Raises:
        HandfulError: if any other index has no name, since it may be the users' names.
    """
    index: Any = getattr(frame, "index", None)
    if not hasattr(index, "names") or not hasattr(index, "get_level_values"):
        return []
    columns = []
    for level, name in enumerate(index.names):
        values = index.get_level_values(level)
        if name is not None:
            columns.append((str(name), values))
        elif getattr(values.dtype, "kind", "O") not in "iu":
            raise unnamed_index(UserTable.source)
    return columns


def _columns(named: Sequence[tuple[str, Any]], source: str) -> dict[str, Values]:
    names = [name for name, _ in named]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise named_twice(source, twice)
    return {name: column_entries(name, values, source) for name, values in named}


def _read_file(path: Path, source: str) -> UserTable:
    data = read_whole(path, source)
    if path.suffix.lower() in (".parquet", ".pq") or is_parquet(data):
        return checked_table(read_columns(data, source), source)
    text = decode(data, source)
    del data
    return read_csv(text, source)
