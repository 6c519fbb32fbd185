"""Ctrl-C and SIGTERM on the command line, from the first moment of the program on.

Python's own answer to Ctrl-C is an exception that may come anywhere. In the middle of an import it
becomes another error or a crash, and code that passes over every error swallows it. So the program
answers by itself: it ends at once where nothing has begun that wants an orderly end, and else it
raises ``KeyboardInterrupt`` and ends soon after, whatever became of that exception. Training and
sweeps save what they have first; they listen by themselves while they run.

This module must stay light: what is imported before :func:`stops_heard` is entered is not covered.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

GRACE = 5.0
"""The seconds within which the program must end by itself; then it is killed."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_IMPORT_MACHINERY = "<frozen importlib._bootstrap>"


class _Stop:
    """The signal that this program got, and how it may end.

    Attributes:
        number: the number of the signal that came, or None.
        is_patient: whether an orderly end may take as long as it takes.
    """

    number: int | None = None
    is_patient = False


@contextmanager
def stops_heard() -> Iterator[None]:
    """Within the block, a signal that asks the program to stop ends it with 128 + its number.

    Signals that the program was started to ignore stay ignored. Outside the main thread, where
    Python delivers no signals, nothing changes.
    """
    try:
        before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
        for number in SIGNALS:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, _hear)
        signal.signal(signal.SIGALRM, _time_is_up)
    except ValueError:
        yield
        return
    hook = sys.unraisablehook

    def hear_what_was_swallowed(unraisable: "sys.UnraisableHookArgs") -> None:
        # Python ignores errors while it shuts down, but a request to stop must not be lost.
        if unraisable.exc_type is KeyboardInterrupt:
            end_if_asked()
        hook(unraisable)

    sys.unraisablehook = hear_what_was_swallowed
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def patiently() -> Iterator[None]:
    """Within the block, an orderly end may take longer than :data:`GRACE`.

    A second signal ends the program at once.
    """
    _Stop.is_patient = True
    try:
        yield
    finally:
        _Stop.is_patient = False


def end_if_asked() -> None:
    """End the program if a signal asked for it, whatever became of the exception that it raised."""
    if _Stop.number is not None:
        _end(_Stop.number)


def _hear(number: int, frame: object) -> None:
    """The handler of the signals."""
    if _Stop.number is not None or _is_importing(frame):
        _end(number)
    _Stop.number = number
    if not _Stop.is_patient:
        signal.setitimer(signal.ITIMER_REAL, GRACE)
    raise KeyboardInterrupt


def _time_is_up(*_: object) -> None:
    end_if_asked()


def _is_importing(frame: object) -> bool:
    """Return whether a frame, or one that called it, is in the middle of an import."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_MACHINERY:  # type: ignore[attr-defined]
            return True
        frame = frame.f_back  # type: ignore[attr-defined]
    return False


def _end(number: int) -> None:
    """End now: nothing that Python does at its end can add a traceback or a crash."""
    # Perhaps nobody reads it, or it was being written to when the signal came.
    with suppress(OSError, ValueError, RuntimeError):
        sys.stdout.flush()
    os.write(2, b"handful: stopped.\n")
    os._exit(128 + number)
