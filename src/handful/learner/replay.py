"""A replay buffer: the latest transitions of all policies, from which every policy learns.

A transition says the reward features of its step, and not a reward. So it is worth something to
every policy: the reward follows from the features and from what the policy is trained for (the idea
of relabelling, Kaelbling 1993 and Andrychowicz et al. 2017, for rewards that are linear in
features).
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp

from handful._support.text import count
from handful.environment import ActionSpace, Box
from handful.errors import HandfulError
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int

MOST_BYTES = 2**33
"""The largest buffer: training holds it once, and a checkpoint writes all of it."""


class Recorded(eqx.Module):
    """Transitions of any policies, in any order.

    Attributes:
        observations: the raw observation before each step.
        actions: the actions, in the environment's units.
        features: the reward features of each step, on the learner's scale.
        next_observations: the raw observation after each step.
        terminated: whether nothing can be earned after the step. A step that a time limit cut is
            not marked: what follows counts.
        labels: a number that says what each transition was collected for; None if nobody asks.
    """

    observations: Float[Array, "*M O"]
    actions: Array
    features: Float[Array, "*M D"]
    next_observations: Float[Array, "*M O"]
    terminated: Bool[Array, "*M"]
    labels: Int[Array, "*M"] | None = None


class Replay(eqx.Module):
    """A ring of ``C`` transitions: a new one takes the place of the oldest.

    Attributes:
        stored: the transitions, [C] of each array.
        added: the number of transitions that were ever added.
    """

    stored: Recorded
    added: Int[Array, ""]

    @classmethod
    def empty(
        cls,
        capacity: int,
        observation_size: int,
        space: ActionSpace,
        num_features: int,
        labelled: bool = False,
    ) -> "Replay":
        """Return a buffer without transitions.

        Args:
            capacity: ``C``, the most transitions that it holds.
            observation_size: ``O``.
            space: the action space.
            num_features: ``D``.
            labelled: whether transitions have labels.
        """
        is_box = isinstance(space, Box)
        actions = jnp.zeros((capacity, space.size) if is_box else capacity)
        return cls(
            Recorded(
                observations=jnp.zeros((capacity, observation_size)),
                actions=actions if is_box else actions.astype(jnp.int32),
                features=jnp.zeros((capacity, num_features)),
                next_observations=jnp.zeros((capacity, observation_size)),
                terminated=jnp.zeros(capacity, bool),
                labels=jnp.zeros(capacity, jnp.int32) if labelled else None,
            ),
            jnp.zeros((), jnp.int32),
        )

    @property
    def capacity(self) -> int:
        """``C``, the most transitions that the buffer holds."""
        return self.stored.terminated.shape[0]

    @property
    def size(self) -> Int[Array, ""]:
        """The number of transitions that the buffer holds."""
        return jnp.minimum(self.added, self.capacity)

    def unlabelled(self) -> "Replay":
        """Return the same buffer without labels."""
        return Replay(dataclasses.replace(self.stored, labels=None), self.added)

    def add(self, batch: Transitions, labels: Int[Array, " K"] | None = None) -> "Replay":
        """Return the buffer with a batch [K, T, B] of all policies in it.

        Args:
            batch: the batch.
            labels: what each policy collected for, if the buffer keeps that.
        """
        if labels is not None:
            labels = jnp.broadcast_to(labels[:, None, None], batch.terminated.shape)
        new = Recorded(
            batch.observations,
            batch.actions,
            batch.features,
            batch.next_observations,
            batch.terminated,
            labels,
        )
        new = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[3:])[-self.capacity :], new)
        number = new.terminated.shape[0]
        places = (self.added + jnp.arange(number)) % self.capacity
        stored = jax.tree.map(lambda ring, rows: ring.at[places].set(rows), self.stored, new)
        # The count wraps around long before it overflows, and stays above the capacity.
        added = self.added + number
        return Replay(stored, jnp.where(added >= 2 * self.capacity, added - self.capacity, added))

    def take(self, rows: Int[Array, " M"]) -> Recorded:
        """Return the transitions at some places of the ring."""
        return jax.tree.map(lambda leaf: leaf[rows], self.stored)


def check_size(capacity: int, observation_size: int, space: ActionSpace, num_features: int) -> None:
    """Refuse a buffer that is too large to hold, before it is made.

    Args:
        capacity: ``C``, the most transitions.
        observation_size: ``O``.
        space: the action space.
        num_features: ``D``.

    Raises:
        HandfulError: if the buffer would take more than :data:`MOST_BYTES`.
    """
    action_size = space.size if isinstance(space, Box) else 1
    each = 4 * (2 * observation_size + action_size + num_features) + 1
    if capacity * each > MOST_BYTES:
        raise HandfulError(
            f"A replay buffer of {count(capacity, 'transition')} with "
            f"{count(observation_size, 'observation entry')} and "
            f"{count(num_features, 'reward feature')} each would take "
            f"{capacity * each / 2**30:.1f} GiB, and at most {MOST_BYTES // 2**30} fit: set the "
            f"learner's setting capacity to at most {MOST_BYTES // each}."
        )
