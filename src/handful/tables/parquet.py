"""Parquet files, read with polars, which comes with the extra ``sweep``."""

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from handful.errors import HandfulError
from handful.installing import install_command
from handful.tables.entries import column_entries
from handful.tables.numbers import Values
from handful.tables.parquet_sizes import MAGIC, parquet_sizes
from handful.tables.regular import MAX_BYTES, too_large
from handful.tables.table import MAX_USERS, too_many, unnamed_index
from handful.tables.thrift import Damaged

if TYPE_CHECKING:
    import polars as pl

_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def is_parquet(data: bytes) -> bool:
    """Whether a file begins as Parquet files do."""
    return data[: len(MAGIC)] == MAGIC


def read_columns(data: bytes, source: str) -> dict[str, Values]:
    """The columns of a table of users in a Parquet file, by name.

    Args:
        data: the file.
        source: what to call it in a sentence.

    Raises:
        HandfulError: if polars is missing, or the file is damaged, too large or no such table.
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
    # An index of pandas that has no name; whole numbers count rows, as in a DataFrame of pandas.
    if any(not frame[name].dtype.is_integer() for name in set(frame.columns) - set(names)):
        raise unnamed_index(source)
    with _damage_told():
        return {name: column_entries(name, frame[name], source) for name in names}


def read_frame(data: bytes, source: str, max_rows: int | None = None) -> "pl.DataFrame":
    """A Parquet file as a DataFrame. Its sizes are checked before anything is unpacked.

    Args:
        data: the file.
        source: what to call it in a sentence.
        max_rows: more are refused; None for no such limit.

    Raises:
        Damaged: if the file is damaged, or holds what polars does not read: with what is wrong.
        HandfulError: if it has too many rows, or more than `MAX_BYTES` in it.
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
    if text > MAX_BYTES:  # a text that repeats is stored once
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
    """While entered, whatever polars says of a damaged file becomes one error."""
    from polars.exceptions import PanicException, PolarsError

    try:
        with _reports_of_panics_held_back():
            yield
    # A PanicException is no Exception. Dates far away and text in no encoding raise the last three.
    except (OSError, PolarsError, PanicException, ValueError, OverflowError, MemoryError) as error:
        raise Damaged(" ".join(str(error).split())[:200]) from None


@contextmanager
def _reports_of_panics_held_back() -> Iterator[None]:
    """While entered, standard error goes to a file; the rest of it comes out unless all failed.

    When Rust code fails, it writes where to standard error, past Python, before polars raises.
    """
    _flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
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
    if sys.stderr is not None:  # as it is in a program without a console
        sys.stderr.flush()


def _write_all(data: Any) -> None:
    while data:
        data = data[os.write(2, data) :]
