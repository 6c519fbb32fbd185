"""Policies that stay as they are while others learn.

A frozen policy acts, is measured and serves users like any other; only what it does never changes,
to the last bit. All policies that a run started from are held for its first updates, in which their
critics, who begin new, learn to judge them.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.learner.base import LearnerState
from handful.training.run import Run
from handful.types import Array, Int


def hold(
    run: Run, update: Int[Array, ""], before: LearnerState, after: LearnerState
) -> LearnerState:
    """Return a learner's state after an update, with the held policies as they were.

    Args:
        run: the run.
        update: the number of updates done before this one.
        before: the learner's state before the update.
        after: the same after it. Critics and optimisers are taken from it for all policies.
    """
    start = run.config.start
    if start is None:
        return after
    numbers = jnp.arange(run.num_policies)
    waits = (update < run.critics_first) & (numbers < start.num_given)
    held = waits | jnp.isin(numbers, jnp.asarray(start.frozen, jnp.int32))

    def pick(old: Array, new: Array) -> Array:
        return jnp.where(held.reshape(-1, *[1] * (new.ndim - 1)), old, new)

    actor, normalizer = jax.tree.map(
        pick, (before.actor, before.normalizer), (after.actor, after.normalizer)
    )
    return eqx.tree_at(lambda state: (state.actor, state.normalizer), after, (actor, normalizer))
