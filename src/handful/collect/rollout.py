"""Whole episodes of fixed policies, for evaluation and for pictures."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from handful.collect.scan import (
    PolicyFn,
    environment_actions,
    init_collector,
    select,
)
from handful.devices import in_full_precision
from handful.environment import outcome_shape
from handful.population import FeatureFn
from handful.problem import RMDP
from handful.types import Array, Bool, Float, Int, Key, PRNGKey, PyTree


class Episodes(NamedTuple):
    """``E`` whole episodes of each policy, stopped at their ends.

    Attributes:
        returns: undiscounted, in features.
        lengths: in steps.
        features: of each step; zero after the end. None unless asked for.
        outcomes: of each step; those after the end repeat nothing meaningful. None unless asked.
    """

    returns: Float[Array, "E K D"]
    lengths: Int[Array, "E K"]
    features: Float[Array, "E K T D"] | None
    outcomes: PyTree | None


@in_full_precision
def run_episodes(
    key: PRNGKey,
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
        deterministic: take each distribution's mode instead of a sample; may be traced, so that
            one compiled program serves both.
        trace: keep every step's features and outcome too.
        pay: from an outcome to what the returns are in; by default the reward features.
    """
    pay = pay or problem.population.features
    start = init_collector(jax.random.split(key, num_policies), problem, num_episodes)
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
        # An episode that has ended stands still and earns nothing.
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
    """[T, K, E, ...] to [E, K, T, ...]."""
    return jnp.swapaxes(leaf, 0, 2)
