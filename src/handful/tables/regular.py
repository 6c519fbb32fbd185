"""Files that are read whole: ordinary ones, of a size that memory holds."""

import stat
from pathlib import Path

from handful.errors import HandfulError

MAX_BYTES = 2**30
"""Of a file, and of what is packed in it. A million users with a hundred numbers need less."""


def read_whole(path: Path, source: str) -> bytes:
    """A file's bytes.

    A pipe or a device may give nothing or have no end, so neither is opened.

    Args:
        path: of the file.
        source: what to call it in a sentence.

    Raises:
        HandfulError: if it cannot be read, is no ordinary file, or is larger than `MAX_BYTES`.
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
    """The error for a file that holds more than `MAX_BYTES`, with how much it holds."""
    return HandfulError(
        f"{source} holds {size / 2**20:,.0f} MiB, and at most {MAX_BYTES / 2**20:,.0f} MiB are "
        f"read: leave out what is not needed."
    )
