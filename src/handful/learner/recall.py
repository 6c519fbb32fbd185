"""Self-imitation: a universal policy learns again from what turned out better than expected.

Stretches of experience are kept. As rewards are linear in features, each of them can be judged for
any mix of preferences. So what the policy finds by chance for one user, or while it explores, is
tried for all others. Of many stretches, each with a mix that is drawn
for it, those are learnt from that paid most above the critic's expectation. There the actor learns
the actions, in proportion to that gain, and the critic learns the returns (self-imitation learning:
Oh et al. 2018; relabelling for other preferences: Yang, Sun & Narasimhan 2019).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from handful.environment import ActionSpace, Box
from handful.learner.conditioned import with_contexts
from handful.learner.gae import gae
from handful.learner.losses import descend
from handful.learner.networks import Actor, Critic, keep_spread
from handful.learner.normalize import Normalizer
from handful.transitions import Transitions
from handful.types import Array, Float, Int, PRNGKey

MOST_STRETCHES = 4096
"""The most stretches that are kept; the oldest are forgotten first."""

MOST_NUMBERS = 2**22
"""The most numbers that are kept, of all stretches together: 16 MiB."""

DRAWN, LEARNT = 512, 64
"""The stretches that are judged at an update, and how many of them are learnt from."""

TOGETHER = 8
"""The stretches of a gradient step."""

EPOCHS = 2
"""The passes over the stretches that are learnt from."""

LARGEST_GAIN = 3.0
"""The largest gain of a step, in standard deviations of the latest advantages."""


class Recall(eqx.Module):
    """The stretches that are kept.

    Attributes:
        kept: the stretches, [S, T, 1].
        number: how many have been kept in all, those that were forgotten included.
    """

    kept: Transitions
    number: Int[Array, ""]

    @classmethod
    def empty(
        cls, stretch: int, observation_size: int, space: ActionSpace, num_features: int
    ) -> "Recall":
        """Return a memory without anything in it.

        Args:
            stretch: the number ``T`` of steps between two updates.
            observation_size: the number of entries of an observation.
            space: the actions.
            num_features: the number of reward features.
        """
        shape = (space.size,) if isinstance(space, Box) else ()
        each = 2 * observation_size + sum(shape) + num_features + 4
        slots = min(max(MOST_NUMBERS // (stretch * each), LEARNT), MOST_STRETCHES)
        start = (slots, stretch, 1)
        seen, flags = jnp.zeros((*start, observation_size)), jnp.zeros(start, bool)
        kept = Transitions(
            observations=seen,
            actions=jnp.zeros((*start, *shape), jnp.float32 if shape else jnp.int32),
            log_probs=jnp.zeros(start),
            features=jnp.zeros((*start, num_features)),
            next_observations=seen,
            terminated=flags,
            truncated=flags,
        )
        return cls(kept, jnp.zeros((), jnp.int32))

    def keep(self, batch: Transitions) -> "Recall":
        """Return the memory with a batch of one environment for each policy in it, [K, T, 1]."""
        slots = len(self.kept.terminated)
        new = len(batch.terminated)
        rows = (self.number + jnp.arange(new)) % slots
        kept = jax.tree.map(lambda mine, leaf: mine.at[rows].set(leaf), self.kept, batch)
        return Recall(kept, self.number + new)

    def draw(self, key: PRNGKey, count: int) -> Transitions:
        """Draw ``M`` stretches, with replacement: [M, T]."""
        filled = jnp.minimum(self.number, len(self.kept.terminated))
        rows = jax.random.randint(key, (count,), 0, filled)
        return jax.tree.map(lambda leaf: leaf[rows], self.kept).flat()


class Learnt(NamedTuple):
    """The networks after they have learnt from stretches again.

    Attributes:
        actor, critic: the networks, with the contexts that they had.
        actor_moments, critic_moments: Adam's moments of them.
    """

    actor: Actor
    critic: Critic
    actor_moments: optax.OptState
    critic_moments: optax.OptState


class Lesson(NamedTuple):
    """Stretches to learn from: for each step its gain and its return.

    Attributes:
        observations: the normalised observations.
        actions: what was done there, [M, T, A], or [M, T] if actions are finite.
        contexts: the context of the mix that each stretch is judged for.
        gains: how much more each step led to than the critic expected, and 0 where it was less.
        targets: the return from each step on, in features.
    """

    observations: Float[Array, "M T O"]
    actions: Array
    contexts: Float[Array, "M Z"]
    gains: Float[Array, "M T"]
    targets: Float[Array, "M T D"]


def judged(
    critic: Critic,
    normalizer: Normalizer,
    stretches: Transitions,
    mixes: Float[Array, "M D"],
    contexts: Float[Array, "M Z"],
    discount: float,
    scale: Float[Array, ""],
) -> Lesson:
    """Return those stretches that paid most above what the critic expected, each for its mix.

    Args:
        critic: the critic.
        normalizer: the statistics that normalise observations, of any policy.
        stretches: what is judged, [M, T].
        mixes: the mix that each stretch is judged for.
        contexts: the context of each mix.
        discount: the discount of later rewards.
        scale: the standard deviation of the advantages of the latest update.
    """
    rows, number = jnp.zeros(len(mixes), jnp.int32), mixes.shape[-1]
    seen = normalizer.take(rows)  # policies see alike: all rows are equal
    observations = seen(stretches.observations)
    values = _values(critic, contexts, observations, number)
    following = _values(critic, contexts, seen(stretches.next_observations), number)
    gains = jax.vmap(lambda *course: gae(*course, discount=discount, gae_lambda=1.0))(
        stretches.features, values, following, stretches.terminated, stretches.truncated
    )
    mixed = jnp.einsum("mtd,md->mt", gains, mixes)
    mixed = jnp.clip(mixed / (scale + 1e-8), 0.0, LARGEST_GAIN)
    lesson = Lesson(observations, stretches.actions, contexts, mixed, gains + values)
    order = jnp.argsort(-jnp.mean(mixed, axis=1))
    return jax.tree.map(lambda leaf: leaf[order[:LEARNT]], lesson)


def relearn(
    key: PRNGKey,
    before: Learnt,
    lesson: Lesson,
    learning_rate: Float[Array, ""],
    max_norm: float,
    epsilon: float,
    learns_spread: bool,
) -> Learnt:
    """Learn from stretches again.

    Args:
        key: the key of the order of stretches.
        before: the networks so far.
        lesson: the stretches.
        learning_rate: Adam's step size.
        max_norm: the norm that gradients are scaled down to.
        epsilon: Adam's epsilon.
        learns_spread: whether the spread of continuous actions is learnt.
    """
    number = len(lesson.gains)

    def actor_loss(actor: Actor, part: Lesson) -> Float[Array, ""]:
        log_probs = with_contexts(actor, part.contexts)(part.observations).log_prob(part.actions)
        return -jnp.mean(log_probs * part.gains)

    def critic_loss(critic: Critic, part: Lesson) -> Float[Array, ""]:
        values = _values(critic, part.contexts, part.observations, part.targets.shape[-1])
        return 0.5 * jnp.mean((values - part.targets) ** 2 * (part.gains > 0)[..., None])

    def step(networks: Learnt, rows: Int[Array, " m"]) -> tuple[Learnt, None]:
        part = jax.tree.map(lambda leaf: leaf[rows], lesson)
        towards = jax.grad(actor_loss)(networks.actor, part)
        towards = towards if learns_spread else keep_spread(towards)
        follow = (learning_rate, max_norm, epsilon)
        actor = descend(networks.actor, towards, networks.actor_moments, *follow)
        gradients = jax.grad(critic_loss)(networks.critic, part)
        critic = descend(networks.critic, gradients, networks.critic_moments, *follow)
        return Learnt(actor[0], critic[0], actor[1], critic[1]), None

    keys = jax.random.split(key, EPOCHS)
    orders = jax.vmap(lambda one: jax.random.permutation(one, number))(keys)
    after, _ = jax.lax.scan(step, before, orders.reshape(-1, min(TOGETHER, number)))
    return after


def _values(
    critic: Critic,
    contexts: Float[Array, "M Z"],
    observations: Float[Array, "M T O"],
    number: int,
) -> Float[Array, "M T D"]:
    """Return the values of the first features; a critic may judge novelty besides."""
    return with_contexts(critic, contexts)(observations)[..., :number]
