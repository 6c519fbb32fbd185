"""Proximal policy optimisation (Schulman et al., 2017) of ``K`` actors and ``K`` critics."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from handful._support.checks import check_kind, check_numbers, check_range, require
from handful.environment import ActionSpace, Box, num_symbols
from handful.errors import HandfulError
from handful.learner.base import (
    Improvement,
    Learner,
    LearnerState,
    Objective,
    check_discount,
    check_multiple,
    check_random_actions,
)
from handful.learner.gae import advantage_scale, gae, mix_advantages
from handful.learner.losses import (
    ActorBatch,
    ActorMetrics,
    CriticBatch,
    actor_loss,
    adam,
    critic_loss,
    descend,
)
from handful.learner.modules import Blueprint, check_modules
from handful.learner.networks import Actor, Critic, Sharing, init_actor, init_critic, keep_spread
from handful.learner.normalize import CLIP, Normalizer
from handful.learner.parallel import side_by_side
from handful.learner.widths import check_hidden_sizes, check_number_of_weights, num_outputs
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Float, Int, PRNGKey, PyTree

MOST_TRANSITIONS = 2**27
"""The largest batch: each transition takes some hundred bytes a policy."""

Carry = TypeVar("Carry")
Metrics = TypeVar("Metrics")


class PPOState(LearnerState):
    """The networks, and Adam's moments of them.

    Attributes:
        actor_moments: the moments of the actor, and of the assignment's parameters.
        critic_moments: the moments of the critic.
    """

    actor_moments: tuple[optax.OptState, optax.OptState]
    critic_moments: optax.OptState


class Prepared(NamedTuple):
    """What the networks learn from in an update, made of its batch.

    Attributes:
        actors: the data of the actors.
        critics: the data of the critics.
    """

    actors: ActorBatch
    critics: CriticBatch


class Rates(NamedTuple):
    """What changes from update to update; arguments of the compiled program, not part of it.

    Attributes:
        learning_rate: Adam's step size for actors and critics.
        entropy_coefficient: the weight of the entropy bonus.
    """

    learning_rate: Float[Array, ""]
    entropy_coefficient: Float[Array, ""]


@dataclass(frozen=True)
class PPO(Learner):
    """PPO for ``K`` policies, with the paper's values as defaults (appendix B).

    Attributes:
        learning_rate: Adam's step size for actors and critics at the start.
        final_learning_rate: the same at the end; it falls linearly with the transitions.
        entropy_coefficient: the weight of the entropy bonus (nats) at the start.
        final_entropy_coefficient: the same at the end; it falls linearly too.
        discount: the discount that policies are trained with, above 0 and at most 1; None takes the
            problem's.
        gae_lambda: lambda of generalised advantage estimation, 0 to 1.
        clip_range: how far the probability ratio may leave 1 before its gradient stops.
        minibatch_size: the transitions of a policy in a gradient step; they must divide the batch.
        num_epochs: passes over the batch an update.
        mix_weight: how much the error of the value of a policy's own mix of users counts in the
            critic's loss, besides the mean error over all reward features
            (:func:`~handful.learner.losses.critic_loss`).
        hidden_sizes: the widths of the hidden layers, all tanh.
        initial_log_std: the logarithm of the standard deviation with which continuous actions
            start.
        learnable_log_std: whether that is learnt; else it stays as it starts.
        random_actions: the probability with which a policy of finite actions takes any action while
            it trains, all of them alike; the final policies take none.
        share_hidden: whether the actors share their hidden layers, and the critics theirs.
        family: whether actors share everything but the first layer's biases
            (:attr:`~handful.learner.networks.Sharing.FAMILY`), and observations are normalised
            alike, whatever ``share_hidden`` says. Critics, who judge one policy each for every
            user, share nothing then, nor do policies the spread of continuous actions.
        normalize_observations: whether observations are normalised by each policy's own running
            mean and variance, or the family's, and clipped to ten standard deviations; else they
            are taken as they are.
        max_grad_norm: the norm that gradients are scaled down to (times the square root of ``K``
            if the policies share layers, so that a policy's part does not shrink with the
            budget).
        adam_epsilon: Adam's epsilon.
        actor_network, critic_network: the names of the builders of the caller's own networks
            (:mod:`handful.learner.builders`); None for the library's own. Own networks share
            nothing, so that ``share_hidden`` then has no meaning, nor has ``hidden_sizes`` for the
            network that it replaces.

    Raises:
        HandfulError: if a number is out of its range.
    """

    learning_rate: float = 3e-4
    final_learning_rate: float = 1e-4
    entropy_coefficient: float = 1e-3
    final_entropy_coefficient: float = 1e-3
    discount: float | None = None
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    minibatch_size: int = 64
    num_epochs: int = 10
    mix_weight: float = 0.0
    hidden_sizes: tuple[int, ...] = (64,)
    initial_log_std: float = 0.0
    learnable_log_std: bool = True
    random_actions: float = 0.0
    share_hidden: bool = True
    family: bool = False
    normalize_observations: bool = True
    max_grad_norm: float = 0.5
    adam_epsilon: float = 1e-5
    actor_network: str | None = None
    critic_network: str | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        check_hidden_sizes(self.hidden_sizes)
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        for name in ("minibatch_size", "num_epochs"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
            check_range(name, getattr(self, name), 1, MOST_TRANSITIONS)
        for name in ("learning_rate", "max_grad_norm", "adam_epsilon", "clip_range"):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in (
            "final_learning_rate",
            "entropy_coefficient",
            "final_entropy_coefficient",
            "mix_weight",
        ):
            require(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        check_discount(self.discount)
        require(0 <= self.gae_lambda <= 1, "gae_lambda", "between 0 and 1", self.gae_lambda)
        check_random_actions(self.random_actions)
        if self.family and not self.hidden_sizes:
            raise HandfulError(
                "The actors of a family share all but a hidden layer's biases: give hidden_sizes "
                "at least one width, or set family to false."
            )
        for name in ("actor_network", "critic_network"):
            check_kind(name, getattr(self, name), str | None)
        if self.family and self.actor_network is not None:
            raise HandfulError(
                "The actors of a family share all but the biases of a first layer, which a network "
                "of your own need not have: set family to false, or choose a method whose policies "
                "are no family."
            )

    @property
    def own_discount(self) -> float | None:
        """The setting ``discount``."""
        return self.discount

    @property
    def learns_spread(self) -> bool:
        """The setting ``learnable_log_std``."""
        return self.learnable_log_std

    @property
    def shares_layers(self) -> bool:
        """Whether any two actors have a layer in common."""
        return self.sharing is not Sharing.NOTHING

    @property
    def can_share_layers(self) -> bool:
        """Whether the actors are the library's own networks."""
        return self.actor_network is None

    @property
    def has_own_network(self) -> bool:
        """Whether actors or critics are networks of the caller's own."""
        return self.actor_network is not None or self.critic_network is not None

    @property
    def sharing(self) -> Sharing:
        """Which layers the actors have in common: None if a network is the caller's own."""
        if self.family:
            return Sharing.FAMILY
        if self.has_own_network:
            return Sharing.NOTHING
        return Sharing.HIDDEN if self.share_hidden else Sharing.NOTHING

    @property
    def critic_sharing(self) -> Sharing:
        """Which layers the critics have in common."""
        return Sharing.NOTHING if self.family else self.sharing

    def check_batch(self, batch_size: int) -> None:
        """Raise HandfulError unless a batch can be cut into minibatches of equal size."""
        check_multiple(batch_size, "minibatch_size", self.minibatch_size)

    def check(self, problem: RMDP, num_policies: int) -> None:
        """Check whether the networks fit the observations and actions, and into memory.

        Raises:
            HandfulError: if numbered observations would be normalised, continuous actions would be
                random besides, no memory holds the networks of all policies, or a network of the
                caller's own does not map one observation to one number for each action or feature.
        """
        environment, number = problem.environment, num_symbols(problem.environment)
        if number is not None and self.normalize_observations:
            raise HandfulError(
                "This environment numbers its observations, and networks look them up: leave the "
                "learner's setting normalize_observations at false."
            )
        if self.random_actions and isinstance(environment.action_space, Box):
            raise HandfulError(
                f"The setting random_actions is for finite actions, and those of "
                f"'{problem.name}' are continuous: set it to 0, or choose another method if your "
                f"method sets it."
            )
        size, space = environment.observation_size, environment.action_space
        own = {
            "actor": (self.actor_network, num_outputs(space)),
            "critic": (self.critic_network, problem.num_features),
        }
        for whose, (name, outputs) in own.items():
            if name is not None:
                check_modules(Blueprint.of(name, size, outputs), whose, num_policies)
        if self.actor_network is None or self.critic_network is None:
            widths = (number or size, *self.hidden_sizes)
            check_number_of_weights(widths, space, problem.num_features, num_policies)

    def init(self, key: PRNGKey, problem: RMDP, num_policies: int, parameters: PyTree) -> PPOState:
        """Return new networks, moments and statistics."""
        environment = problem.environment
        return init_learner(
            key,
            self,
            num_policies,
            environment.observation_size,
            environment.action_space,
            problem.num_features,
            parameters,
            num_symbols(environment),
        )

    def rates(self, progress: Float[Array, ""], pace: Float[Array, ""]) -> Rates:
        """Return an update's rates, linear from the first values to the last.

        Args:
            progress: how far they have changed, from 0 to 1.
            pace: the factor of the step size.
        """
        learning_rate = self.learning_rate + progress * (
            self.final_learning_rate - self.learning_rate
        )
        entropy_coefficient = self.entropy_coefficient + progress * (
            self.final_entropy_coefficient - self.entropy_coefficient
        )
        return Rates(pace * learning_rate, entropy_coefficient)

    def improve(
        self,
        key: PRNGKey,
        state: LearnerState,
        batch: Transitions,
        objective: Objective,
        progress: Float[Array, ""],
        pace: Float[Array, ""],
        problem: RMDP,
        mesh: Mesh | None,
    ) -> Improvement:
        """Take some epochs of gradient steps over the batch (paper, equations 3 to 9, and 12)."""
        assert isinstance(state, PPOState)
        rates = self.rates(progress, pace)
        return update(key, state, batch, objective, rates, self, problem.discount, mesh)


def init_learner(
    key: PRNGKey,
    settings: PPO,
    num_policies: int,
    observation_size: int,
    action_space: ActionSpace,
    num_features: int,
    assignment_parameters: PyTree,
    num_symbols: int | None = None,
    context_size: int = 0,
) -> PPOState:
    """Return new networks, moments and statistics.

    Args:
        key: the key of the networks' random weights.
        settings: the learner's settings.
        num_policies: ``K``.
        observation_size: ``O``.
        action_space: the actions.
        num_features: ``D``.
        assignment_parameters: the assignment's parameters, which have moments too.
        num_symbols: how many observations there are, if they are numbered.
        context_size: the number of entries of the context of conditioned networks.
    """
    actor_key, critic_key = jax.random.split(key)
    actor = init_actor(
        actor_key,
        num_policies,
        observation_size,
        action_space,
        settings.hidden_sizes,
        settings.sharing,
        settings.initial_log_std,
        num_symbols,
        settings.random_actions,
        settings.actor_network,
        context_size,
    )
    critic = init_critic(
        critic_key,
        num_policies,
        observation_size,
        num_features,
        settings.hidden_sizes,
        settings.critic_sharing,
        num_symbols,
        settings.critic_network,
        context_size,
    )
    moments = adam(settings.adam_epsilon).init
    clip = CLIP if settings.normalize_observations else math.inf
    return PPOState(
        actor=actor,
        critic=critic,
        normalizer=Normalizer.identity(num_policies, observation_size, clip),
        actor_moments=(moments(actor), moments(assignment_parameters)),
        critic_moments=moments(critic),
    )


def update(
    key: PRNGKey,
    state: PPOState,
    transitions: Transitions,
    objective: Objective,
    rates: Rates,
    settings: PPO,
    discount: float,
    mesh: Mesh | None,
) -> Improvement:
    """Improve the actors, the critics and, if it has any, the assignment's parameters.

    Args:
        key: the key of the order of minibatches.
        state: the learner's state.
        transitions: one batch of each policy, features on the learner's scale.
        objective: the objective that the policies are improved for.
        rates: this update's step size and entropy coefficient.
        settings: the learner's settings.
        discount: the discount of later rewards.
        mesh: two devices to share the work between, or None.
    """
    prepared = prepare(state, transitions, settings, discount)
    return learn_from(key, state, transitions, prepared, objective, rates, settings, mesh)


def learn_from(
    key: PRNGKey,
    state: PPOState,
    transitions: Transitions,
    prepared: Prepared,
    objective: Objective,
    rates: Rates,
    settings: PPO,
    mesh: Mesh | None,
) -> Improvement:
    """Do what :func:`update` does with a batch of which :func:`prepare` has made the data."""
    parameters = objective.parameters
    actor_batch, critic_batch = prepared
    mixed = mix_advantages(actor_batch.advantages, objective.mix.weights)
    scale = advantage_scale(mixed, settings.sharing is Sharing.CONDITIONED)
    own_mix = jax.lax.stop_gradient(objective.mix.weights) if settings.mix_weight else None
    weights_of = None
    if jax.tree.leaves(parameters):
        weights_of = lambda learnt: objective.mix_of(learnt).weights  # noqa: E731
    else:  # a mix that stays the same is applied once instead of in every minibatch
        actor_batch = actor_batch._replace(advantages=mixed[:, :, None])

    follow = partial(
        descend,
        learning_rate=rates.learning_rate,
        max_norm=settings.max_grad_norm,
        epsilon=settings.adam_epsilon,
    )

    def actor_step(
        carry: tuple[tuple[Actor, PyTree], tuple[optax.OptState, optax.OptState]],
        batch: ActorBatch,
    ) -> tuple[PyTree, ActorMetrics]:
        parameters, moments = carry
        gradients, metrics = jax.grad(actor_loss, has_aux=True)(
            parameters, batch, weights_of, scale, settings.clip_range, rates.entropy_coefficient
        )
        towards = gradients[0] if settings.learnable_log_std else keep_spread(gradients[0])
        actor, actor_moments = follow(parameters[0], towards, moments[0])
        direction, assignment_moments = adam(settings.adam_epsilon).update(gradients[1], moments[1])
        learnt = jax.tree.map(
            lambda p, d: p - objective.parameters_rate * d, parameters[1], direction
        )
        return ((actor, learnt), (actor_moments, assignment_moments)), metrics

    def critic_step(
        carry: tuple[Critic, optax.OptState], batch: CriticBatch
    ) -> tuple[tuple[Critic, optax.OptState], Float[Array, " K"]]:
        gradients, loss = jax.grad(critic_loss, has_aux=True)(
            carry[0], batch, own_mix, settings.mix_weight
        )
        return follow(carry[0], gradients, carry[1]), loss

    actor_key, critic_key = jax.random.split(key)
    actor_carry = ((state.actor, parameters), state.actor_moments)
    critic_carry = (state.critic, state.critic_moments)
    (actor_carry, actor_metrics), (critic_carry, critic_metrics) = side_by_side(
        lambda operand: _epochs(actor_step, *operand, settings),
        lambda operand: _epochs(critic_step, *operand, settings),
        (actor_carry, actor_batch, actor_key),
        (critic_carry, critic_batch, critic_key),
        mesh,
    )
    (actor, parameters), actor_moments = actor_carry
    normalizer = state.normalizer
    if settings.normalize_observations:
        together = settings.sharing.is_one_network
        normalizer = normalizer.update(transitions.flat().observations, together)
    critic, critic_moments = critic_carry
    return Improvement(
        PPOState(actor, critic, normalizer, actor_moments, critic_moments),
        parameters,
        {**rates._asdict(), **actor_metrics._asdict(), "critic_loss": critic_metrics},
        jnp.isfinite(critic_metrics) & jnp.isfinite(actor_metrics.entropy),
    )


def prepare(state: PPOState, transitions: Transitions, settings: PPO, discount: float) -> Prepared:
    """Return values, advantages and value targets of a batch [K, T, B] laid out as [K, M]."""
    steps_and_envs = transitions.terminated.shape[1:]
    flat = transitions.flat()
    observations = state.normalizer(flat.observations)
    next_observations = state.normalizer(flat.next_observations)

    def unflatten(values: Float[Array, "K M D"]) -> Float[Array, "K T B D"]:
        return values.reshape(values.shape[0], *steps_and_envs, -1)

    def stream(*arrays: Array) -> Array:
        return gae(*arrays, discount=discount, gae_lambda=settings.gae_lambda)

    values = state.critic(observations)
    per_environment = jax.vmap(stream, in_axes=1, out_axes=1)
    advantages = jax.vmap(per_environment)(
        transitions.features,
        unflatten(values),
        unflatten(state.critic(next_observations)),
        transitions.terminated,
        transitions.truncated,
    ).reshape(values.shape)
    return Prepared(
        ActorBatch(observations, flat.actions, flat.log_probs, advantages),
        CriticBatch(observations, advantages + values),
    )


def _epochs(
    step: Callable[[Carry, PyTree], tuple[Carry, Metrics]],
    carry: Carry,
    batch: PyTree,
    key: PRNGKey,
    settings: PPO,
) -> tuple[Carry, Metrics]:
    """Take gradient steps over shuffled minibatches; the metrics are means over them.

    All policies take the same positions of their batches: so the order does not depend on which
    label a policy has.
    """
    batch_size = jax.tree.leaves(batch)[0].shape[1]

    def minibatch(carry: Carry, positions: Int[Array, " m"]) -> tuple[Carry, Metrics]:
        return step(carry, jax.tree.map(lambda leaf: jnp.take(leaf, positions, axis=1), batch))

    def epoch(carry: Carry, key: PRNGKey) -> tuple[Carry, Metrics]:
        order = jax.random.permutation(key, batch_size)
        return jax.lax.scan(minibatch, carry, order.reshape(-1, settings.minibatch_size))

    carry, metrics = jax.lax.scan(epoch, carry, jax.random.split(key, settings.num_epochs))
    return carry, jax.tree.map(lambda leaf: jnp.mean(leaf, axis=(0, 1)), metrics)
