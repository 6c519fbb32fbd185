"""Whole episodes of fixed policies in environments on the host."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.acting import Chooser, HostPolicies
from handful.collect.host import empty_outcomes, put
from handful.collect.rollout import Episodes
from handful.collect.watching import Watch, part, unwatched
from handful.devices import in_full_precision, usable_cores
from handful.environment import HostBatch, HostEnvironment
from handful.population import FeatureFn
from handful.problem import RMDP
from handful.types import Array, Bool, Float, NumpyArray, PRNGKey, PyTree

MAX_ENVS = 512
"""Environments at once, whatever the number of policies and episodes: they take memory."""


def run_host_episodes(
    key: PRNGKey,
    problem: RMDP,
    policies: HostPolicies,
    num_policies: int,
    num_episodes: int,
    deterministic: bool,
    trace: bool = False,
    pay: FeatureFn | None = None,
    watch: Watch = unwatched,
) -> Episodes:
    """Run every policy for ``num_episodes`` episodes from fresh resets.

    The arguments and the result are those of :func:`~handful.collect.rollout.run_episodes`, and
    ``watch`` is told how far the episodes are, after every step.
    """
    environment = problem.host_environment
    at_once = _divisor(num_episodes, MAX_ENVS // num_policies)
    seed = int(jax.random.bits(jax.random.fold_in(key, 1)) >> 1)  # engines take 31 bits
    batch = environment.open(num_policies * at_once, seed, usable_cores())
    rounds = []
    try:
        keys = None if deterministic else jax.random.split(key, num_policies)
        shape = (num_policies, at_once)
        num_rounds = num_episodes // at_once
        for index in range(num_rounds):
            choose = Chooser(
                policies, environment.action_space, keys, shape, environment.time_limit
            )
            watch_round = part(watch, index, num_rounds)
            rounds.append(_play(batch, environment, choose, shape, watch_round))
            keys = choose.keys
    finally:
        batch.close()
    outcomes, running = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=2), *rounds)
    pay = pay or problem.population.features
    lengths = running.sum(axis=0)
    features, kept = None, None
    if trace:
        features = jnp.moveaxis(_each_step(pay, outcomes, running), 0, 2).swapaxes(0, 1)
        kept = jax.tree.map(lambda leaf: np.moveaxis(leaf, 0, 2).swapaxes(0, 1), outcomes)
    returns = _total(pay, outcomes, running)
    return Episodes(returns.swapaxes(0, 1), jnp.asarray(lengths.T), features, kept)


def _play(
    batch: HostBatch,
    environment: HostEnvironment,
    choose: Chooser,
    shape: tuple[int, int],
    watch: Watch,
) -> tuple[PyTree, NumpyArray]:
    """One episode in every environment: outcomes [T, K, E] and whether each was still going on."""

    def fold(array: NumpyArray) -> NumpyArray:
        return np.asarray(array).reshape(*shape, *np.shape(array)[1:])

    limit = environment.time_limit
    outcomes = empty_outcomes(environment, (limit, *shape))
    going_on = np.zeros((limit, *shape), dtype=bool)
    running = np.ones(shape, dtype=bool)
    observations = fold(batch.reset(np.arange(running.size))).astype(np.float32)
    for step in range(limit):
        actions = choose(observations).actions
        taken = batch.step(actions.reshape(-1, *actions.shape[2:]))
        put(outcomes, step, jax.tree.map(fold, taken.outcome))
        going_on[step] = running
        ended = fold(taken.terminated | taken.truncated)
        running = running & ~ended
        watch((step + 1) / limit if running.any() else 1.0)
        if not running.any():
            break
        observations = fold(taken.observation).astype(np.float32)
        if ended.any():  # what has ended goes on, as nothing else can be done with it, unseen
            observations[ended] = batch.reset(np.flatnonzero(ended))
    return outcomes, going_on


def _divisor(number: int, at_most: int) -> int:
    """The largest divisor of ``number`` that is no larger, and at least 1."""
    return max(d for d in range(1, number + 1) if number % d == 0 and d <= max(at_most, 1))


@partial(jax.jit, static_argnums=0)
@in_full_precision
def _total(
    pay: FeatureFn, outcomes: PyTree, running: Bool[Array, "T K E"]
) -> Float[Array, "K E D"]:
    """Sum over the steps of the running episodes, one step at a time: users can be many."""

    def add(total: Array, step: tuple[PyTree, Bool[Array, "K E"]]) -> tuple[Array, None]:
        outcome, goes_on = step
        paid = jax.vmap(jax.vmap(pay))(outcome)
        return total + jnp.where(goes_on[..., None], paid, 0.0), None

    first = jax.tree.map(lambda leaf: leaf[0], outcomes)
    paid = jax.eval_shape(jax.vmap(jax.vmap(pay)), first)
    total, _ = jax.lax.scan(add, jnp.zeros(paid.shape, paid.dtype), (outcomes, running))
    return total


@partial(jax.jit, static_argnums=0)
@in_full_precision
def _each_step(
    pay: FeatureFn, outcomes: PyTree, running: Bool[Array, "T K E"]
) -> Float[Array, "T K E D"]:
    paid = jax.vmap(jax.vmap(jax.vmap(pay)))(outcomes)
    return jnp.where(running[..., None], paid, 0.0)
