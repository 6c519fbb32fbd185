"""Observations that policies meet when they play, and what the policies do with them.

A few episodes are played for every bundle. They give the ranges and the distributions of
observations, and the vectors by which another machine, or another format, can be compared with the
policies as they were trained.
Half of the episodes take likeliest actions and half sampled ones, so that both kinds of use are
covered.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.foreign import exits_told
from handful.deploy.distributions import LONGEST, Distributions
from handful.devices import in_full_precision, usable_cores
from handful.environment import Box, Environment, HasRequirements
from handful.errors import HandfulError
from handful.export.distributions import Windows
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.types import NumpyArray

STREAM = 0xB0D1E
"""A number that is folded into the seed, so that no episode of training or evaluation is played
again."""

LEAST_COPIES, MOST_COPIES = 4, 32
"""The least and the most environments of each policy, half of them with sampled actions."""

MOST_STEPS = LONGEST
"""The most steps in each of them."""

STEPS_ON_HOST = 4000
"""About the steps of each policy's environments together, where they are not of JAX."""

MOST_VECTORS, LEAST_VECTORS = 256, 8
"""The most and the least recorded observations of a policy."""

MOST_BYTES = 2**24
"""About the most bytes of all recorded observations."""

PLAYED = "episodes that each policy played when the bundle was made"
DRAWN = "the statistics of the observations of training, as the simulator is not installed here"
"""Where ranges and vectors come from, in words."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What was recorded.

    Attributes:
        low, high: the lowest and the highest value of each entry of all observations, [O].
        observations: some observations of each policy, float32 [K, V, O].
        num_observations: the number of observations from which the ranges are.
        source: where the observations come from, in words.
        distributions: how the observations are distributed; None if this is not known.
    """

    low: NumpyArray
    high: NumpyArray
    observations: tuple[NumpyArray, ...]
    num_observations: int
    source: str
    distributions: Distributions | None


def copies_of(problem: RMDP, steps: int) -> int:
    """Return the number of environments of each policy, which is even."""
    if not problem.runs_on_host:
        return MOST_COPIES
    return min(max(STEPS_ON_HOST // steps // 2 * 2, LEAST_COPIES), MOST_COPIES)


def record(problem: RMDP, policies: Policies, seed: int) -> Recording:
    """Play a few episodes of each policy and keep some observations of each.

    If the simulator is not installed, observations are drawn from the statistics of training.

    Args:
        problem: the problem that the policies were trained on.
        policies: the ``K`` policies.
        seed: the seed of the episodes.
    """
    policies = replace(policies, reader=None)  # the environments below give vectors
    environment = problem.environment
    if isinstance(environment, HasRequirements):
        try:
            environment.check_installed()
        except HandfulError:
            return _drawn(policies, seed)
    steps = min(environment.time_limit, MOST_STEPS)
    number, size = policies.num_policies, policies.observation_size
    copies = copies_of(problem, steps)
    wanted = np.clip(MOST_BYTES // (4 * number * size), LEAST_VECTORS, MOST_VECTORS)
    kept_steps = set(np.linspace(0, steps - 1, max(int(wanted) // copies, 1)).astype(int).tolist())
    play = _play_on_host if problem.runs_on_host else _play_in_jax
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    kept: list[NumpyArray] = []
    windows = Windows(number, copies, environment.time_limit, size, seed)
    total = 0

    def see(step: int, observations: NumpyArray) -> None:
        nonlocal low, high, total
        finite = observations[np.isfinite(observations).all(axis=1)]
        if len(finite):
            low, high = np.minimum(low, finite.min(axis=0)), np.maximum(high, finite.max(axis=0))
        total += len(finite)
        if step in kept_steps:
            kept.append(observations.reshape(number, copies, size))
        windows.see(step, observations)

    play(problem, _Actor(policies, copies, seed), number * copies, steps, seed, see)
    found = np.concatenate(kept, axis=1)
    sound = tuple(rows[np.isfinite(rows).all(axis=1)] for rows in found)
    if not all(map(len, sound)):
        raise HandfulError(
            "The environment gave no observation of finite numbers to some policy, so that nothing "
            "can be recorded of it: see to the environment."
        )
    return Recording(low, high, sound, total, PLAYED, windows.distributions())


class _Actor:
    """The actions of all policies, each in its own environments.

    Args:
        policies: the policies.
        copies: the number of environments of each.
        seed: the seed of sampled actions.
    """

    def __init__(self, policies: Policies, copies: int, seed: int) -> None:
        self._act, self._rng = policies.act, np.random.default_rng([STREAM, seed])
        self._policies = np.repeat(np.arange(policies.num_policies), copies)
        self._is_sampled = np.arange(len(self._policies)) % copies >= copies // 2
        self._dtype = np.float32 if isinstance(policies.action_space, Box) else np.int32

    def __call__(self, observations: NumpyArray) -> NumpyArray:
        """Return the actions at observations [K * copies, O]."""
        likeliest = self._act(observations, self._policies)
        sampled = self._act(observations, self._policies, rng=self._rng)
        chosen = self._is_sampled.reshape(-1, *[1] * (likeliest.ndim - 1))
        return np.where(chosen, sampled, likeliest).astype(self._dtype)


See = Callable[[int, NumpyArray], None]


def _play_on_host(
    problem: RMDP, act: _Actor, num_envs: int, steps: int, seed: int, see: See
) -> None:
    seed = int(np.random.SeedSequence([STREAM, seed]).generate_state(1)[0] >> 1)
    with exits_told("The environment failed in open()"):
        batch = problem.host_environment.open(num_envs, seed, usable_cores())
    try:
        with exits_told("The environment failed while episodes were recorded"):
            observations = np.asarray(batch.reset(np.arange(num_envs)), np.float32)
            for step in range(steps):
                see(step, observations)
                taken = batch.step(act(observations))
                observations = np.array(taken.observation, np.float32)
                ended = np.flatnonzero(taken.terminated | taken.truncated)
                if len(ended):
                    observations[ended] = batch.reset(ended)
    finally:
        batch.close()


def _play_in_jax(
    problem: RMDP, act: _Actor, num_envs: int, steps: int, seed: int, see: See
) -> None:
    environment: Environment = problem.jax_environment

    @jax.jit
    @in_full_precision
    def begin(key: Any) -> Any:
        return jax.vmap(environment.reset)(jax.random.split(key, num_envs))

    @jax.jit
    @in_full_precision
    def advance(key: Any, states: Any, actions: Any) -> Any:
        taking, beginning = jax.random.split(key)
        following, step = jax.vmap(environment.step)(
            jax.random.split(taking, num_envs), states, actions
        )
        ended = step.terminated | step.truncated
        fresh = jax.vmap(environment.reset)(jax.random.split(beginning, num_envs))

        def either(new: Any, old: Any) -> Any:
            return jnp.where(ended.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        return jax.tree.map(either, fresh, (following, step.observation))

    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    states, observations = begin(key)
    for step in range(steps):
        rows = np.asarray(observations, np.float32)
        see(step, rows)
        actions = jnp.asarray(act(rows))
        states, observations = advance(jax.random.fold_in(key, step), states, actions)


def _drawn(policies: Policies, seed: int) -> Recording:
    """Return observations by the statistics of training."""
    rng = np.random.default_rng([STREAM, seed])
    mean = np.asarray(policies.normalizer.mean, np.float64)
    spread = np.sqrt(np.asarray(policies.normalizer.variance, np.float64))
    shape = (len(mean), MOST_VECTORS, mean.shape[1])
    observations = (mean[:, None] + spread[:, None] * rng.standard_normal(shape)).astype(np.float32)
    low, high = (mean - 3 * spread).min(axis=0), (mean + 3 * spread).max(axis=0)
    return Recording(low, high, tuple(observations), 0, DRAWN, None)


def vectors_of(
    policies: Policies, recording: Recording, decode: Callable[[Any], Any] | None
) -> dict[str, NumpyArray]:
    """Return what each policy does with its recorded observations, by the names in ``vectors.npz``.

    Args:
        policies: the policies.
        recording: the observations.
        decode: turns a policy's action into the simulator's; None if they are the same.
    """
    policies = replace(policies, reader=None)
    host, found = policies.on_host(), {}
    for k, rows in enumerate(recording.observations):
        actions = policies.act(rows, policy=k)
        if decode is not None:
            actions = np.stack([np.asarray(decode(action)) for action in actions])
        found[f"{k}/observations"] = rows.astype(np.float32)
        found[f"{k}/outputs"] = host.outputs_of(k, rows).astype(np.float32)
        found[f"{k}/actions"] = actions
    return found
