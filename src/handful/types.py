"""Axis letters and array aliases, the same throughout the library.

========  =========================================================
letter    axis
========  =========================================================
``T``     time steps
``B``     environments that one policy steps side by side
``M``     transitions of one policy in a batch (``T`` x ``B``), or a pool of candidates
``N``     users (the paper's *agents*)
``K``     policies (the paper's *representatives*)
``D``     reward features
``S, A``  states, actions
``O``     observation entries
``E``     evaluation episodes
========  =========================================================
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

__all__ = [
    "Array",
    "Bool",
    "Float",
    "Int",
    "Key",
    "LearnerName",
    "MethodName",
    "NumpyArray",
    "PRNGKey",
    "PresetName",
    "PyTree",
]

PRNGKey = Key[Array, ""]
"""The type of one JAX random key (``jax.random.key``)."""

PRNGKeys = PRNGKey | Key[Array, " K"]
"""One random key for all policies, or a key for each."""

NumpyArray = np.ndarray[Any, np.dtype[Any]]
"""The type of an array on the host."""

MethodName = Literal[
    "auto",
    "em",
    "end-to-end",
    "cluster",
    "random",
    "fixed",
    "soft-em",
    "pooled-em",
    "family-em",
    "elite-em",
    "universal",
]
"""The names of the assignment methods, for editors and type checkers."""

LearnerName = Literal["ppo", "counting", "sac"]
"""The names of the learners, for editors and type checkers."""

PresetName = Literal["paper", "fast"]
"""The names of the learner's presets."""


class Preset(NamedTuple):
    """The part of the learner's preset that a problem knows when it says what suits it better.

    Attributes:
        name: the preset's name.
        is_fast: whether the preset is meant to need little time, or few transitions, rather than to
            follow the paper.
    """

    name: str
    is_fast: bool


Watch = Callable[[float], None]
"""A function that gets the share of the work that is done, from 0 to 1; it may raise to end it."""


def unwatched(share: float) -> None:
    """Ignore the share of the work that is done."""


def part(watch: Watch, index: int, count: int) -> Watch:
    """Return the watcher of one of ``count`` equal parts of the work that ``watch`` watches.

    Args:
        watch: the watcher of the whole work.
        index: the number of the part, from 0.
        count: the number of parts.
    """
    return lambda share: watch((index + share) / count)
