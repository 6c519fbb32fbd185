"""PPO's losses, the clipping of their gradients, and the descent along these."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax

from handful.learner.gae import Scale, mix_advantages, standardize
from handful.learner.networks import Actor, Critic, has_policy_axis
from handful.types import Array, Bool, Float, PyTree

WeightsFn = Callable[[PyTree], Float[Array, "K D"]]
"""A function from the assignment's parameters to the weights of the mix (:mod:`handful.mix`)."""


class ActorBatch(NamedTuple):
    """The data that the actors learn from.

    Attributes:
        observations: the observations, normalised as they were when the actions were taken.
        actions: the raw actions, never clipped.
        log_probs: the log-probabilities of the actions under the policies that took them.
        advantages: the advantages in features; if the mix is constant, they are mixed already,
            and ``D`` = 1.
    """

    observations: Float[Array, "K M O"]
    actions: Array
    log_probs: Float[Array, "K M"]
    advantages: Float[Array, "K M D"]


class CriticBatch(NamedTuple):
    """The critics' data: normalised observations, and value targets in features."""

    observations: Float[Array, "K M O"]
    targets: Float[Array, "K M D"]


class ActorMetrics(NamedTuple):
    """The actors' metrics in one minibatch, with a number for each policy [K]."""

    entropy: Float[Array, " K"]
    approx_kl: Float[Array, " K"]
    clip_fraction: Float[Array, " K"]


def actor_loss(
    parameters: tuple[Actor, PyTree],
    batch: ActorBatch,
    weights_of: WeightsFn | None,
    scale: Scale,
    clip_range: float,
    entropy_coefficient: Float[Array, ""] | float,
) -> tuple[Float[Array, ""], ActorMetrics]:
    """Return the clipped surrogate with an entropy bonus, summed over policies.

    The second parameters are the assignment's. The same backward pass reaches them through
    ``weights_of`` (equation 12), which is None if the advantages are mixed already. ``scale`` is a
    constant of the whole batch, so that standardising does not hide how advantages differ between
    users.
    """
    actor, assignment = parameters
    distribution = actor(batch.observations)
    log_ratio = distribution.log_prob(batch.actions) - batch.log_probs
    ratio = jnp.exp(log_ratio)
    if weights_of is None:
        mixed = batch.advantages[:, :, 0]
    else:
        mixed = mix_advantages(batch.advantages, weights_of(assignment))
    advantages = standardize(mixed, scale)
    clipped = jnp.clip(ratio, 1.0 - clip_range, 1.0 + clip_range)
    surrogate = jnp.mean(jnp.minimum(ratio * advantages, clipped * advantages), axis=1)
    entropy = jnp.mean(distribution.entropy(), axis=1)
    metrics = ActorMetrics(
        entropy=entropy,
        approx_kl=jnp.mean(ratio - 1.0 - log_ratio, axis=1),
        clip_fraction=jnp.mean(jnp.abs(ratio - 1.0) > clip_range, axis=1),
    )
    return -jnp.sum(surrogate + entropy_coefficient * entropy), metrics


def critic_loss(
    critic: Critic,
    batch: CriticBatch,
    mix: Float[Array, "K D"] | None = None,
    mix_weight: float = 0.0,
) -> tuple[Float[Array, ""], Float[Array, " K"]]:
    """Return half the mean squared error of the values, summed over policies (equation 8).

    Where features are many, most of them are hardly ever paid, and the values of the few that a
    policy is trained for are a small part of the mean. So the error of the value of the policy's
    own mix may count besides.

    Args:
        critic: the critics.
        batch: their data.
        mix: the mix that each policy is trained for; None if only the mean over features counts.
        mix_weight: how much the squared error of the mixes' values counts. Mixes are scaled
            together so that their weights have a root mean square norm of 1.

    Returns:
        The loss, and that part of it for each policy which is the mean over features.
    """
    error = critic(batch.observations) - batch.targets
    per_policy = 0.5 * jnp.mean(error**2, axis=(1, 2))
    total = jnp.sum(per_policy)
    if mix is not None:
        size = jnp.sqrt(jnp.mean(jnp.sum(mix**2, axis=1)))
        mixed = mix_advantages(error, mix / jnp.where(size > 0.0, size, 1.0))
        total = total + mix_weight * 0.5 * jnp.sum(jnp.mean(mixed**2, axis=1))
    return total, per_policy


Parameters = TypeVar("Parameters")


def adam(epsilon: float) -> optax.GradientTransformation:
    """Return Adam's direction.

    The learning rate, which changes, is applied afterwards.
    """
    return optax.scale_by_adam(eps=epsilon)


def descend(
    parameters: Parameters,
    gradients: Parameters,
    moments: optax.OptState,
    learning_rate: Float[Array, ""],
    max_norm: float,
    epsilon: float,
) -> tuple[Parameters, optax.OptState]:
    """Take one step down along clipped gradients; return the new parameters and moments."""
    clipped = clip_gradients(gradients, max_norm)
    direction, moments = adam(epsilon).update(clipped, moments)
    return jax.tree.map(lambda p, d: p - learning_rate * d, parameters, direction), moments


def clip_gradients(gradients: Parameters, max_norm: float) -> Parameters:
    """Scale gradients down to the norm ``max_norm``.

    Each policy's gradients are scaled alone if the policies share no layer.
    """
    own = has_policy_axis(gradients)
    squares: list[Float[Array, " K"]] = []
    shared_squares: list[Float[Array, ""]] = []
    for leaf, is_own in zip(jax.tree.leaves(gradients), jax.tree.leaves(own), strict=True):
        if is_own:
            squares.append(jnp.sum(leaf**2, axis=tuple(range(1, leaf.ndim))))
        else:
            shared_squares.append(jnp.sum(leaf**2))
    per_policy = sum(squares, jnp.zeros(()))
    if shared_squares:
        total = jnp.sum(per_policy) + sum(shared_squares, jnp.zeros(()))
        per_policy = jnp.broadcast_to(total / per_policy.shape[0], per_policy.shape)
    factors = jnp.minimum(1.0, max_norm / (jnp.sqrt(per_policy) + 1e-6))

    def scaled(leaf: Array, is_own: Bool[Array, ""] | bool) -> Array:
        if is_own:
            return leaf * factors.reshape(-1, *[1] * (leaf.ndim - 1))
        return leaf * factors[0]  # all factors are equal if layers are shared

    return jax.tree.map(scaled, gradients, own)
