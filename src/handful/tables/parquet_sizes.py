"""What a Parquet file says of itself, checked before anything is unpacked.

A few hundred kilobytes of Parquet can stand for gigabytes: a value that repeats is stored once. And
a reader that believes a damaged size may ask for more memory than there is, which ends the whole
process. So the sizes are read first: those in the file's last part, the footer, and those before
each page, which is what the file packs its values in.
"""

from dataclasses import dataclass
from typing import Any

from handful.tables.regular import MAX_BYTES
from handful.tables.thrift import CompactReader, Damaged

MAGIC = b"PAR1"

_TAIL = 8  # bytes: the footer's length, and the magic
_BYTES_A_VALUE = 8  # as numbers are held
_FIXED_LENGTH = 7  # a type: each value has the number of bytes that the schema says
_REPEATED = 2  # a value may be there several times
_DATA, _INDEX, _DICTIONARY, _DATA_2 = range(4)  # kinds of pages


@dataclass(frozen=True)
class ParquetSizes:
    """How large a file's table is.

    Attributes:
        rows: of the table.
        bytes_unpacked: that its columns take once they are unpacked, at least.
    """

    rows: int
    bytes_unpacked: int


def parquet_sizes(data: bytes) -> ParquetSizes:
    """The sizes that a file states, if they fit each other.

    Raises:
        Damaged: if they do not, or if it is no Parquet file: what is wrong, without a full stop.
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
    """Of each column: the bytes of a value, 0 if they differ; whether each row has one value."""
    lengths = []
    nested = 0  # elements still to come that are parts of others
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
    """What a column of a part of the table takes once it is unpacked, at least."""
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
    """What a column's pages take once they are unpacked; together they have all its values."""
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
