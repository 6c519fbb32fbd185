"""Parquet files, read with polars, which comes with the extra ``sweep``.

Structures in Thrift's compact encoding, in which a Parquet file describes itself.

Only what such descriptions hold is read. Numbers of fields stand for their names.

What a Parquet file says of itself, checked before anything is unpacked.

A few hundred kilobytes of Parquet can stand for gigabytes: a value that repeats is stored once. And
a reader that believes a damaged size may ask for more memory than there is, which ends the whole
process. So the sizes are read first: those in the file's last part, the footer, and those before
each page, which is what the file packs its values in.
"""

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from handful._support.files import MAX_BYTES, too_large
from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.users.entries import column_entries
from handful.users.numbers import Values
from handful.users.table import MAX_USERS, too_many, unnamed_index

if TYPE_CHECKING:
    import polars as pl

_MAX_DEPTH = 16
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class Damaged(HandfulError):
    """The error for bytes that are not the structure that they should be."""


class CompactReader:
    """A reader of structures, one after another.

    Args:
        data: all bytes of the file.
        at: the position at which the first structure begins.
        end: the position at which the last structure must have ended.

    Attributes:
        at: where the next structure begins.
    """

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data, self.at, self._end = data, at, end

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the structure's values, by the numbers of their fields.

        Whole numbers, booleans, bytes, lists and structures are read; None stands for other values.

        Raises:
            Damaged: if there is no structure here.
        """
        if depth > _MAX_DEPTH:
            raise Damaged("a structure within too many others")
        fields: dict[int, Any] = {}
        field = 0
        while (head := self._byte()) != 0:
            field = field + (head >> 4) if head >> 4 else self._integer()
            fields[field] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_I16, _I32, _I64):
            return self._integer()
        if kind == _BINARY:
            return self._bytes(self._unsigned())
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_BYTE, _DOUBLE):
            self._bytes(1 if kind == _BYTE else 8)
            return None
        raise Damaged(f"a value of the unknown kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._unsigned()
        if size > self._end - self.at:  # an entry takes a byte or more
            raise Damaged(f"a list of {size} entries")
        kind = head & 15
        if kind in (_TRUE, _FALSE):
            return [self._byte() == _TRUE for _ in range(size)]
        return [self._value(kind, depth) for _ in range(size)]

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, size: int) -> bytes:
        if size > self._end - self.at:
            raise Damaged("an end where there should be more")
        self.at += size
        return self._data[self.at - size : self.at]

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise Damaged("a number of too many digits")

    def _integer(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


MAGIC = b"PAR1"

_TAIL = 8  # the bytes of the footer's length and of the magic
_BYTES_A_VALUE = 8  # the bytes of a number in memory
_FIXED_LENGTH = 7  # a type whose values have the number of bytes that the schema says
_REPEATED = 2  # a row may have several values
_DATA, _INDEX, _DICTIONARY, _DATA_2 = range(4)  # the kinds of pages


@dataclass(frozen=True)
class ParquetSizes:
    """The sizes of the table in a file.

    Attributes:
        rows: the number of rows of the table.
        bytes_unpacked: the bytes that its columns take at least once they are unpacked.
    """

    rows: int
    bytes_unpacked: int


def parquet_sizes(data: bytes) -> ParquetSizes:
    """Return the sizes that a file states, if they fit each other.

    Raises:
        Damaged: if they do not, or if the bytes are not a Parquet file; the text says what is
            wrong, without a full stop.
    """
    if data[:4] != MAGIC or data[-4:] != MAGIC or len(data) < len(MAGIC) + _TAIL:
        raise Damaged("it does not begin and end as a Parquet file does")
    end = len(data) - _TAIL
    length = int.from_bytes(data[-_TAIL:-4], "little")
    if length > end - len(MAGIC):
        raise Damaged("its description is longer than the file")
    start = end - length
    footer = CompactReader(data, start, end).struct()
    lengths = _value_lengths(_list(footer, 2))
    groups = _list(footer, 4)
    rows = [_count(group, 3) for group in groups]
    if sum(rows) != _count(footer, 3):
        raise Damaged("its parts have other numbers of rows than the whole")
    unpacked = 0
    for group, rows_of_group in zip(groups, rows, strict=True):
        columns = _list(group, 1)
        if len(columns) != len(lengths):
            raise Damaged("a part of it has another number of columns than the whole")
        for column, (length, is_flat) in zip(columns, lengths, strict=True):
            most = rows_of_group if is_flat else MAX_BYTES
            unpacked += _column_bytes(data, start, _struct(column, 3), length, most, is_flat)
    return ParquetSizes(sum(rows), unpacked)


def _value_lengths(schema: list[Any]) -> list[tuple[int, bool]]:
    """Return the bytes of a value of each column, and whether each row has one value.

    The bytes are 0 if the values of a column differ in length.
    """
    lengths = []
    nested = 0  # the elements still to come that are parts of others
    for element in schema[1:]:
        children = _count(element, 5, default=0)
        is_part = nested > 0
        nested = max(nested - 1, 0) + children
        if children:
            continue
        is_list = _count(element, 3, default=0) == _REPEATED
        has_length = _count(element, 1) == _FIXED_LENGTH
        length = _count(element, 2) if has_length else 0
        lengths.append((length, not is_part and not is_list))
    return lengths


def _column_bytes(
    data: bytes, end: int, column: dict[int, Any], length: int, most: int, is_flat: bool
) -> int:
    """Return the bytes that a column of a part of the table takes at least once it is unpacked."""
    values = _count(column, 5)
    if values > most or (is_flat and values != most):
        raise Damaged("a column has another number of values than rows")
    first = _count(column, 9)
    start = min(_count(column, 11, default=0) or first, first)  # with a dictionary or without
    stop = start + _count(column, 7)
    if not len(MAGIC) <= start <= stop <= end:
        raise Damaged("a column lies outside of the file")
    pages = _page_bytes(data, start, stop, values)
    return max(pages, _count(column, 6), values * max(length, _BYTES_A_VALUE))


def _page_bytes(data: bytes, start: int, stop: int, values: int) -> int:
    """Return the bytes that a column's pages take once they are unpacked.

    The pages together hold all values of the column.
    """
    reader = CompactReader(data, start, stop)
    unpacked = found = 0
    while reader.at < stop:
        page = reader.struct()
        size, packed = _count(page, 2), _count(page, 3)
        reader.at += packed
        if reader.at > stop:
            raise Damaged("a page goes on behind its column")
        unpacked += size
        kind = page.get(1)
        if kind == _DICTIONARY:
            if _count(_struct(page, 7), 1) > size:  # a value takes a byte or more
                raise Damaged("a page has more values than bytes")
        elif kind in (_DATA, _DATA_2):
            found += _data_values(_struct(page, 5 if kind == _DATA else 8), kind, size)
        elif kind != _INDEX:
            raise Damaged("a page is of no known kind")
    if found != values:
        raise Damaged("a column's pages have another number of values than the column")
    return unpacked


def _data_values(page: dict[int, Any], kind: int, size: int) -> int:
    values = _count(page, 1)
    if kind == _DATA_2:
        parts = _count(page, 5) + _count(page, 6)
        if _count(page, 2) > values or _count(page, 3) > values or parts > size:
            raise Damaged("a page's parts are larger than the page")
    return values


def _count(fields: Any, field: int, default: int | None = None) -> int:
    value = fields.get(field, default) if isinstance(fields, dict) else None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Damaged("a size is missing or negative")
    return value


def _list(fields: Any, field: int) -> list[Any]:
    value = fields.get(field) if isinstance(fields, dict) else None
    if not isinstance(value, list):
        raise Damaged("a list is missing")
    return value


def _struct(fields: Any, field: int) -> dict[int, Any]:
    value = fields.get(field) if isinstance(fields, dict) else None
    if not isinstance(value, dict):
        raise Damaged("a description is missing")
    return value


_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def is_parquet(data: bytes) -> bool:
    """Return whether a file begins like a Parquet file."""
    return data[: len(MAGIC)] == MAGIC


def read_columns(data: bytes, source: str) -> dict[str, Values]:
    """Return the columns of a table of users in a Parquet file, by name.

    Args:
        data: the bytes of the file.
        source: the words for the file in error messages.

    Raises:
        HandfulError: if polars is missing, or the file is damaged, too large or not such a table.
    """
    if find_spec("polars") is None:
        raise HandfulError(
            f"{source} is a Parquet file, and reading it needs polars: {install_command('sweep')}"
            f", or give a CSV."
        )
    try:
        return _columns(read_frame(data, source, MAX_USERS), source)
    except Damaged as error:
        raise HandfulError(
            f"{source} cannot be read ({error}): it is damaged, or holds what polars does not "
            f"read; put another file in its place."
        ) from None


def _columns(frame: "pl.DataFrame", source: str) -> dict[str, Values]:
    names = [name for name in frame.columns if not _UNNAMED_INDEX.fullmatch(name)]
    # This is an index of pandas without a name; one of whole numbers counts rows.
    if any(not frame[name].dtype.is_integer() for name in set(frame.columns) - set(names)):
        raise unnamed_index(source)
    with _damage_told():
        return {name: column_entries(name, frame[name], source) for name in names}


def read_frame(data: bytes, source: str, max_rows: int | None = None) -> "pl.DataFrame":
    """Return a Parquet file as a DataFrame, after checking its sizes.

    Nothing is unpacked before that.

    Args:
        data: the bytes of the file.
        source: the words for the file in error messages.
        max_rows: the most rows that are allowed; None for no limit.

    Raises:
        Damaged: if the file is damaged, or polars cannot read it; the text says what is wrong.
        HandfulError: if the file has too many rows, or holds more than `MAX_BYTES`.
    """
    import polars as pl

    sizes = parquet_sizes(data)
    if max_rows is not None and sizes.rows > max_rows:
        raise too_many(source, f"row {max_rows + 1}")
    if sizes.bytes_unpacked > MAX_BYTES:
        raise too_large(source, sizes.bytes_unpacked)
    with _damage_told():
        frame = pl.read_parquet(io.BytesIO(data))
        text = sum(_text_bytes(frame[name]) for name in frame.columns)
    if text > MAX_BYTES:  # a repeated text is stored once
        raise too_large(source, text)
    return frame


def _text_bytes(column: "pl.Series") -> int:
    import polars as pl

    if column.dtype == pl.Binary:
        return int(column.bin.size().sum())
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return 0
    return int(column.cast(pl.String).str.len_bytes().sum())


@contextmanager
def _damage_told() -> Iterator[None]:
    """Within the block, turn every error of polars about a damaged file into one error."""
    from polars.exceptions import PanicException, PolarsError

    try:
        with _reports_of_panics_held_back():
            yield
    # PanicException is not an Exception. Dates far away and undecodable text raise the last three.
    except (OSError, PolarsError, PanicException, ValueError, OverflowError, MemoryError) as error:
        raise Damaged(" ".join(str(error).split())[:200]) from None


@contextmanager
def _reports_of_panics_held_back() -> Iterator[None]:
    """Within the block, write standard error to a file, and print it afterwards unless all failed.

    When Rust code fails, it writes the place to standard error, past Python, before polars raises.
    """
    _flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.truncate(0)
            raise
        finally:
            _flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            _write_all(held.read())


def _flush() -> None:
    if sys.stderr is not None:  # it is None in a program without a console
        sys.stderr.flush()


def _write_all(data: Any) -> None:
    while data:
        data = data[os.write(2, data) :]
