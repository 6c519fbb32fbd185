"""Whole episodes of fixed policies in environments on the host."""

from collections.abc import Iterator
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
from handful.foreign import exits_told
from handful.population import FeatureFn
from handful.problem import RMDP
from handful.types import Array, Bool, Float, NumpyArray, PRNGKey, PyTree

MAX_ENVS = 512
"""Environments at once, whatever the number of policies and episodes: they take memory."""

BLOCK_STEPS = 256
"""Steps whose outcomes are held at a time: a time limit may be a thousand times an episode."""

Block = tuple[PyTree, NumpyArray]
"""Outcomes [T, K, E] of some steps, and whether each was one of a running episode."""


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
    ``watch`` is told how far the episodes are, after every step. A trace is as long as the longest
    episode.
    """
    environment = problem.host_environment
    pay = pay or problem.population.features
    at_once = _divisor(num_episodes, MAX_ENVS // num_policies)
    seed = int(jax.random.bits(jax.random.fold_in(key, 1)) >> 1)  # engines take 31 bits
    with exits_told("The environment failed in open()"):
        batch = environment.open(num_policies * at_once, seed, usable_cores())
    rounds, traces = [], []
    try:
        keys = None if deterministic else jax.random.split(key, num_policies)
        shape = (num_policies, at_once)
        num_rounds = num_episodes // at_once
        for index in range(num_rounds):
            choose = Chooser(
                policies, environment.action_space, keys, shape, environment.time_limit
            )
            total, lengths, kept = None, np.zeros(shape, dtype=int), []
            for block in _play(batch, environment, choose, shape, part(watch, index, num_rounds)):
                total = _total(pay, *block, total)
                lengths += block[1].sum(axis=0)
                if trace:
                    kept.append(block)
            rounds.append((total, lengths))
            traces.append(kept)
            keys = choose.keys
    finally:
        batch.close()
    returns, lengths = (np.concatenate(leaves, axis=1) for leaves in zip(*rounds, strict=True))
    features, outcomes = _traced(pay, traces) if trace else (None, None)
    return Episodes(jnp.asarray(returns.swapaxes(0, 1)), jnp.asarray(lengths.T), features, outcomes)


def _traced(pay: FeatureFn, traces: list[list[Block]]) -> tuple[Array, PyTree]:
    """The features of each step [E, K, T, D] and its outcome, from the blocks of all rounds."""
    wholes = [jax.tree.map(lambda *leaves: np.concatenate(leaves), *blocks) for blocks in traces]
    longest = max(len(running) for _, running in wholes)

    def padded(leaf: NumpyArray) -> NumpyArray:
        return np.pad(leaf, [(0, longest - len(leaf))] + [(0, 0)] * (leaf.ndim - 1))

    wholes = [jax.tree.map(padded, whole) for whole in wholes]
    outcomes, running = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=2), *wholes)
    used = int(running.any(axis=(1, 2)).sum())
    outcomes, running = jax.tree.map(lambda leaf: leaf[:used], (outcomes, running))
    features = jnp.moveaxis(_each_step(pay, outcomes, running), 0, 2).swapaxes(0, 1)
    return features, jax.tree.map(lambda leaf: np.moveaxis(leaf, 0, 2).swapaxes(0, 1), outcomes)


def _play(
    batch: HostBatch,
    environment: HostEnvironment,
    choose: Chooser,
    shape: tuple[int, int],
    watch: Watch,
) -> Iterator[Block]:
    """One episode in every environment, some steps at a time; all blocks have the same shape."""

    def fold(array: NumpyArray) -> NumpyArray:
        return np.asarray(array).reshape(*shape, *np.shape(array)[1:])

    limit = environment.time_limit
    size = min(limit, BLOCK_STEPS)
    running = np.ones(shape, dtype=bool)
    observations = fold(_reset(batch, np.arange(running.size))).astype(np.float32)
    outcomes, going_on = empty_outcomes(environment, (size, *shape)), np.zeros((size, *shape), bool)
    for step in range(limit):
        place = step % size
        if place == 0 and step > 0:
            yield outcomes, going_on
            outcomes = empty_outcomes(environment, (size, *shape))
            going_on = np.zeros((size, *shape), dtype=bool)
        actions = choose(observations).actions
        with exits_told("The environment failed in step()"):
            taken = batch.step(actions.reshape(-1, *actions.shape[2:]))
        put(outcomes, place, jax.tree.map(fold, taken.outcome))
        going_on[place] = running
        ended = fold(taken.terminated | taken.truncated)
        running = running & ~ended
        watch((step + 1) / limit if running.any() else 1.0)
        if not running.any():
            break
        observations = fold(taken.observation).astype(np.float32)
        if ended.any():  # what has ended goes on, as nothing else can be done with it, unseen
            observations[ended] = _reset(batch, np.flatnonzero(ended))
    yield outcomes, going_on


def _reset(batch: HostBatch, which: NumpyArray) -> NumpyArray:
    with exits_told("The environment failed in reset()"):
        return batch.reset(which)


def _divisor(number: int, at_most: int) -> int:
    """The largest divisor of ``number`` that is no larger, and at least 1."""
    return max(d for d in range(1, number + 1) if number % d == 0 and d <= max(at_most, 1))


@partial(jax.jit, static_argnums=0)
@in_full_precision
def _total(
    pay: FeatureFn,
    outcomes: PyTree,
    running: Bool[Array, "T K E"],
    before: Float[Array, "K E D"] | None,
) -> Float[Array, "K E D"]:
    """Sum over the steps of the running episodes, one step at a time: users can be many.

    Args:
        pay: from an outcome to what is summed.
        outcomes: of each step.
        running: which steps count.
        before: the sum over the steps before these; None where these are the first.
    """

    def add(total: Array, step: tuple[PyTree, Bool[Array, "K E"]]) -> tuple[Array, None]:
        outcome, goes_on = step
        paid = jax.vmap(jax.vmap(pay))(outcome)
        return total + jnp.where(goes_on[..., None], paid, 0.0), None

    if before is None:
        first = jax.tree.map(lambda leaf: leaf[0], outcomes)
        paid = jax.eval_shape(jax.vmap(jax.vmap(pay)), first)
        before = jnp.zeros(paid.shape, paid.dtype)
    return jax.lax.scan(add, before, (outcomes, running))[0]


@partial(jax.jit, static_argnums=0)
@in_full_precision
def _each_step(
    pay: FeatureFn, outcomes: PyTree, running: Bool[Array, "T K E"]
) -> Float[Array, "T K E D"]:
    paid = jax.vmap(jax.vmap(jax.vmap(pay)))(outcomes)
    return jnp.where(running[..., None], paid, 0.0)
