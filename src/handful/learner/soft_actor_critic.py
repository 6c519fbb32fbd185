"""Soft actor-critic (Haarnoja et al. 2018) of ``K`` policies that share their experience.

Every policy learns from what all policies met: a transition says its reward features, so that its
reward for any policy's mix is known (:mod:`handful.learner.replay`). So each transition serves
``K`` times, and again as long as it stays in the buffer.

Rewards are divided by their root mean square over all steps so far, for the mix as it is now. Tiny
rewards would otherwise drown in the bonus for entropy, and large ones drown the bonus.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from handful._support.checks import check_numbers, check_range, require
from handful.environment import Box, num_symbols
from handful.errors import HandfulError
from handful.learner.base import (
    Improvement,
    Learner,
    LearnerState,
    Networks,
    Objective,
    check_discount,
)
from handful.learner.critics import TwinCritics, init_twins
from handful.learner.losses import adam
from handful.learner.networks import Actor, Sharing, init_stack
from handful.learner.normalize import CLIP, Normalizer
from handful.learner.replay import Recorded, Replay, check_size
from handful.learner.soft_losses import Learnt, Sample, SoftMetrics, losses_for
from handful.learner.squashed import shrink, squashed_actor
from handful.learner.widths import check_hidden_sizes, check_number_of_weights
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Float, Int, PRNGKey, PyTree

MOST_TRANSITIONS = 2**27
"""The largest minibatch and buffer."""

LEARNING_RATE = 7e-4
"""The usual step size, whatever the preset's is, which is PPO's."""

MINIBATCH_SIZE = 256
"""The usual number of transitions in a gradient step, whatever the preset's is."""

HEAD_GAIN = 0.01
"""The gain of the weights of the actors' output layers: first actions do not depend on what is
observed, and their spread fills the action space."""


def _unchanged(networks: PyTree) -> PyTree:
    return networks


class Minibatch(NamedTuple):
    """What a gradient step learns from.

    Attributes:
        sample: the transitions, as policies see them and are paid for them.
        tell: gives networks as they apply to the sample. Networks that take a context get it.
    """

    sample: Sample
    tell: Callable[[PyTree], PyTree] = _unchanged


class SACState(LearnerState):
    """The networks, what their gradient steps need, and the experience of all policies.

    Attributes:
        target_critic: the slow copies of the critics, which estimate what follows a step.
        log_temperature: the logarithm of what a nat of entropy is worth to each policy, or to all
            policies that are one network.
        moments: Adam's moments of actors, critics and temperatures.
        replay: the latest transitions of all policies.
        moment: the second moment of the reward features: the mean of their outer products over all
            steps so far, which gives the mean square of the rewards of any mix.
        steps: the number of these steps.
    """

    target_critic: TwinCritics
    log_temperature: Float[Array, " K_or_1"]
    moments: optax.OptState
    replay: Replay
    moment: Float[Array, "D D"]
    steps: Float[Array, ""]

    @property
    def learnt(self) -> Learnt:
        """What gradient steps change."""
        assert isinstance(self.critic, TwinCritics)
        return Learnt(self.actor, self.critic, self.log_temperature)

    def with_networks(self, networks: Networks) -> "SACState":
        """Return the same state with other policies, whose slow critics begin as their critics."""
        return dataclasses.replace(
            self,
            actor=networks.actor,
            critic=networks.critic,
            normalizer=networks.normalizer,
            target_critic=jax.tree.map(jnp.copy, networks.critic),
        )


@dataclass(frozen=True)
class SAC(Learner):
    """Soft actor-critic for ``K`` policies with one replay buffer.

    Attributes:
        learning_rate: Adam's step size for actors and critics.
        temperature_rate: Adam's step size for the logarithm of the temperature.
        initial_temperature: what a nat of entropy is worth at first, in scaled rewards.
        target_entropy: the entropy that the temperature aims at. For continuous actions it is in
            nats for each component, on the scale from -1 to 1, where a uniform density has log 2;
            for finite actions see ``target_share``.
        target_share: the entropy that the temperature aims at if actions are finite, as a share of
            the entropy of uniformly random actions.
        discount: the discount that policies are trained with, above 0 and at most 1; None takes the
            problem's.
        updates_per_transition: the gradient steps for each transition that any policy collects.
            Every policy takes each of these steps.
        minibatch_size: the transitions in a gradient step, which are the same for all policies.
        capacity: the transitions of all policies together that the buffer holds.
        first_transitions: the transitions of all policies together before the first gradient step.
        target_rate: the share by which the slow critics move towards the critics in a step.
        reward_size: the root mean square that rewards are scaled to.
        actor_sizes, critic_sizes: the widths of the hidden layers of actors, all tanh, and of
            critics, which are normalised and rectified.
        normalize_observations: whether observations are normalised by the running mean and variance
            of those of all policies, and clipped to ten standard deviations.
        adam_epsilon: Adam's epsilon.

    Raises:
        HandfulError: if a number is out of its range.
    """

    has_gradients: ClassVar[bool] = False
    usual_settings: ClassVar[Mapping[str, Any]] = {
        "num_envs": 8,
        "batch_size": 128,
        "return_mixing": 0.3,
        "learning_rate": LEARNING_RATE,
        "minibatch_size": MINIBATCH_SIZE,
    }

    learning_rate: float = LEARNING_RATE
    temperature_rate: float = 1e-3
    initial_temperature: float = 0.05
    target_entropy: float = -0.5
    target_share: float = 0.2
    discount: float | None = None
    updates_per_transition: float = 0.5
    minibatch_size: int = MINIBATCH_SIZE
    capacity: int = 300_000
    first_transitions: int = 5_000
    target_rate: float = 0.005
    reward_size: float = 0.1
    actor_sizes: tuple[int, ...] = (128, 128)
    critic_sizes: tuple[int, ...] = (128, 128)
    normalize_observations: bool = True
    adam_epsilon: float = 1e-8

    def __post_init__(self) -> None:
        check_numbers(self)
        for name in ("actor_sizes", "critic_sizes"):
            check_hidden_sizes(getattr(self, name), name)
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("minibatch_size", "capacity"):
            check_range(name, getattr(self, name), 1, MOST_TRANSITIONS)
        check_range("first_transitions", self.first_transitions, 0, MOST_TRANSITIONS)
        for name in (
            "learning_rate",
            "initial_temperature",
            "updates_per_transition",
            "reward_size",
            "adam_epsilon",
        ):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        require(self.temperature_rate >= 0, "temperature_rate", "0 or more", self.temperature_rate)
        for name in ("target_rate", "target_share"):
            value = getattr(self, name)
            require(0 < value <= 1, name, "above 0 and at most 1", value)
        check_discount(self.discount)

    @property
    def own_discount(self) -> float | None:
        """The setting ``discount``."""
        return self.discount

    def steps_after(self, transitions: int) -> int:
        """Return the number of gradient steps after so many transitions of all policies."""
        return max(1, round(self.updates_per_transition * transitions))

    def check(self, problem: RMDP, num_policies: int) -> None:
        """Check whether the actions suit the learner, and networks and buffer fit into memory.

        Raises:
            HandfulError: if continuous actions have no bounds, numbered observations come with
                continuous actions or would be normalised, or memory is too small.
        """
        environment, space = problem.environment, problem.environment.action_space
        number, size = num_symbols(environment), environment.observation_size
        if isinstance(space, Box) and not all(map(math.isfinite, (*space.low, *space.high))):
            raise HandfulError(
                "The learner 'sac' squashes actions between their bounds, and those of "
                f"'{problem.name}' are infinite: give the environment bounds that its actions "
                "never need to leave, or choose another learner, such as 'ppo'."
            )
        if number is not None and isinstance(space, Box):
            raise HandfulError(
                "The learner 'sac' looks numbered observations up only if actions are finite: "
                "choose another learner, such as 'ppo'."
            )
        if number is not None and self.normalize_observations:
            raise HandfulError(
                "This environment numbers its observations, and networks look them up: leave the "
                "learner's setting normalize_observations at false."
            )
        actions = space.size if isinstance(space, Box) else 0
        for name in ("actor_sizes", "critic_sizes"):
            widths = ((number or size) + actions, *getattr(self, name))
            check_number_of_weights(widths, space, 1, num_policies, name)
        check_size(self.capacity, size, space, problem.num_features)

    def init(self, key: PRNGKey, problem: RMDP, num_policies: int, parameters: PyTree) -> SACState:
        """Return new networks, moments and statistics, and an empty buffer."""
        del parameters
        environment, space = problem.environment, problem.environment.action_space
        size, number = environment.observation_size, num_symbols(environment)
        actor_key, critic_key = jax.random.split(key)
        outputs = 2 * space.size if isinstance(space, Box) else space.num_actions
        sizes = (size, *self.actor_sizes, outputs)
        stack = init_stack(actor_key, num_policies, sizes, HEAD_GAIN, Sharing.NOTHING, number)
        actor = squashed_actor(stack, space) if isinstance(space, Box) else Actor(stack, None)
        critic = init_twins(critic_key, num_policies, size, space, self.critic_sizes, number)
        temperature = jnp.full(num_policies, math.log(self.initial_temperature))
        clip = CLIP if self.normalize_observations else math.inf
        features = problem.num_features
        return SACState(
            actor=actor,
            critic=critic,
            normalizer=Normalizer.identity(num_policies, size, clip),
            target_critic=jax.tree.map(jnp.copy, critic),
            log_temperature=temperature,
            moments=adam(self.adam_epsilon).init(Learnt(actor, critic, temperature)),
            replay=Replay.empty(self.capacity, size, space, features),
            moment=jnp.zeros((features, features)),
            steps=jnp.zeros(()),
        )

    def labels(self, state: SACState) -> Int[Array, " K"] | None:
        """Return what the policies collect for, as the buffer keeps it; None if it does not."""
        del state

    def observe(self, state: LearnerState, batch: Transitions) -> LearnerState:
        """Add a batch to the experience of all policies, and to the statistics."""
        assert isinstance(state, SACState)
        features = batch.features.reshape(-1, batch.features.shape[-1])
        steps = state.steps + len(features)
        share = len(features) / steps
        moment = state.moment + share * (features.T @ features / len(features) - state.moment)
        normalizer = state.normalizer
        if self.normalize_observations:
            normalizer = normalizer.update(batch.flat().observations, together=True)
        replay = state.replay.add(batch, self.labels(state))
        return dataclasses.replace(
            state, normalizer=normalizer, replay=replay, moment=moment, steps=steps
        )

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
        """Take gradient steps with transitions of all policies, each policy for its own mix.

        The buffer holds the batch already, so the batch only says how many steps there are.
        """
        del progress, mesh
        assert isinstance(state, SACState)
        mix = objective.mix.mean
        scale = self.scales(mix, state)
        space = problem.environment.action_space

        def draw(key: PRNGKey) -> Minibatch:
            rows = jax.random.randint(key, (self.minibatch_size,), 0, state.replay.size)
            stored = state.replay.take(rows)
            return Minibatch(as_seen(stored, state.normalizer, mix * scale[:, None], space))

        number = self.steps_after(batch.terminated.size)
        new_state, metrics = self.descend(key, state, draw, number, pace, problem)
        told = {
            **metrics._asdict(),
            "temperature": jnp.exp(new_state.log_temperature),
            "reward_scale": scale,
        }
        is_finite = jnp.isfinite(metrics.critic_loss) & jnp.isfinite(metrics.entropy)
        return Improvement(new_state, objective.parameters, told, is_finite)

    def scales(self, mixes: Float[Array, "M D"], state: SACState) -> Float[Array, " M"]:
        """Return the factor that brings the rewards of each mix to their usual size."""
        size = reward_sizes(mixes, state.moment)
        return self.reward_size / jnp.where(size > 0.0, size, 1.0)

    def descend(
        self,
        key: PRNGKey,
        state: SACState,
        draw: Callable[[PRNGKey], "Minibatch"],
        number: int,
        pace: Float[Array, ""],
        problem: RMDP,
    ) -> tuple[SACState, SoftMetrics]:
        """Take gradient steps, if the buffer holds enough to learn from.

        Args:
            key: the key of all that is random in the steps.
            state: the learner's state.
            draw: gives a minibatch for a key.
            number: the number of steps.
            pace: the factor of the step sizes.
            problem: the problem.

        Returns:
            The state after the steps, and the means of their metrics; zeros if there were none.
        """
        before = (state.learnt, state.target_critic, state.moments)
        space = problem.environment.action_space
        aim = self._entropy_aim(space)

        def step(
            carry: tuple[Learnt, TwinCritics, optax.OptState], key: PRNGKey
        ) -> tuple[tuple[Learnt, TwinCritics, optax.OptState], SoftMetrics]:
            learnt, target, moments = carry
            draw_key, action_key = jax.random.split(key)
            minibatch = draw(draw_key)

            def loss(learnt: Learnt) -> tuple[Float[Array, ""], SoftMetrics]:
                told = learnt._replace(
                    actor=minibatch.tell(learnt.actor), critic=minibatch.tell(learnt.critic)
                )
                slow = minibatch.tell(target)
                return losses_for(space)(
                    told, slow, minibatch.sample, action_key, problem.discount, aim
                )

            gradients, metrics = jax.grad(loss, has_aux=True)(learnt)
            return self._moved(learnt, gradients, target, moments, pace), metrics

        def learn() -> tuple[tuple[Learnt, TwinCritics, optax.OptState], SoftMetrics]:
            after, metrics = jax.lax.scan(step, before, jax.random.split(key, number))
            return after, jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), metrics)

        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), jax.eval_shape(learn)[1])
        (learnt, target, moments), metrics = jax.lax.cond(
            state.steps >= self.first_transitions, learn, lambda: (before, nothing)
        )
        after = dataclasses.replace(
            state, **learnt._asdict(), target_critic=target, moments=moments
        )
        return after, metrics

    def _moved(
        self,
        learnt: Learnt,
        gradients: Learnt,
        target: TwinCritics,
        moments: optax.OptState,
        pace: Float[Array, ""],
    ) -> tuple[Learnt, TwinCritics, optax.OptState]:
        """Return networks, slow critics and moments after one step along the gradients."""
        direction, moments = adam(self.adam_epsilon).update(gradients, moments)
        assert isinstance(direction, Learnt)
        rates = (self.learning_rate, self.learning_rate, self.temperature_rate)
        learnt = Learnt(*map(partial(_moved, pace), learnt, direction, rates))
        share = pace * self.target_rate
        target = jax.tree.map(lambda t, p: t + share * (p - t), target, learnt.critic)
        return learnt, target, moments

    def _entropy_aim(self, space: Any) -> float:
        """Return the entropy in nats that the temperature aims at."""
        if isinstance(space, Box):
            return self.target_entropy * space.size
        return self.target_share * math.log(space.num_actions)

    def restart(self, fresh: LearnerState, before: LearnerState) -> LearnerState:
        """Return new policies with all experience so far, since the dynamics are the same.

        Fresh policies see observations as those before did, who all saw alike. If any policy was
        kept, all go on at the mean temperature. The slow critics begin as the critics.
        """
        assert isinstance(fresh, SACState)
        assert isinstance(before, SACState)
        is_new = fresh.normalizer.count == 0
        normalizer = jax.tree.map(
            lambda new, old: jnp.where(is_new.reshape(-1, *[1] * (new.ndim - 1)), old, new),
            fresh.normalizer,
            before.normalizer.take(jnp.zeros(len(is_new), jnp.int32)),
        )
        temperature = jnp.mean(before.log_temperature)
        is_labelled = fresh.replay.stored.labels is not None
        return dataclasses.replace(
            fresh,
            normalizer=normalizer,
            log_temperature=jnp.where(jnp.all(is_new), fresh.log_temperature, temperature),
            target_critic=jax.tree.map(jnp.copy, fresh.critic),
            replay=before.replay if is_labelled else before.replay.unlabelled(),
            moment=before.moment,
            steps=before.steps,
        )


def _moved(pace: Float[Array, ""], parameters: PyTree, direction: PyTree, rate: float) -> PyTree:
    return jax.tree.map(lambda p, d: p - pace * rate * d, parameters, direction)


def reward_sizes(mix: Float[Array, "K D"], moment: Float[Array, "D D"]) -> Float[Array, " K"]:
    """Return the root mean square of the rewards of each mix.

    Args:
        mix: the worth of each feature.
        moment: the mean of the outer products of features with themselves.
    """
    return jnp.sqrt(jnp.maximum(jnp.sum((mix @ moment) * mix, axis=1), 0.0))


def as_seen(
    stored: Recorded, normalizer: Normalizer, mix: Float[Array, "K D"], space: Any
) -> Sample:
    """Return transitions as each policy sees them, paid for its mix."""
    policies = len(mix)

    def for_each(rows: Array) -> Array:
        return jnp.broadcast_to(rows, (policies, *rows.shape))

    actions = stored.actions
    if isinstance(space, Box):
        actions = shrink(actions, space)
    return Sample(
        observations=normalizer(for_each(stored.observations)),
        actions=for_each(actions),
        rewards=mix @ stored.features.T,
        next_observations=normalizer(for_each(stored.next_observations)),
        goes_on=1.0 - for_each(stored.terminated),
    )
