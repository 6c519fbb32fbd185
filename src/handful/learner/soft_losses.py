"""The losses of soft actor-critic, for a minibatch that all policies share.

What a policy earns counts together with its entropy, which is worth ``temperature`` a nat (Haarnoja
et al. 2018). Finite actions need no samples: all expectations over actions are sums (Christodoulou
2019). The best policy is then known for given critics, a softmax of their values over the
temperature, and actors learn it by cross-entropy. Along the gradient of what they earn, they would
no longer move where the probability of the best action is about 0.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from handful.environment import ActionSpace, Box
from handful.learner.critics import TwinCritics, chosen_values
from handful.learner.distributions import Categorical
from handful.learner.networks import Actor
from handful.learner.squashed import SquashedGaussian
from handful.types import Array, Float, PRNGKey


class Learnt(NamedTuple):
    """What gradient steps change.

    Attributes:
        actor: the policies.
        critic: two critics of each policy.
        log_temperature: the logarithm of what a nat of entropy is worth to each policy, or to all
            policies that are one network.
    """

    actor: Actor
    critic: TwinCritics
    log_temperature: Float[Array, " K_or_1"]


class Sample(NamedTuple):
    """A minibatch as every policy sees it.

    Attributes:
        observations: the normalised observation before each step.
        actions: the actions: continuous ones [K, M, A] between -1 and 1, finite ones [K, M].
        rewards: what each policy is paid for the step.
        next_observations: the normalised observation after each step.
        goes_on: 0 if nothing can be earned after the step, else 1.
    """

    observations: Float[Array, "K M O"]
    actions: Array
    rewards: Float[Array, "K M"]
    next_observations: Float[Array, "K M O"]
    goes_on: Float[Array, "K M"]


class SoftMetrics(NamedTuple):
    """The metrics of a minibatch, with a number for each policy [K].

    Attributes:
        critic_loss: the mean squared error of the critics, in scaled rewards.
        value: the mean of the critics' targets, in scaled rewards.
        entropy: the mean entropy of the policy in nats; that of continuous actions is on the scale
            from -1 to 1.
    """

    critic_loss: Float[Array, " K"]
    value: Float[Array, " K"]
    entropy: Float[Array, " K"]


LEAST_TEMPERATURE = 1e-6
"""The lowest temperature of the best policies for given critics."""

LossFn = Callable[
    [Learnt, TwinCritics, Sample, PRNGKey, float, float], tuple[Float[Array, ""], SoftMetrics]
]
"""A function that returns the sum of all losses over policies, and the metrics."""


def losses_for(space: ActionSpace) -> LossFn:
    """Return the function that gives the losses for actions of this space."""
    return continuous_losses if isinstance(space, Box) else finite_losses


def continuous_losses(
    learnt: Learnt,
    target: TwinCritics,
    sample: Sample,
    key: PRNGKey,
    discount: float,
    target_entropy: float,
) -> tuple[Float[Array, ""], SoftMetrics]:
    """Return the losses for continuous actions, with one sampled action for each observation.

    Args:
        learnt: the networks whose gradient is wanted.
        target: the slow critics.
        sample: the minibatch.
        key: the key of the sampled actions.
        discount: the discount of later rewards.
        target_entropy: the entropy (nats) that the temperature aims at.
    """
    stop = jax.lax.stop_gradient
    temperature = stop(jnp.exp(learnt.log_temperature))[:, None]
    next_key, key = jax.random.split(key)
    next_actions, next_log_probs = _squashed(learnt.actor, sample.next_observations).draw(next_key)
    following = jnp.min(target.of_actions(sample.next_observations, next_actions), axis=0)
    targets = _targets(sample, following - temperature * next_log_probs, discount)
    estimates = learnt.critic.of_actions(sample.observations, sample.actions)
    actions, log_probs = _squashed(learnt.actor, sample.observations).draw(key)
    worth = jnp.min(stop(learnt.critic).of_actions(sample.observations, actions), axis=0)
    actor_loss = jnp.mean(temperature * log_probs - worth, axis=1)
    entropy = -jnp.mean(stop(log_probs), axis=1)
    return _summed(learnt, estimates, targets, actor_loss, entropy, target_entropy)


def finite_losses(
    learnt: Learnt,
    target: TwinCritics,
    sample: Sample,
    key: PRNGKey,
    discount: float,
    target_entropy: float,
) -> tuple[Float[Array, ""], SoftMetrics]:
    """Return the losses for finite actions; the arguments are as in :func:`continuous_losses`."""
    del key
    stop = jax.lax.stop_gradient
    temperature = stop(jnp.exp(learnt.log_temperature))[:, None]

    def judged(
        critic: TwinCritics, observations: Float[Array, "K M O"]
    ) -> tuple[Float[Array, "K M A"], Float[Array, "K M A"]]:
        """Return the logarithms of the policies' probabilities, and what actions are worth."""
        distribution = learnt.actor(observations)
        assert isinstance(distribution, Categorical)
        log_probs = jax.nn.log_softmax(distribution.logits)
        return log_probs, jnp.min(critic.of_all_actions(observations), axis=0)

    log_probs, values = judged(target, sample.next_observations)
    worth = values - temperature[..., None] * log_probs
    targets = _targets(sample, jnp.sum(jnp.exp(log_probs) * worth, axis=-1), discount)
    estimates = chosen_values(learnt.critic.of_all_actions(sample.observations), sample.actions)
    log_probs, values = judged(stop(learnt.critic), sample.observations)
    best = jax.nn.softmax(values / jnp.maximum(temperature, LEAST_TEMPERATURE)[..., None])
    actor_loss = -jnp.mean(jnp.sum(best * log_probs, axis=-1), axis=1)
    entropy = -jnp.mean(jnp.sum(stop(jnp.exp(log_probs) * log_probs), axis=-1), axis=1)
    return _summed(learnt, estimates, targets, actor_loss, entropy, target_entropy)


def _squashed(actor: Actor, observations: Float[Array, "K M O"]) -> SquashedGaussian:
    distribution = actor(observations)
    assert isinstance(distribution, SquashedGaussian)
    return distribution


def _targets(
    sample: Sample, following: Float[Array, "K M"], discount: float
) -> Float[Array, "K M"]:
    """Return what the critics learn: the reward, and what follows unless the episode terminated."""
    return jax.lax.stop_gradient(sample.rewards + discount * sample.goes_on * following)


def _summed(
    learnt: Learnt,
    estimates: Float[Array, "2 K M"],
    targets: Float[Array, "K M"],
    actor_loss: Float[Array, " K"],
    entropy: Float[Array, " K"],
    target_entropy: float,
) -> tuple[Float[Array, ""], SoftMetrics]:
    critic_loss = jnp.mean((estimates - targets[None]) ** 2, axis=(0, 2))
    # The temperature rises while the entropy is less than it shall be.
    temperature_loss = learnt.log_temperature * (entropy - target_entropy)
    total = jnp.sum(critic_loss + actor_loss + temperature_loss)
    return total, SoftMetrics(critic_loss, jnp.mean(targets, axis=1), entropy)
