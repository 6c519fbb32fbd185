"""Networks that take the actions of given tables: distillation (Hinton et al., 2015) of planning.

A plan in a finite model is a table with an action for each observation. What comes out of a run
is networks, as from every other method, so that they can go on learning and be exported.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from handful.learner.base import Networks
from handful.learner.networks import Actor
from handful.types import Array, Bool, Float, Int, NumpyArray

LEARNING_RATE = 3e-3
"""The first step size of Adam, which falls to a tenth."""

STEPS = 250
"""The steps of gradient descent between two looks at the actions."""

MOST_LOOKS = 24
"""The most looks: 6,000 steps, far more than the tables of most problems need."""

CONFIDENCE = 0.9
"""The least mean probability of the right actions."""

ELSEWHERE = 0.02
"""The weight of an observation that a policy never comes to, beside 1."""


def distilled(
    networks: Networks,
    observations: NumpyArray,
    actions: NumpyArray,
    is_reached: NumpyArray,
) -> Networks:
    """Return networks whose likeliest actions are those of tables.

    Args:
        networks: the networks to begin with, of ``K`` policies that share no layers.
        observations: the raw observations, [S, O].
        actions: the action of each policy at each of them, int [K, S].
        is_reached: whether each policy comes to each of them, bool [K, S].
    """
    everyone = jnp.broadcast_to(jnp.asarray(observations), (len(actions), *observations.shape))
    seen = networks.normalizer(everyone)
    weight = np.where(is_reached, 1.0, ELSEWHERE)
    weight = jnp.asarray(weight / weight.sum(axis=1, keepdims=True))
    wanted = jnp.asarray(actions, jnp.int32)
    schedule = optax.cosine_decay_schedule(LEARNING_RATE, STEPS * MOST_LOOKS, alpha=0.1)
    optimizer = optax.adam(schedule)
    actor, moments = networks.actor, optimizer.init(networks.actor)
    for _ in range(MOST_LOOKS):
        actor, moments, right, likely = _stretch(
            optimizer, actor, moments, seen, wanted, weight, jnp.asarray(is_reached)
        )
        if float(right) == 1.0 and float(likely) >= CONFIDENCE:
            break
    return Networks(actor, networks.critic, networks.normalizer)


@eqx.filter_jit
def _stretch(
    optimizer: optax.GradientTransformation,
    actor: Actor,
    moments: optax.OptState,
    seen: Float[Array, "K S O"],
    wanted: Int[Array, "K S"],
    weight: Float[Array, "K S"],
    is_reached: Bool[Array, "K S"],
) -> tuple[Actor, optax.OptState, Float[Array, ""], Float[Array, ""]]:
    """Take some steps of gradient descent, and look at the actions then.

    Returns:
        The actor, its moments, the share of right actions where policies come to, and the smallest
        mean probability of the right actions of a policy.
    """

    def loss(actor: Actor) -> Float[Array, ""]:
        return -jnp.sum(actor.without_random_actions()(seen).log_prob(wanted) * weight)

    def step(carry: tuple[Actor, optax.OptState], _: None) -> tuple[tuple, None]:
        actor, moments = carry
        updates, moments = optimizer.update(jax.grad(loss)(actor), moments)
        return (jax.tree.map(jnp.add, actor, updates), moments), None

    (actor, moments), _ = jax.lax.scan(step, (actor, moments), None, length=STEPS)
    distribution = actor.without_random_actions()(seen)
    is_right = distribution.mode() == wanted
    right = jnp.sum(is_right & is_reached) / jnp.sum(is_reached)
    chance = jnp.exp(distribution.log_prob(wanted))
    likely = jnp.sum(chance * is_reached, axis=1) / jnp.sum(is_reached, axis=1)
    return actor, moments, right, jnp.min(likely)
