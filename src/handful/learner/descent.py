"""How networks follow their gradients: Adam, clipped for each policy."""

from typing import TypeVar

import jax
import jax.numpy as jnp
import optax

from handful.learner.config import PPOConfig
from handful.learner.networks import has_policy_axis
from handful.types import Array, Bool, Float

Parameters = TypeVar("Parameters")


def adam(config: PPOConfig) -> optax.GradientTransformation:
    """Adam's direction; the learning rate is applied afterwards as it changes."""
    return optax.scale_by_adam(eps=config.adam_epsilon)


def descend(
    parameters: Parameters,
    gradients: Parameters,
    moments: optax.OptState,
    learning_rate: Float[Array, ""],
    config: PPOConfig,
) -> tuple[Parameters, optax.OptState]:
    """One step down along clipped gradients: the new parameters and moments."""
    clipped = clip_gradients(gradients, config.max_grad_norm)
    direction, moments = adam(config).update(clipped, moments)
    return jax.tree.map(lambda p, d: p - learning_rate * d, parameters, direction), moments


def clip_gradients(gradients: Parameters, max_norm: float) -> Parameters:
    """Scale gradients down to ``max_norm``: each policy's own where they share no layer."""
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
        return leaf * factors[0]  # all the same where layers are shared

    return jax.tree.map(scaled, gradients, own)
