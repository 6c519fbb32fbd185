"""JAX's devices and number types, wherever a caller enters the library."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import jax
import numpy as np

from handful.errors import HandfulError

P = ParamSpec("P")
R = TypeVar("R")

VARIABLE = "JAX_PLATFORMS"
"""JAX's own name for the choice of devices."""


def computing(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with JAX's usual number types, and one sentence if JAX has no device.

    Training computes in float32 and int32, whether or not ``jax_enable_x64`` is set. So a program
    that sets it for other purposes gets the same numbers from training. JAX keeps this choice for
    each thread, so the first function of a thread needs this wrapper, too.

    Raises:
        HandfulError: the error that the function raises; also if JAX cannot compute at all.
    """

    @wraps(function)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        with _without_remarks(_is_wide()), jax.enable_x64(False):
            try:
                return function(*args, **kwargs)
            except HandfulError:
                raise
            except Exception:
                check_backend()  # a missing device is the real cause
                raise

    return computed


def _is_wide() -> bool:
    """Return whether JAX computes in 64 bits in this thread."""
    return bool(jax.dtypes.canonicalize_dtype(np.float64) == np.float64)


@contextmanager
def _without_remarks(needed: bool) -> Iterator[None]:
    """Within the block, JAX does not warn that the caller's arrays of 64 bits become 32 bits.

    If a program computes in 64 bits, its reward functions and environments hold such arrays.
    """
    if not needed:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Explicitly requested dtype", UserWarning)
        yield


def check_backend() -> None:
    """Start JAX's devices, if they are not running yet.

    Raises:
        HandfulError: if the devices that were asked for are not available.
    """
    try:
        jax.devices()
    except Exception as error:  # its type differs: JAX raises an AssertionError for 'cuda'
        asked = os.environ.get(VARIABLE, "")
        reason = " ".join(str(error).split("(set ")[0].split()).rstrip(".")
        said = f"; JAX says: {reason}" if reason else ""
        raise HandfulError(
            f"JAX cannot compute on the devices that it was asked for (the environment variable "
            f"{VARIABLE} is '{asked}'{said}): set it to what this machine has, as {VARIABLE}=cpu, "
            f"or unset it."
        ) from None
