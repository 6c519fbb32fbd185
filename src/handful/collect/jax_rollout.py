"""Experience from environments written in JAX, compiled together with the policies.

The first steps are a small part of a long episode, but a fall in them costs nearly the whole
return. Discounting hides this, since a fall then costs a policy no more than a later one. So half
of the environments can be made to begin more often, by short episodes. The value after the cut of a
short episode still counts, as at a time limit. The return of a short episode says little about a
policy, so it does not enter the return table.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.returns import Discounted, FinishedEpisodes, Running, advance
from handful.devices import in_full_precision
from handful.environment import Box, outcome_shape
from handful.population import FeatureFn
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int, Key, NumpyArray, PRNGKey, PRNGKeys, PyTree


def episode_limits(
    time_limit: int, num_envs: int, short_episodes: int | None
) -> Int[NumpyArray, " B"]:
    """Return the number of steps [B] after which each environment starts a new episode.

    It is ``short_episodes`` in the first half of the environments, and else the time limit.

    Args:
        short_episodes: the limit of the short episodes; None for whole episodes everywhere.
    """
    limits = np.full(num_envs, time_limit)
    if short_episodes is not None:
        limits[: num_envs // 2] = min(short_episodes, time_limit)
    return limits


@runtime_checkable
class ActionDistribution(Protocol):
    """A policy's distribution of its next action, at a batch of observations."""

    def sample(self, key: PRNGKey) -> Array:
        """Draw raw actions."""
        ...

    def mode(self) -> Array:
        """Return the likeliest actions."""
        ...

    def log_prob(self, action: Array) -> Array:
        """Return the log-probabilities of raw actions."""
        ...


PolicyFn = Callable[[Float[Array, "K M O"]], ActionDistribution]
"""A function for all policies, from raw observations to distributions with batch shape [K, M]."""


class CollectorState(eqx.Module):
    """The state of each policy's environments between updates.

    Attributes:
        keys: the random keys, one for each policy, [K].
        env_state: the environments' states, with the leading axes [K, B] on each array.
        observations: the raw observations, [K, B, O].
        episode_return: the returns of the running episodes so far, in features, [K, B, D].
        discounted: the same returns with discount, if the return table holds those.
        ages: the ages of the running episodes in steps, [K, B], if some episodes are cut short.
    """

    keys: Key[Array, " K"]
    env_state: Any
    observations: Float[Array, "K B O"]
    episode_return: Float[Array, "K B D"]
    discounted: Discounted | None = None
    ages: Int[Array, "K B"] | None = None


def init_collector(
    keys: Key[Array, " K"],
    problem: RMDP,
    num_envs: int,
    discounted: bool = False,
    short_episodes: int | None = None,
) -> CollectorState:
    """Start every environment of every policy.

    If ``discounted``, the state holds discounted returns too.
    """
    split = jax.vmap(lambda key: jax.random.split(key, num_envs + 1))(keys)
    env_state, observations = jax.vmap(jax.vmap(problem.jax_environment.reset))(split[:, 1:])
    shape = (*observations.shape[:2], problem.num_features)
    kept = Discounted.start(shape) if discounted else None
    ages = None if short_episodes is None else jnp.zeros(shape[:2], jnp.int32)
    return CollectorState(split[:, 0], env_state, observations, jnp.zeros(shape), kept, ages)


def collect(
    state: CollectorState,
    problem: RMDP,
    policy_fn: PolicyFn,
    num_steps: int,
    short_episodes: int | None = None,
) -> tuple[CollectorState, Transitions, FinishedEpisodes]:
    """Take ``num_steps`` steps in every environment, with a new episode wherever one ends.

    Args:
        short_episodes: the number of steps after which half of a policy's environments start new
            episodes, the same as for :func:`init_collector`; None for the time limit everywhere.
    """
    keys = jax.vmap(lambda key: jax.random.split(key, num_steps + 1))(state.keys)
    running = Running(state.episode_return, state.discounted)
    time_limit = problem.environment.time_limit
    limits = episode_limits(time_limit, state.observations.shape[1], short_episodes)[None]
    is_whole = limits == time_limit

    def one_step(
        carry: tuple[PyTree, Array, Array | None, Running, FinishedEpisodes],
        keys: Key[Array, " K"],
    ) -> tuple[PyTree, tuple[Array, ...]]:
        env_state, observations, ages, running, finished = carry
        distribution = policy_fn(observations)
        actions, env_keys, reset_keys = _chance(distribution, keys, observations.shape[1])
        log_probs = distribution.log_prob(actions)
        env_state, step = jax.vmap(jax.vmap(problem.jax_environment.step))(
            env_keys, env_state, environment_actions(problem, actions)
        )
        features = jax.vmap(jax.vmap(problem.population.features))(step.outcome)
        truncated = step.truncated
        if ages is not None:
            ages += 1
            truncated |= ~step.terminated & (ages >= limits)
        ended = step.terminated | truncated
        ages = None if ages is None else jnp.where(ended, 0, ages)
        running, finished = advance(
            running, finished, features, ended, ended & is_whole, problem.discount
        )
        fresh = jax.vmap(jax.vmap(problem.jax_environment.reset))(reset_keys)
        env_state, next_start = select(ended, fresh, (env_state, step.observation))
        kept = (
            observations,
            actions,
            log_probs,
            features,
            step.observation,
            step.terminated,
            truncated,
        )
        return (env_state, next_start, ages, running, finished), kept

    finished = FinishedEpisodes.none_yet(running)
    carry = (state.env_state, state.observations, state.ages, running, finished)
    carry, kept = jax.lax.scan(one_step, carry, jnp.swapaxes(keys[:, 1:], 0, 1))
    env_state, observations, ages, running, finished = carry
    transitions = Transitions(*(jnp.swapaxes(leaf, 0, 1) for leaf in kept))
    state = CollectorState(
        keys[:, 0], env_state, observations, running.episode_return, running.discounted, ages
    )
    return state, transitions, finished


def environment_actions(problem: RMDP, actions: Array) -> Array:
    """Return the actions for the environment: continuous ones are clipped to the action space."""
    space = problem.environment.action_space
    return space.clip(actions) if isinstance(space, Box) else actions


def select(condition: Bool[Array, "*batch"], if_true: PyTree, if_false: PyTree) -> PyTree:
    """Choose between two trees, leaf by leaf.

    The leading axes of every leaf are those of the condition.
    """

    def choose(true: Array, false: Array) -> Array:
        extra = [1] * (true.ndim - condition.ndim)
        return jnp.where(condition.reshape(*condition.shape, *extra), true, false)

    return jax.tree.map(choose, if_true, if_false)


def _chance(
    distribution: ActionDistribution, keys: Key[Array, " K"], num_envs: int
) -> tuple[Array, Key[Array, "K B"], Key[Array, "K B"]]:
    """Return sampled actions, and keys for each environment's step and reset."""
    split = jax.vmap(lambda key: jax.random.split(key, 3))(keys)
    actions = jax.vmap(lambda dist, key: dist.sample(key))(distribution, split[:, 0])
    per_env = jax.vmap(jax.vmap(lambda key: jax.random.split(key, num_envs)))(split[:, 1:])
    return actions, per_env[:, 0], per_env[:, 1]


class Episodes(NamedTuple):
    """``E`` whole episodes of each policy, each stopped at its end.

    Attributes:
        returns: the undiscounted returns, in features.
        lengths: the lengths of the episodes in steps.
        features: the reward features of each step, zero after the end; None unless asked for.
        outcomes: the outcome of each step; values after the end of the episode mean nothing. None
            unless asked for.
    """

    returns: Float[Array, "E K D"]
    lengths: Int[Array, "E K"]
    features: Float[Array, "E K T D"] | None
    outcomes: PyTree | None


@in_full_precision
def run_episodes(
    key: PRNGKeys,
    problem: RMDP,
    policy_fn: PolicyFn,
    num_policies: int,
    num_episodes: int,
    deterministic: bool | Bool[Array, ""],
    trace: bool = False,
    pay: FeatureFn | None = None,
) -> Episodes:
    """Run every policy for ``num_episodes`` episodes from fresh resets.

    Args:
        key: the random key, or a key for each policy. Policies with the same key meet the same
            chance: the same random numbers at the same step of the same episode.
        deterministic: whether to take each distribution's mode instead of a sample. It may be
            traced, so that one compiled program serves both.
        trace: whether every step's features and outcome are kept too.
        pay: a function from an outcome to the quantities that the returns add up; by default the
            reward features.
    """
    pay = pay or problem.population.features
    own = key if key.ndim else jax.random.split(key, num_policies)
    start = init_collector(own, problem, num_episodes)
    keys = jax.vmap(lambda k: jax.random.split(k, problem.environment.time_limit))(start.keys)

    def one_step(
        carry: tuple[PyTree, Array, Bool[Array, "K E"], Array, Array], keys: Key[Array, " K"]
    ) -> tuple[PyTree, tuple[Array, PyTree] | None]:
        env_state, observations, running, returns, lengths = carry
        split = jax.vmap(lambda k: jax.random.split(k, num_episodes + 1))(keys)
        distribution = policy_fn(observations)
        sampled = jax.vmap(lambda dist, k: dist.sample(k))(distribution, split[:, 0])
        actions = jnp.where(deterministic, distribution.mode(), sampled)
        next_state, step = jax.vmap(jax.vmap(problem.jax_environment.step))(
            split[:, 1:], env_state, environment_actions(problem, actions)
        )
        # An episode that has ended stays in its state and earns nothing.
        features = jax.vmap(jax.vmap(pay))(step.outcome)
        features = jnp.where(running[..., None], features, 0.0)
        env_state, observations = select(
            running, (next_state, step.observation), (env_state, observations)
        )
        lengths = lengths + running
        running = running & ~(step.terminated | step.truncated)
        carry = (env_state, observations, running, returns + features, lengths)
        return carry, (features, step.outcome) if trace else None

    shape = (num_policies, num_episodes)
    paid = jax.eval_shape(pay, outcome_shape(problem.environment))
    carry = (
        start.env_state,
        start.observations,
        jnp.ones(shape, bool),
        jnp.zeros((*shape, *paid.shape)),
        jnp.zeros(shape, jnp.int32),
    )
    carry, kept = jax.lax.scan(one_step, carry, jnp.swapaxes(keys, 0, 1))
    features, outcomes = (None, None) if kept is None else jax.tree.map(_episodes_first, kept)
    return Episodes(carry[3].swapaxes(0, 1), carry[4].swapaxes(0, 1), features, outcomes)


def _episodes_first(leaf: Array) -> Array:
    """Return an array [T, K, E, ...] as [E, K, T, ...]."""
    return jnp.swapaxes(leaf, 0, 2)
