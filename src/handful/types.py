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
"""One JAX random key (``jax.random.key``)."""

NumpyArray = np.ndarray[Any, np.dtype[Any]]
"""An array on the host."""

MethodName = Literal[
    "auto",
    "em",
    "end-to-end",
    "cluster",
    "random",
    "fixed",
    "soft-em",
    "pooled-em",
    "planned-em",
    "family-em",
    "elite-em",
    "branching-em",
]
"""The assignment methods, for editors and type checkers."""

LearnerName = Literal["ppo", "counting"]
"""The learners, for editors and type checkers."""

PresetName = Literal["paper", "fast"]
"""The learner's presets."""


class Preset(NamedTuple):
    """What a problem may know of the learner's preset when it says what suits it better.

    Attributes:
        name: the preset's name.
        is_fast: whether the preset is meant to need little time, or few transitions, rather than to
            do as the paper does.
    """

    name: str
    is_fast: bool


Watch = Callable[[float], None]
"""Is told the share of the work that is done, from 0 to 1, and may raise to end it."""


def unwatched(share: float) -> None:
    """Nobody watches."""


def part(watch: Watch, index: int, count: int) -> Watch:
    """Who watches one of ``count`` equal parts, where ``watch`` watches all of them."""
    return lambda share: watch((index + share) / count)
