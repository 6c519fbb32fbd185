"""Reading tables: CSV and Parquet files, DataFrames and plain columns, nothing interpreted yet.

What people's tables look like is met halfway: commas, semicolons or tabs (whichever the first line
has most of), a byte order mark, UTF-16 as spreadsheets save it, spaces round names and entries,
blank lines, and empty columns without a name.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handful.errors import HandfulError
from handful.installing import install_command
from handful.types import NumpyArray

MAX_USERS = 1_000_000
"""Rows of a table. Results have an entry for each user and policy, several times over."""

Values = Sequence[Any] | NumpyArray
"""A column: [N] entries of any kind."""

_DELIMITERS = ",;\t"
_CHUNK = 10_000  # rows at a time, so that only columns stay in memory


@dataclass(frozen=True, eq=False)
class UserTable:
    """Columns by name, all of length ``N >= 1``.

    Attributes:
        columns: entries as they were read: text from a CSV, anything from a DataFrame.
        source: what to call the table in a sentence.
        lines: [N] where each row ends in its file, counted from 1; None if it is no text file.
    """

    columns: Mapping[str, Values]
    source: str = "The table of users"
    lines: Sequence[int] | None = None

    @property
    def num_users(self) -> int:
        """``N``."""
        return len(next(iter(self.columns.values())))

    def where(self, row: int) -> str:
        """How to find a row, given its index from 0."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns as JSON holds them; :func:`read_table` takes them back."""
        return {
            name: [_as_json(value) for value in values] for name, values in self.columns.items()
        }


def read_table(source: Any, what: str = "population") -> UserTable:
    """A table with at least one user.

    Args:
        source: the path of a CSV or Parquet file; a DataFrame of polars or pandas, or anything
            else with ``columns`` that can be asked for by name; or a mapping from names to columns.
        what: a file is called in a sentence about it.

    Raises:
        HandfulError: if it cannot be read or is no such table: one sentence with the file, and the
            line and column where there is one.
    """
    if isinstance(source, UserTable):
        return source
    if isinstance(source, str | Path):
        return _read_file(Path(source), f"The {what} '{source}'")
    if isinstance(source, Mapping):
        named = [(str(name), values) for name, values in source.items()]
    elif hasattr(source, "columns") and hasattr(source, "__getitem__"):
        named = [(str(name), source[name]) for name in source.columns]
    else:
        raise HandfulError(
            f"A table of users must be the path of a file, a DataFrame or a mapping from names to "
            f"columns, not a {type(source).__name__}."
        )
    return _checked(_columns(named, UserTable.source), UserTable.source)


def _columns(named: Sequence[tuple[str, Any]], source: str) -> dict[str, Values]:
    names = [name for name, _ in named]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _named_twice(source, twice)
    return {name: _column(name, values, source) for name, values in named}


def _column(name: str, values: Any, source: str) -> Values:
    """A copy, if it is a column: an entry for each user, none of which has entries itself."""
    is_list = isinstance(values, Sequence) or hasattr(values, "__array__")
    if isinstance(values, str | bytes) or not is_list or getattr(values, "ndim", 1) != 1:
        shape = getattr(values, "shape", ())
        kind = f"an array of shape {list(shape)}" if shape else f"a {type(values).__name__}"
        raise HandfulError(
            f"{source} must have a list with one entry for each user as column '{name}', and not "
            f"{kind}."
        )
    entries = list(values) if isinstance(values, Sequence) else np.asarray(values)
    if isinstance(entries, np.ndarray) and entries.dtype.kind != "O" and entries.ndim == 1:
        return entries  # of numbers: looking at each takes long
    for row, entry in enumerate(entries, start=1):
        if hasattr(entry, "__len__") and not isinstance(entry, str | bytes):
            raise HandfulError(
                f"{source} has several values at once in column '{name}' of row {row}: every entry "
                f"must be a number, a name or a label."
            )
    return entries


def _as_json(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, str | int | float):
        return value if value == value else None  # JSON has no NaN
    return None if value is None or repr(value) in ("<NA>", "NaT") else str(value)


def _read_file(path: Path, source: str) -> UserTable:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HandfulError(f"{source} cannot be read ({error.strerror}).") from None
    if path.suffix.lower() in (".parquet", ".pq") or data[:4] == b"PAR1":
        return _read_parquet(data, source)
    text = _decode(data, source)
    del data
    return _read_csv(text, source)


def _read_parquet(data: bytes, source: str) -> UserTable:
    try:
        import polars as pl
    except ModuleNotFoundError:
        raise HandfulError(
            f"{source} is a Parquet file, and reading it needs polars: {install_command('sweep')}"
            f", or give a CSV."
        ) from None
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise HandfulError(f"{source} cannot be read ({reason}).") from None
    return _checked(_columns([(name, frame[name]) for name in frame.columns], source), source)


def _decode(data: bytes, source: str) -> str:
    is_utf_16 = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if b"\0" in data and not is_utf_16:
        raise _unreadable(source, "it is no text")
    try:
        return data.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        why = "it is damaged UTF-16" if is_utf_16 else _first_bad_byte(data, error.start)
        raise _unreadable(source, why) from None


def _unreadable(source: str, why: str) -> HandfulError:
    return HandfulError(f"{source} cannot be read ({why}): save it as CSV in UTF-8.")


def _first_bad_byte(data: bytes, start: int) -> str:
    """Where a text stops being UTF-8, as a person would look for it."""
    before = data[:start]
    header = data.split(b"\n", 1)[0].decode("latin-1").lstrip("\xef\xbb\xbf").strip()
    delimiter = _delimiter(header)
    names = header.split(delimiter)
    column = before.rsplit(b"\n", 1)[-1].count(delimiter.encode())
    is_name = column < len(names) and names[column].isprintable()  # and no scrap of a picture
    name = f"column '{names[column].strip()}' of " if is_name else ""
    line = before.count(b"\n") + 1
    return f"{name}line {line} is not in UTF-8"


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _read_csv(text: str, source: str) -> UserTable:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = _delimiter(first)
    names: list[str] = []
    columns: list[list[str]] = []
    lines: list[int] = []
    waiting: list[list[str]] = []
    for line, row in _rows(text, delimiter, source):
        if not any(cell and not cell.isspace() for cell in row):
            continue  # blank
        if not names:
            names = [name.strip() for name in row]
            columns = [[] for _ in names]
            continue
        if len(row) > len(names):
            if any(cell.strip() for cell in row[len(names) :]):
                raise HandfulError(
                    f"{source} has {len(row)} entries in line {line}, and its first line "
                    f"names {len(names)} columns: an entry that holds a '{delimiter}' must stand "
                    f"in quotation marks."
                )
            row = row[: len(names)]
        waiting.append(row + [""] * (len(names) - len(row)))
        lines.append(line)
        if len(lines) > MAX_USERS:
            raise _too_many(source, f"line {line}")
        if len(waiting) == _CHUNK:
            _append(columns, waiting)
    _append(columns, waiting)
    return _checked(_named(names, columns, source), source, lines, delimiter)


def _rows(text: str, delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Each row, and the line that it ends in, counted from 1."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    last = 0
    try:
        for row in reader:
            last = reader.line_num
            yield last, row
    except csv.Error as error:  # in an entry in quotation marks, which may have no end
        raise HandfulError(
            f"{source} cannot be read from line {last + 1} on ({error}): look for a quotation mark "
            f"without its partner."
        ) from None


def _append(columns: list[list[str]], rows: list[list[str]]) -> None:
    for column, cells in zip(columns, zip(*rows, strict=True), strict=False):
        column.extend(cell.strip() for cell in cells)
    rows.clear()


def _named(names: list[str], columns: list[list[str]], source: str) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for number, (name, column) in enumerate(zip(names, columns, strict=True), start=1):
        if not name and not any(column):
            continue  # the first line ended in a delimiter
        if not name:
            raise HandfulError(f"{source} has no name for column {number} in its first line.")
        if name in named:
            raise _named_twice(source, name)
        named[name] = column
    return named


def _named_twice(source: str, name: str) -> HandfulError:
    return HandfulError(f"{source} has two columns named '{name}': rename one of them.")


def _checked(
    columns: dict[str, Any],
    source: str,
    lines: Sequence[int] | None = None,
    delimiter: str = ",",
) -> UserTable:
    if not columns:
        raise HandfulError(
            f"{source} is empty: its first line must name the columns, and every user has a line "
            f"below."
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
        raise _too_many(source, f"row {MAX_USERS + 1}")
    if delimiter == ";":
        columns = {name: [_with_point(cell) for cell in column] for name, column in columns.items()}
    return UserTable(columns, source, lines)


def _with_point(cell: str) -> str:
    """Where columns are parted by semicolons, 1,5 is one and a half."""
    whole, comma, decimals = cell.partition(",")
    is_number = comma and decimals.isdecimal() and whole.lstrip("+-").isdecimal()
    return f"{whole}.{decimals}" if is_number else cell


def _too_many(source: str, where: str) -> HandfulError:
    return HandfulError(
        f"{source} has more than {MAX_USERS:,} users (at {where}): train on a sample of them."
    )
