"""polars, which comes with the extra ``sweep``, and tables of known columns."""

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful.errors import HandfulError
from handful.installing import install_command
from handful.runs import write_atomically

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
        HandfulError: if it is missing or no Parquet file.
    """
    pl = import_polars()
    try:
        return pl.read_parquet(path, glob=False)  # a folder's name may have a [ in it
    except OSError as error:
        raise HandfulError(f"'{path}' cannot be read ({error.strerror or error}).") from None
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())  # polars writes several lines
        raise HandfulError(
            f"'{path}' is no Parquet file that can be read ({reason}): move it away, or put "
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
