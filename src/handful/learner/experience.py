"""Counts of all transitions so far, for observations that are numbered.

The dynamics are the same for every policy, so all policies count into one table. No policy's
transitions are forgotten, and no other policy has to see them again.
"""

import equinox as eqx
import jax.numpy as jnp

from handful.transitions import Transitions
from handful.types import Array, Float, Int


class Experience(eqx.Module):
    """The counts of transitions between ``S`` observations by ``A`` actions.

    Attributes:
        visits: the number of times that each action was taken at each observation.
        followed: the number of times that each observation came next, if the episode did not
            terminate.
        features: the reward features, summed over the visits.
        starts: the number of episodes that began with each observation.
    """

    visits: Int[Array, "S A"]
    followed: Int[Array, "S A S"]
    features: Float[Array, "S A D"]
    starts: Int[Array, " S"]

    @classmethod
    def empty(cls, num_symbols: int, num_actions: int, num_features: int) -> "Experience":
        """Return counts of 0."""
        pairs = (num_symbols, num_actions)
        return cls(
            jnp.zeros(pairs, jnp.int32),
            jnp.zeros((*pairs, num_symbols), jnp.int32),
            jnp.zeros((*pairs, num_features)),
            jnp.zeros(num_symbols, jnp.int32),
        )

    def begin(self, observations: Float[Array, "K B 1"]) -> "Experience":
        """Count episodes that begin with these observations."""
        first = symbols(observations, len(self.starts))
        return eqx.tree_at(lambda e: e.starts, self, self.starts.at[first].add(1))

    def add(self, batch: Transitions) -> "Experience":
        """Count a batch. An episode that begins with the next batch's first step is left out."""
        number = len(self.starts)
        seen = symbols(batch.observations, number)
        after = symbols(batch.next_observations, number)
        # The batch is summed first: single rewards would be lost in the rounding of a large sum.
        paid = jnp.zeros_like(self.features).at[seen, batch.actions].add(batch.features)
        goes_on = (~batch.terminated).astype(jnp.int32)
        begins = (batch.terminated | batch.truncated)[:, :-1].astype(jnp.int32)
        return Experience(
            self.visits.at[seen, batch.actions].add(1),
            self.followed.at[seen, batch.actions, after].add(goes_on),
            self.features + paid,
            self.starts.at[seen[:, 1:]].add(begins),
        )


def symbols(observations: Float[Array, "*batch 1"], number: int) -> Int[Array, "*batch"]:
    """Return the numbers of observations (:func:`~handful.environment.num_symbols`), from 0."""
    return jnp.rint(observations[..., 0] * number).astype(jnp.int32)
