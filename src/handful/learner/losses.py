"""The two losses of PPO for ``K`` policies (paper, equations 3, 4, 8, 9 and 12, and appendix B)."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from handful.learner.advantages import Scale, mix_advantages, standardize
from handful.learner.networks import Actor, Critic
from handful.types import Array, Float, PyTree

MixFn = Callable[[PyTree], Float[Array, "K D"]]
"""From the assignment's parameters to the weight of each feature in each policy's reward."""


class ActorBatch(NamedTuple):
    """What the actors learn from.

    Attributes:
        observations: normalised as they were when the actions were taken.
        actions: raw: never clipped.
        log_probs: under the policies that took them.
        advantages: in features; where the mix is constant, mixed already, with ``D`` = 1.
    """

    observations: Float[Array, "K M O"]
    actions: Array
    log_probs: Float[Array, "K M"]
    advantages: Float[Array, "K M D"]


class CriticBatch(NamedTuple):
    """What the critics learn from: normalised observations and value targets in features."""

    observations: Float[Array, "K M O"]
    targets: Float[Array, "K M D"]


class ActorMetrics(NamedTuple):
    """Of each policy in one minibatch."""

    entropy: Float[Array, " K"]
    approx_kl: Float[Array, " K"]
    clip_fraction: Float[Array, " K"]


def actor_loss(
    parameters: tuple[Actor, PyTree],
    batch: ActorBatch,
    mix_fn: MixFn,
    scale: Scale,
    clip_range: float,
    entropy_coefficient: Float[Array, ""] | float,
) -> tuple[Float[Array, ""], ActorMetrics]:
    """The clipped surrogate with an entropy bonus, summed over policies.

    The second of the parameters are the assignment's: through ``mix_fn`` the same backward pass
    reaches them (equation 12). ``scale`` is a constant of the whole batch, so that standardising
    does not hide from them how advantages differ between users.
    """
    actor, assignment = parameters
    distribution = actor(batch.observations)
    log_ratio = distribution.log_prob(batch.actions) - batch.log_probs
    ratio = jnp.exp(log_ratio)
    advantages = standardize(mix_advantages(batch.advantages, mix_fn(assignment)), scale)
    clipped = jnp.clip(ratio, 1.0 - clip_range, 1.0 + clip_range)
    surrogate = jnp.mean(jnp.minimum(ratio * advantages, clipped * advantages), axis=1)
    entropy = jnp.mean(distribution.entropy(), axis=1)
    metrics = ActorMetrics(
        entropy=entropy,
        approx_kl=jnp.mean(ratio - 1.0 - log_ratio, axis=1),
        clip_fraction=jnp.mean(jnp.abs(ratio - 1.0) > clip_range, axis=1),
    )
    return -jnp.sum(surrogate + entropy_coefficient * entropy), metrics


def critic_loss(critic: Critic, batch: CriticBatch) -> tuple[Float[Array, ""], Float[Array, " K"]]:
    """Half the mean squared error over a policy's values, summed over policies (equation 8)."""
    error = critic(batch.observations) - batch.targets
    per_policy = 0.5 * jnp.mean(error**2, axis=(1, 2))
    return jnp.sum(per_policy), per_policy
