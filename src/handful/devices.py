"""The devices that JAX computes on: their number, their precision, and compiled programs."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")

MAX_USEFUL_CORES = 2
"""One core trains the actors and one the critics; see :mod:`handful.learner.parallel`."""


_share: int | None = None
"""The number of cores that this process may use; None if nobody has limited it."""


def share_cores(cores: int) -> None:
    """Use at most this many cores from now on, because other processes work beside this one."""
    global _share
    _share = cores


def use_cores(cores: int | None = None) -> None:
    """Let training use this many CPU cores.

    It must be called before JAX does any work in this process; afterwards it changes nothing. It
    changes how long training takes; for the last digits of results see
    :mod:`handful.learner.parallel`.
    """
    wanted = min(cores or MAX_USEFUL_CORES, usable_cores(), MAX_USEFUL_CORES)
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError:  # JAX has started, so its devices are fixed
        return


def usable_cores() -> int:
    """Return the number of CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    return min(available, _share or available)


def keep_compiled_programs() -> None:
    """Keep compiled programs on disk, so that a similar command starts at once later.

    The folder is ``JAX_COMPILATION_CACHE_DIR`` if that variable is set, and else a part of the
    user's cache folder.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "handful" / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)


def in_full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with matrix products in full single precision on every device.

    GPUs and TPUs compute about three digits unless they are asked for more. That is too little for
    policies to act in training as they do on the host, and for returns to add up as users would add
    them. On a CPU this changes nothing.
    """

    @wraps(function)
    def exact(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return exact
