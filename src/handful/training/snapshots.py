"""Policies at moments of a run that are worth keeping."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.learner.policies import Policies, reader_of
from handful.learner.update import Networks
from handful.problem import RMDP
from handful.types import Array, Bool, Float, Int, PyTree

SHORTLIST_LENGTH = 4
"""Moments that a run keeps to choose from when it ends."""


class Snapshot(eqx.Module):
    """Policies and their assignment at one moment, and what they were worth then.

    Attributes:
        welfare: mean over users, from the episodes that the policies finished in one batch, or from
            validation.
        returns: in features, from those episodes.
        networks: the policies' own parts of the learner.
        assignment: the assignment method's state.
    """

    welfare: Float[Array, ""]
    returns: Float[Array, "K D"]
    networks: Networks
    assignment: PyTree

    def policies(self, problem: RMDP) -> Policies:
        """The policies, ready to act; chance that was there to explore with is gone."""
        actor, normalizer = self.networks.actor.without_random_actions(), self.networks.normalizer
        reader = reader_of(problem.environment)
        return Policies(actor, normalizer, problem.environment.action_space, reader)


class Shortlist(eqx.Module):
    """The most promising moments of a run, apart from each other.

    What a batch shows of its policies is noisy: where episodes are longer than batches they were
    begun by earlier policies, and the luckiest of a thousand batches looks better than it is. So
    several are kept, and when the run ends each of them plays validation episodes
    (:mod:`handful.training.validation`).

    Attributes:
        snapshots: with a leading axis [M]; worth -inf where there is none yet.
        updates: [M] when each was taken, in updates.
        is_validated: whether the welfare is from validation.
    """

    snapshots: Snapshot
    updates: Int[Array, " M"]
    is_validated: Bool[Array, ""]

    @classmethod
    def empty(cls, returns: Array, networks: Networks, assignment: PyTree) -> "Shortlist":
        """Room for snapshots of this shape."""
        like = Snapshot(jnp.asarray(-jnp.inf), returns, networks, assignment)
        rows = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], SHORTLIST_LENGTH, axis=0), like)
        # Before the first update by more than any spacing, and in an order that fills every row.
        return cls(rows, jnp.full(SHORTLIST_LENGTH, -(2**30)), jnp.zeros((), bool))

    @property
    def best(self) -> Snapshot:
        """The one worth most; of equals the first."""
        return self[jnp.argmax(self.snapshots.welfare)]

    @property
    def is_empty(self) -> Bool[Array, ""]:
        """Whether nothing was worth anything yet."""
        return jnp.all(jnp.isneginf(self.snapshots.welfare))

    def __getitem__(self, row: int | Array) -> Snapshot:
        return _row(self.snapshots, row)

    def offer(self, snapshot: Snapshot, update: Int[Array, ""], spacing: int) -> "Shortlist":
        """Take a snapshot in, if it is worth more than the one whose place it would take.

        That is the latest one where it is less than ``spacing`` updates old, else the least.
        """
        welfare = self.snapshots.welfare
        latest = jnp.argmax(self.updates)
        is_close = update - self.updates[latest] < spacing
        row = jnp.where(is_close, latest, jnp.argmin(welfare))
        is_better = snapshot.welfare > welfare[row]  # never where it is no number
        snapshots, updates = jax.tree.map(
            lambda rows, new: rows.at[row].set(jnp.where(is_better, new, rows[row])),
            (self.snapshots, self.updates),
            (snapshot, update),
        )
        return Shortlist(snapshots, updates, self.is_validated)


@jax.jit
def _row(snapshots: Snapshot, row: int | Array) -> Snapshot:
    """One program: array by array, a run's first row takes a second of compiling."""
    return jax.tree.map(lambda leaf: leaf[row], snapshots)


class Pooled(NamedTuple):
    """Some of a pool's policies, with the attributes that :class:`Pool` has of all."""

    returns: Float[Array, "K D"]
    mixes: Float[Array, "K D"]
    networks: Networks


class Pool(eqx.Module):
    """Policies that a run had, to go on from and to choose from in the end.

    Attributes:
        count: rows that are filled, always the first ones.
        returns: in features, from validation.
        mixes: what each feature was worth to the mean user that each policy was trained for.
        networks: their own parts of the learner.
    """

    count: Int[Array, ""]
    returns: Float[Array, "M D"]
    mixes: Float[Array, "M D"]
    networks: Networks

    @classmethod
    def empty(cls, like: Snapshot, shortlists: int) -> "Pool":
        """Room for the policies of so many shortlists."""
        rows = shortlists * SHORTLIST_LENGTH * like.returns.shape[0]
        returns, networks = jax.tree.map(
            lambda leaf: jnp.zeros((rows, *leaf.shape[1:]), leaf.dtype),
            (like.returns, like.networks),
        )
        return cls(jnp.zeros((), jnp.int32), returns, jnp.zeros_like(returns), networks)

    def add(self, policies: Pooled) -> "Pool":
        """Fill the next rows."""
        filled = jax.tree.map(
            lambda rows, new: jax.lax.dynamic_update_slice_in_dim(rows, new, self.count, 0),
            Pooled(self.returns, self.mixes, self.networks),
            policies,
        )
        return Pool(self.count + len(policies.returns), *filled)

    def map(self, change: Callable[[Pooled], Pooled], at_once: int) -> "Pool":
        """The pool with its policies changed, so many at a time: a divisor of their number."""
        pool = dataclasses.replace(self, count=jnp.zeros_like(self.count))
        for rows in jnp.arange(int(self.count)).reshape(-1, at_once):
            old = Pooled(self.returns[rows], self.mixes[rows], self.networks.take(rows))
            pool = pool.add(change(old))
        return pool

    def add_all(
        self, shortlist: Shortlist, mixes_of: Callable[[PyTree], Float[Array, "K D"]]
    ) -> "Pool":
        """The policies of every moment of a shortlist that was validated.

        Args:
            mixes_of: from an assignment method's state to what its policies are trained for.
        """
        pool = self
        for row in range(len(shortlist.updates)):
            moment = shortlist[row]
            if jnp.isfinite(moment.welfare):
                mixes = mixes_of(moment.assignment)
                pool = pool.add(Pooled(moment.returns, mixes, moment.networks))
        return pool
