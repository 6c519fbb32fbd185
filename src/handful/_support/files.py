"""Reading and writing files: complete or not at all, JSON and CSV for any tool, and locks.

A file is replaced in one step, so that a kill at any moment leaves the old content or the new.
"""

import errno
import fcntl
import json
import math
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handful._support.controls import csv_line
from handful.errors import HandfulError

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""The errors of a file system without locks."""


def make_folder(place: Path, name: str, content: Mapping[str, Any]) -> None:
    """Create a folder that holds one JSON file, in one step: both appear, or neither.

    Raises:
        OSError: if the folder cannot be made.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        write_json(staging / name, content)
        staging.chmod(0o777 & ~_umask())
        os.replace(staging, place)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _umask() -> int:
    """Return the permissions that new files of this process do not get."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in its place.

    The temporary file is new and has an unguessable name, so that no prepared link in the folder is
    followed. The folder must exist: one that was moved away is not created again.

    Raises:
        OSError: if it cannot be written.
    """
    temporary = _new_file(path)
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _new_file(path: Path) -> Path:
    """Return a new empty file beside ``path``; the umask decides who may read it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return temporary


def check_writable(folder: Path) -> None:
    """Create a folder if it does not exist, and check that files can be written into it.

    Raises:
        HandfulError: if no file can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise HandfulError(
            f"The folder '{folder}' cannot be written to ({reason}): choose another one, or see "
            f"who may write there."
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, all or nothing."""
    write_atomically(path, lambda temporary: _write_utf8(temporary, text))


def write_json(path: Path, values: Any) -> None:
    """Write JSON that any tool reads: no NaN, no infinity."""
    write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        HandfulError: if it is missing or damaged.
    """
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise HandfulError(f"'{path}' cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise HandfulError(f"'{path}' is damaged: it is not valid JSON ({error}).") from None


def parse_json(text: bytes) -> Any:
    """Return values from JSON in the form that :func:`write_json` writes.

    Raises:
        ValueError: if the text is not JSON in UTF-8, is nested too deeply, or holds NaN, infinity
            or a whole number of more than 64 bits, which no file of the library holds.
    """
    try:
        return json.loads(
            text.decode("utf-8"),
            parse_constant=_no_number,
            parse_int=_whole_number,
            parse_float=_finite_number,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


_DIGITS = 19
"""The most digits of a whole number of 64 bits."""


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _whole_number(text: str) -> int:
    if len(text.removeprefix("-")) > _DIGITS:
        raise ValueError(f"{text[:_DIGITS]}... is too large a number")
    return int(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_DIGITS]} is too large a number")
    return number


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a header line, every cell of which is harmless in a spreadsheet.

    :func:`handful.users.read_table` reads every text back as it was.
    """

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            file.write(csv_line(header))
            file.writelines(map(csv_line, rows))

    write_atomically(path, write)


def _write_utf8(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def lock_file(descriptor: int) -> bool:
    """Lock an open file for this process alone, without waiting.

    The kernel releases the lock when the file is closed or the process dies. On a file system
    without locks every process gets the lock. So work is possible there, but two processes at once
    are not noticed.

    Returns:
        whether this process has the lock; False if another process has it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
    return True


MAX_BYTES = 2**30
"""The largest size of a file, unpacked too; a million users with a hundred numbers need less."""


def read_whole(path: Path, source: str) -> bytes:
    """Return a file's bytes.

    Pipes and devices are not opened, since they may give nothing or have no end.

    Args:
        path: the path of the file.
        source: the name of the file in an error message.

    Raises:
        HandfulError: if the file cannot be read, is not an ordinary file, or is larger than
            `MAX_BYTES`.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise HandfulError(
                f"{source} cannot be read (it is a pipe or a device): save it as a file first."
            )
        if status.st_size > MAX_BYTES:
            raise too_large(source, status.st_size)
        return path.read_bytes()
    except OSError as error:
        raise HandfulError(f"{source} cannot be read ({error.strerror}).") from None
    except ValueError:  # a NUL in a path
        raise HandfulError(f"{source} cannot be read (no file has such a name).") from None


def too_large(source: str, size: int) -> HandfulError:
    """Return the error for a file that holds more than `MAX_BYTES`, with how much it holds."""
    return HandfulError(
        f"{source} holds {size / 2**20:,.0f} MiB, and at most {MAX_BYTES / 2**20:,.0f} MiB are "
        f"read: leave out what is not needed."
    )
