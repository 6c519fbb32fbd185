"""Code of others that handful calls: environments, feature functions and their modules.

Such code may raise any exception, end the program with ``sys.exit``, or change the working
directory. Each of these would change or end a run without a message. So the functions here turn the
first two into one sentence and undo the third.
"""

import dis
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from handful.errors import HandfulError

P = ParamSpec("P")
R = TypeVar("R")


def failure(what: str, error: BaseException) -> HandfulError:
    """Return an exception from the code of others as one sentence that says where it came from.

    Args:
        what: the beginning of the sentence, such as ``The environment failed in step()``.
        error: the exception that was raised. It may be ``SystemExit``, which would end the program
            without a message.

    Raises:
        KeyboardInterrupt: the error itself, if a signal (Ctrl-C) raised it and not the code.
    """
    pass_on_stop(error)
    return HandfulError(f"{what} with {told(error)}.")


def pass_on_stop(error: BaseException) -> None:
    """Raise an error again if a signal (Ctrl-C) raised it: then the caller wants to stop."""
    if isinstance(error, KeyboardInterrupt) and not _is_raised_by_statement(error):
        raise error


def told(error: BaseException) -> str:
    """Return an error and its place: ``ZeroDivisionError: division by zero (cart.py, line 30)``."""
    place = ""
    if (trace := _innermost(error)) is not None:
        code = trace.tb_frame.f_code
        place = f" ({os.path.basename(code.co_filename)}, line {trace.tb_lineno})"
    message = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {message}' if message else ''}{place}"


@contextmanager
def exits_told(what: str) -> Iterator[None]:
    """Within the block, turn an end of the program by the code of others into one sentence.

    Its other exceptions are passed on as they are, with the traceback that its author needs.

    Args:
        what: the beginning of the sentence, such as ``The environment failed in step()``.

    Raises:
        HandfulError: the sentence. It replaces ``SystemExit``, a ``KeyboardInterrupt`` that no
            signal raised, and everything else that is not an ``Exception``.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        raise failure(what, error) from None


@contextmanager
def same_directory() -> Iterator[None]:
    """Return to the present working directory at the end, even if the code inside changes it.

    Relative paths of the caller then mean the same files before and after an environment that
    calls ``os.chdir``.
    """
    try:
        place = os.open(".", os.O_RDONLY)
    except OSError:  # the directory is gone or cannot be read, so there is no way back to it
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            os.fchdir(place)
        os.close(place)


def in_same_directory(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, changed so that it leaves the working directory as it was."""

    @wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        with same_directory():
            return function(*args, **kwargs)

    return kept


def _is_raised_by_statement(error: BaseException) -> bool:
    """Return whether a ``raise`` outside handful raised it.

    A signal interrupts any other instruction.
    """
    trace = _innermost(error)
    if trace is None:
        return False
    frame = trace.tb_frame
    instruction = frame.f_code.co_code[trace.tb_lasti]
    is_ours = str(frame.f_globals.get("__name__", "")).startswith("handful.")
    return instruction == dis.opmap["RAISE_VARARGS"] and not is_ours


def _innermost(error: BaseException) -> TracebackType | None:
    """Return the last entry of the traceback: the place that raised the error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace
