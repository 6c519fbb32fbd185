"""The devices that JAX computes on: how many cores, how exactly, and where programs are kept."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")

MAX_USEFUL_CORES = 2
"""Actors on one, critics on the other; see :mod:`handful.learner.parallel`."""


_share: int | None = None
"""The cores that this process was told to keep to, if it was."""


def share_cores(cores: int) -> None:
    """Keep to this many cores from now on: other processes work beside this one."""
    global _share
    _share = cores


def use_cores(cores: int | None = None) -> None:
    """Let training use this many CPU cores, by default all that help.

    It must be called before JAX does any work in this process; afterwards it changes nothing. What
    it changes is the time; see :mod:`handful.learner.parallel` for the last digits.
    """
    wanted = min(cores or MAX_USEFUL_CORES, usable_cores(), MAX_USEFUL_CORES)
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError:  # JAX has started: its devices are what they are
        return


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    return min(available, _share or available)


def keep_compiled_programs() -> None:
    """Keep compiled programs on disk, so that a command like the last one starts at once.

    They go where ``JAX_COMPILATION_CACHE_DIR`` says, else into the user's cache folder.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "handful" / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)


def in_full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with its products of matrices in full single precision on every device.

    GPUs and TPUs keep about three digits unless they are asked for more: too few for policies to
    act in training as they do on the host, and for returns to be added up as users would. It
    changes nothing on a CPU.
    """

    @wraps(function)
    def exact(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return exact
