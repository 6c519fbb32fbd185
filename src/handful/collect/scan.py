"""Experience from environments written in JAX, compiled whole with the policies in them."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.collect.limits import episode_limits
from handful.collect.returns import Discounted, FinishedEpisodes, Running, advance
from handful.environment import Box
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int, Key, PRNGKey, PyTree


@runtime_checkable
class ActionDistribution(Protocol):
    """What a policy says of its next action, at a batch of observations."""

    def sample(self, key: PRNGKey) -> Array:
        """Raw actions."""
        ...

    def mode(self) -> Array:
        """The actions without chance."""
        ...

    def log_prob(self, action: Array) -> Array:
        """Of raw actions."""
        ...


PolicyFn = Callable[[Float[Array, "K M O"]], ActionDistribution]
"""All policies at once: raw observations to action distributions with batch shape [K, M]."""


class CollectorState(eqx.Module):
    """Where each policy's environments stand between updates.

    Attributes:
        keys: [K] one stream of chance a policy.
        env_state: the environments' states, [K, B] on each array.
        observations: [K, B, O] raw.
        episode_return: [K, B, D] of the running episodes, in features.
        discounted: the same with discount, where the return table is to hold that.
        ages: [K, B] in steps, of the running episodes, where some are cut short.
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
    """Start every environment of every policy; ``discounted`` returns are kept on request."""
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
    """Take ``num_steps`` in every environment, starting a new episode wherever one ends.

    Args:
        short_episodes: steps after which half of a policy's environments start anew, as the state
            was made for; None for none.
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
    """Continuous actions clipped to the action space; discrete ones as they are."""
    space = problem.environment.action_space
    return space.clip(actions) if isinstance(space, Box) else actions


def select(condition: Bool[Array, "*batch"], if_true: PyTree, if_false: PyTree) -> PyTree:
    """``where`` on every leaf, whose leading axes are the condition's."""

    def choose(true: Array, false: Array) -> Array:
        extra = [1] * (true.ndim - condition.ndim)
        return jnp.where(condition.reshape(*condition.shape, *extra), true, false)

    return jax.tree.map(choose, if_true, if_false)


def _chance(
    distribution: ActionDistribution, keys: Key[Array, " K"], num_envs: int
) -> tuple[Array, Key[Array, "K B"], Key[Array, "K B"]]:
    """Sampled actions, and keys for each environment's step and reset."""
    split = jax.vmap(lambda key: jax.random.split(key, 3))(keys)
    actions = jax.vmap(lambda dist, key: dist.sample(key))(distribution, split[:, 0])
    per_env = jax.vmap(jax.vmap(lambda key: jax.random.split(key, num_envs)))(split[:, 1:])
    return actions, per_env[:, 0], per_env[:, 1]
