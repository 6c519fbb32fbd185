"""One episode of each policy, step by step: what a run folder shows of how policies behave."""

from typing import Any

import jax
import numpy as np

from handful.collect.episodes import make_player
from handful.evaluation.returns import EVALUATION_STREAM
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.types import Array, NumpyArray, PyTree


def trace_policies(problem: RMDP, policies: Policies, seed: int) -> list[dict[str, Any]]:
    """One deterministic episode of each policy: its length and each step's outcome by name."""
    key = jax.random.fold_in(jax.random.key(seed), EVALUATION_STREAM)
    play = make_player(problem, policies.num_policies, 1, trace=True)
    episodes = play(key, policies, True)
    named = _named_leaves(episodes.outcomes)
    lengths = np.asarray(episodes.lengths)[0]
    return [
        {"length": int(length), **{n: _as_json(leaf[0, k, :length]) for n, leaf in named.items()}}
        for k, length in enumerate(lengths)
    ]


def _named_leaves(outcomes: PyTree) -> dict[str, NumpyArray]:
    """The arrays of an outcome by their path in it, as ``position`` or ``body.speed``.

    An outcome that is one array is ``outcome``. A name that is taken, by the episode's length or by
    another array, gets that before it.
    """
    named: dict[str, NumpyArray] = {}
    leaves: list[tuple[Any, Array]] = jax.tree_util.tree_flatten_with_path(outcomes)[0]
    for path, leaf in leaves:
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "outcome"
        while name == "length" or name in named:
            name = f"outcome.{name}"
        named[name] = np.asarray(leaf)
    return named


def _as_json(values: NumpyArray) -> list[Any]:
    """Lists of numbers; None stands for infinity and NaN, which JSON has not."""
    listed = values.astype(object)
    listed[~np.isfinite(values)] = None
    return listed.tolist()
