"""Behavioural cloning: policies learn to take the actions of given episodes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from handful.learner.base import LearnerState
from handful.learner.networks import Actor, keep_spread
from handful.types import Array, Bool, Float

STEPS = 20
"""The steps of gradient descent in each call."""

LEARNING_RATE = 1e-3
"""The learning rate of Adam: actors are small, and an episode has a few dozen steps to learn."""


def imitate(
    state: LearnerState,
    observations: Float[Array, "K L O"],
    actions: Array,
    is_step: Bool[Array, "K L"],
    learns_spread: bool = True,
) -> LearnerState:
    """Move every policy towards the actions of one episode: a few steps of maximum likelihood.

    Adam starts with new moments in every call, so that episodes do not influence each other.

    Args:
        observations: the raw observations of one episode for each policy.
        actions: the raw actions of these episodes, [K, L] or [K, L, A].
        is_step: whether each step counts; a policy without any stays as it is, unless it shares
            layers.
        learns_spread: whether the standard deviations of continuous actions are learnt too.
    """
    seen = state.normalizer(observations)
    weight = is_step / jnp.maximum(jnp.sum(is_step, axis=1, keepdims=True), 1)
    optimizer = optax.adam(LEARNING_RATE)

    def loss(actor: Actor) -> Float[Array, ""]:
        return -jnp.sum(actor.without_random_actions()(seen).log_prob(actions) * weight)

    def step(
        carry: tuple[Actor, optax.OptState], _: None
    ) -> tuple[tuple[Actor, optax.OptState], None]:
        actor, moments = carry
        gradients = jax.grad(loss)(actor)
        towards = gradients if learns_spread else keep_spread(gradients)
        updates, moments = optimizer.update(towards, moments)
        return (jax.tree.map(jnp.add, actor, updates), moments), None

    start = (state.actor, optimizer.init(state.actor))
    (actor, _), _ = jax.lax.scan(step, start, None, length=STEPS)
    return eqx.tree_at(lambda s: s.actor, state, actor)
