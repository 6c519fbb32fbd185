"""One PPO update of ``K`` actors and ``K`` critics from one batch of transitions."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from handful.environment import ActionSpace, Discrete
from handful.learner.config import PPOConfig
from handful.learner.experience import Experience
from handful.learner.gae import Scale, advantage_scale, gae, mix_advantages, standardize
from handful.learner.networks import (
    Actor,
    Critic,
    Sharing,
    has_policy_axis,
    init_actor,
    init_critic,
    keep_spread,
    take_policies,
)
from handful.learner.normalize import CLIP, Normalizer
from handful.learner.parallel import side_by_side
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int, PRNGKey, PyTree

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


Carry = TypeVar("Carry")
Metrics = TypeVar("Metrics")


class Networks(eqx.Module):
    """What is a policy's own: enough to act and to go on learning.

    Attributes:
        actor, critic: the networks.
        normalizer: of observations.
    """

    actor: Actor
    critic: Critic
    normalizer: Normalizer

    def take(self, source: Int[Array, " J"]) -> "Networks":
        """Copies of these policies, in this order; what is shared stays."""
        return Networks(
            take_policies(self.actor, source),
            take_policies(self.critic, source),
            self.normalizer.take(source),
        )


class LearnerState(eqx.Module):
    """Everything that learning changes.

    Attributes:
        actor, critic: the networks.
        actor_moments: Adam's, of the actor and of the assignment's parameters.
        critic_moments: Adam's.
        normalizer: of observations.
        experience: all transitions so far, where these are counted.
    """

    actor: Actor
    critic: Critic
    actor_moments: tuple[optax.OptState, optax.OptState]
    critic_moments: optax.OptState
    normalizer: Normalizer
    experience: Experience | None = None

    @property
    def networks(self) -> Networks:
        """The policies without what their optimisers keep."""
        return Networks(self.actor, self.critic, self.normalizer)


class Rates(NamedTuple):
    """What changes from update to update; arguments of the compiled program, not part of it."""

    learning_rate: Float[Array, ""]
    entropy_coefficient: Float[Array, ""]
    assignment_learning_rate: float


class UpdateMetrics(NamedTuple):
    """Means over an update's minibatches, for each policy."""

    actor: ActorMetrics
    critic_loss: Float[Array, " K"]


def init_learner(
    key: PRNGKey,
    config: PPOConfig,
    num_policies: int,
    observation_size: int,
    action_space: ActionSpace,
    num_features: int,
    assignment_parameters: PyTree,
    num_symbols: int | None = None,
) -> LearnerState:
    """Fresh networks, moments and statistics."""
    actor_key, critic_key = jax.random.split(key)
    actor = init_actor(
        actor_key,
        num_policies,
        observation_size,
        action_space,
        config.hidden_sizes,
        config.sharing,
        config.initial_log_std,
        num_symbols,
        config.random_actions,
        config.actor_network,
    )
    critic = init_critic(
        critic_key,
        num_policies,
        observation_size,
        num_features,
        config.hidden_sizes,
        config.critic_sharing,
        num_symbols,
        config.critic_network,
    )
    init, experience = adam(config).init, None
    clip = CLIP if config.normalize_observations else math.inf
    if config.counts:
        assert num_symbols is not None
        assert isinstance(action_space, Discrete)
        experience = Experience.empty(num_symbols, action_space.num_actions, num_features)
    return LearnerState(
        actor=actor,
        critic=critic,
        actor_moments=(init(actor), init(assignment_parameters)),
        critic_moments=init(critic),
        normalizer=Normalizer.identity(num_policies, observation_size, clip),
        experience=experience,
    )


def update(
    key: PRNGKey,
    state: LearnerState,
    transitions: Transitions,
    assignment_parameters: PyTree,
    mix_fn: MixFn,
    rates: Rates,
    config: PPOConfig,
    discount: float,
    mesh: Mesh | None,
) -> tuple[LearnerState, PyTree, UpdateMetrics]:
    """Improve the actors, the critics and, where it has any, the assignment's parameters.

    Args:
        key: for the order of minibatches.
        transitions: one batch of each policy, features on the learner's scale.
        assignment_parameters: what ``mix_fn`` takes; an empty tree where nothing is learnt there.
        mix_fn: gives the weight [K, D] of each feature in each policy's reward.
        rates: this update's step sizes and entropy coefficient.
        mesh: two devices to share the work between, or None.
    """
    actor_batch, critic_batch = prepare(state, transitions, config, discount)
    mixed = mix_advantages(actor_batch.advantages, mix_fn(assignment_parameters))
    scale = advantage_scale(mixed)
    if not jax.tree.leaves(assignment_parameters):
        # A mix that stays the same is applied once instead of in every minibatch.
        actor_batch = actor_batch._replace(advantages=mixed[:, :, None])
        weight_one = jnp.ones((mixed.shape[0], 1))
        mix_fn = lambda _: weight_one  # noqa: E731

    def actor_step(
        carry: tuple[tuple[Actor, PyTree], tuple[optax.OptState, optax.OptState]],
        batch: ActorBatch,
    ) -> tuple[PyTree, ActorMetrics]:
        parameters, moments = carry
        gradients, metrics = jax.grad(actor_loss, has_aux=True)(
            parameters, batch, mix_fn, scale, config.clip_range, rates.entropy_coefficient
        )
        towards = gradients[0] if config.learnable_log_std else keep_spread(gradients[0])
        actor, actor_moments = descend(
            parameters[0], towards, moments[0], rates.learning_rate, config
        )
        direction, assignment_moments = adam(config).update(gradients[1], moments[1])
        learnt = jax.tree.map(
            lambda p, d: p - rates.assignment_learning_rate * d, parameters[1], direction
        )
        return ((actor, learnt), (actor_moments, assignment_moments)), metrics

    def critic_step(
        carry: tuple[Critic, optax.OptState], batch: CriticBatch
    ) -> tuple[tuple[Critic, optax.OptState], Float[Array, " K"]]:
        gradients, loss = jax.grad(critic_loss, has_aux=True)(carry[0], batch)
        return descend(carry[0], gradients, carry[1], rates.learning_rate, config), loss

    actor_key, critic_key = jax.random.split(key)
    actor_carry = ((state.actor, assignment_parameters), state.actor_moments)
    critic_carry = (state.critic, state.critic_moments)
    (actor_carry, actor_metrics), (critic_carry, critic_metrics) = side_by_side(
        lambda operand: _epochs(actor_step, *operand, config),
        lambda operand: _epochs(critic_step, *operand, config),
        (actor_carry, actor_batch, actor_key),
        (critic_carry, critic_batch, critic_key),
        mesh,
    )
    (actor, assignment_parameters), actor_moments = actor_carry
    normalizer = state.normalizer
    if config.normalize_observations:
        together = config.sharing is Sharing.FAMILY
        normalizer = normalizer.update(transitions.flat().observations, together)
    new_state = LearnerState(actor, critic_carry[0], actor_moments, critic_carry[1], normalizer)
    return new_state, assignment_parameters, UpdateMetrics(actor_metrics, critic_metrics)


def prepare(
    state: LearnerState, transitions: Transitions, config: PPOConfig, discount: float
) -> tuple[ActorBatch, CriticBatch]:
    """Values, advantages and value targets of a batch [K, T, B] laid out as [K, M]."""
    steps_and_envs = transitions.terminated.shape[1:]
    flat = transitions.flat()
    observations = state.normalizer(flat.observations)
    next_observations = state.normalizer(flat.next_observations)

    def unflatten(values: Float[Array, "K M D"]) -> Float[Array, "K T B D"]:
        return values.reshape(values.shape[0], *steps_and_envs, -1)

    def stream(*arrays: Array) -> Array:
        return gae(*arrays, discount=discount, gae_lambda=config.gae_lambda)

    values = state.critic(observations)
    per_environment = jax.vmap(stream, in_axes=1, out_axes=1)
    advantages = jax.vmap(per_environment)(
        transitions.features,
        unflatten(values),
        unflatten(state.critic(next_observations)),
        transitions.terminated,
        transitions.truncated,
    ).reshape(values.shape)
    return (
        ActorBatch(observations, flat.actions, flat.log_probs, advantages),
        CriticBatch(observations, advantages + values),
    )


def _epochs(
    step: Callable[[Carry, PyTree], tuple[Carry, Metrics]],
    carry: Carry,
    batch: PyTree,
    key: PRNGKey,
    config: PPOConfig,
) -> tuple[Carry, Metrics]:
    """Gradient steps over shuffled minibatches; the metrics' means over them.

    All policies take the same positions of their batches: so the order does not depend on which
    label a policy has.
    """

    def minibatch(carry: Carry, positions: Int[Array, " m"]) -> tuple[Carry, Metrics]:
        return step(carry, jax.tree.map(lambda leaf: jnp.take(leaf, positions, axis=1), batch))

    def epoch(carry: Carry, key: PRNGKey) -> tuple[Carry, Metrics]:
        order = jax.random.permutation(key, config.batch_size)
        return jax.lax.scan(minibatch, carry, order.reshape(config.num_minibatches, -1))

    carry, metrics = jax.lax.scan(epoch, carry, jax.random.split(key, config.num_epochs))
    return carry, jax.tree.map(lambda leaf: jnp.mean(leaf, axis=(0, 1)), metrics)
