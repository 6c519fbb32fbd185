"""Policies that stay as they are while others learn.

A frozen policy is measured and serves users like any other; only what it does never changes, to the
last bit. So it need not play while others learn: the learner has the policies that play
(:attr:`~handful.training.config.TrainConfig.players`), and the frozen ones are those that the run
keeps of its start. All policies that a run started from are held for its first updates, in which
their critics, who begin new, learn to judge them.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.collect.returns import FinishedEpisodes
from handful.learner.base import LearnerState, Networks
from handful.training.run import Run
from handful.types import Array, Int, PyTree


def hold(
    run: Run, update: Int[Array, ""], before: LearnerState, after: LearnerState
) -> LearnerState:
    """Return a learner's state after an update, with the held policies as they were.

    Args:
        run: the run.
        update: the number of updates done before this one.
        before: the learner's state before the update, of the policies that play.
        after: the same after it. Critics and optimisers are taken from it for all policies.
    """
    start = run.config.start
    if start is None:
        return after
    numbers = jnp.asarray(run.config.players, jnp.int32)
    waits = (update < run.critics_first) & (numbers < start.num_given)
    held = waits | jnp.isin(numbers, jnp.asarray(start.frozen, jnp.int32))

    def pick(old: Array, new: Array) -> Array:
        return jnp.where(held.reshape(-1, *[1] * (new.ndim - 1)), old, new)

    actor, normalizer = jax.tree.map(
        pick, (before.actor, before.normalizer), (after.actor, after.normalizer)
    )
    return eqx.tree_at(lambda state: (state.actor, state.normalizer), after, (actor, normalizer))


def with_frozen(run: Run, playing: Networks, start: Networks) -> Networks:
    """Return all policies of a run: those that play, and the frozen ones of its start.

    Args:
        run: the run.
        playing: the policies that play, [P].
        start: all policies at the start, [K]; a run with frozen policies shares no layers.
    """
    if len(run.config.players) == run.num_policies:
        return playing
    places = jnp.asarray(run.config.players, jnp.int32)
    return jax.tree.map(lambda all_of, own: all_of.at[places].set(own), start, playing)


def in_all_places(run: Run, playing: Networks) -> Networks:
    """Return ``K`` policies of which those that play are the given ones, and others copies of one.

    Args:
        run: the run.
        playing: the policies that play, [P].
    """
    if len(run.config.players) == run.num_policies:
        return playing
    sources = spread(run, jnp.arange(len(run.config.players)), 0)
    return playing.take(sources)


def of_players(run: Run, values: PyTree) -> PyTree:
    """Return the rows [P, ...] of the policies that play, from arrays [K, ...] of all policies."""
    if len(run.config.players) == run.num_policies:
        return values
    places = jnp.asarray(run.config.players, jnp.int32)
    return jax.tree.map(lambda leaf: leaf[places], values)


def spread(run: Run, values: Array, missing: float | int | bool) -> Array:
    """Return an array [K, ...] of all policies from one [P, ...] of those that play.

    Args:
        run: the run.
        values: the array of the policies that play.
        missing: the value in the rows of the others.
    """
    if len(run.config.players) == run.num_policies:
        return values
    places = jnp.asarray(run.config.players, jnp.int32)
    empty = jnp.full((run.num_policies, *values.shape[1:]), missing, values.dtype)
    return empty.at[places].set(values)


def finished_by_all(run: Run, finished: FinishedEpisodes) -> FinishedEpisodes:
    """Return the finished episodes of all policies: those that do not play have finished none."""
    return jax.tree.map(lambda leaf: spread(run, leaf, 0), finished)
