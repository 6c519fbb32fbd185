"""Standard output for one JSON document and nothing else, whatever other code prints.

Environments, their packages and native libraries print as they like: when they are imported, in
steps, from other processes, and when the program ends. While a command with ``--json`` runs, all of
that goes to standard error, as file descriptor 1 is a copy of 2. Only :func:`write_result` knows
where standard output is.
"""

import atexit
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2

_write: Callable[[str], None] | None = None
"""The function that writes to standard output while nothing else can."""


def write_result(text: str) -> None:
    """Write a text to standard output, at once."""
    if _write is not None:
        _write(text)
    else:
        sys.stdout.write(text)


@contextmanager
def results_alone() -> Iterator[None]:
    """Within the block, only what :func:`write_result` gets reaches standard output."""
    global _write
    stream, before = sys.stdout, _write
    stream.flush()
    descriptor = _take_over(stream)

    def write_to_descriptor(text: str) -> None:
        left = text.encode()
        while left:
            left = left[os.write(descriptor, left) :]

    def write_to_stream(text: str) -> None:  # standard output is an object, as in a notebook
        stream.write(text)
        stream.flush()

    _write = write_to_stream if descriptor < 0 else write_to_descriptor
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, _write = stream, before
        if descriptor >= 0:
            with suppress(OSError, ValueError):
                stream.flush()  # text that was printed to an older reference of it
            _flush_native()
            os.dup2(descriptor, STANDARD_OUTPUT)
            os.close(descriptor)
            atexit.unregister(_silence)
            atexit.register(_silence)  # the last to be registered is the first to be called


def _take_over(stream: object) -> int:
    """Redirect file descriptor 1 to 2, and return a copy of the old one; -1 if it is not in use."""
    try:
        if stream.fileno() != STANDARD_OUTPUT:  # type: ignore[attr-defined]
            return -1
        descriptor = os.dup(STANDARD_OUTPUT)
    except (AttributeError, OSError, ValueError):
        return -1
    _flush_native()
    _silence()
    return descriptor


def _silence() -> None:
    """Send all that is printed from now on to standard error, or nowhere if that is closed."""
    try:
        os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STANDARD_OUTPUT)
        os.close(nowhere)


def _flush_native() -> None:
    """Write out what libraries in C have printed and the C library still holds."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).fflush(None)
