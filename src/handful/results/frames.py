"""polars, which comes with the extra ``sweep``, and tables of known columns."""

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful.errors import HandfulError
from handful.files import write_atomically
from handful.installing import install_command
from handful.tables.parquet import read_frame
from handful.tables.regular import read_whole
from handful.tables.thrift import Damaged

if TYPE_CHECKING:
    import polars as pl

COMPRESSION_LEVEL = 19
"""Of zstd: the tables are committed, and written once for many readings."""


def import_polars() -> Any:
    """The module polars.

    Raises:
        HandfulError: if it is not installed.
    """
    try:
        import polars as pl
    except ImportError:
        raise HandfulError(f"Studies need PyYAML and polars: {install_command('sweep')}.") from None
    return pl


def read_parquet(path: Path) -> "pl.DataFrame":
    """A Parquet file as a table.

    Raises:
        HandfulError: if it is missing, damaged, too large or no Parquet file.
    """
    import_polars()
    source = f"'{path}'"
    try:
        return read_frame(read_whole(path, source), source)
    except Damaged as error:
        raise HandfulError(
            f"{source} is no Parquet file that can be read ({error}): move it away, or put "
            f"a sound one in its place."
        ) from None


def write_parquet(path: Path, table: "pl.DataFrame") -> None:
    """Write a table small, all or nothing.

    Raises:
        OSError: if it cannot be written.
    """
    pl = import_polars()

    def write(temporary: Path) -> None:
        try:
            table.write_parquet(temporary, compression="zstd", compression_level=COMPRESSION_LEVEL)
        except pl.exceptions.ComputeError as error:  # a full disk, for which others have an OSError
            raise OSError(errno.EIO, " ".join(str(error).split()), str(path)) from None

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write)
