"""Experience from environments on the host, which are stepped and acted on in batches.

A step of all policies' environments costs one call of the policies (:mod:`handful.collect.acting`)
and one of the environments. The experience stays in NumPy arrays until the batch is complete, and
then goes to the learner in one transfer.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful._support.digits import find_coarse_entry, find_lost_digits
from handful._support.foreign import exits_told
from handful.collect.acting import Chooser, HostPolicies
from handful.collect.jax_rollout import Episodes, episode_limits
from handful.collect.returns import Discounted, FinishedEpisodes, Running, advance
from handful.devices import in_full_precision, usable_cores
from handful.environment import HostBatch, HostEnvironment
from handful.errors import HandfulError
from handful.population import FeatureFn
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import (
    Array,
    Bool,
    Float,
    Key,
    NumpyArray,
    PRNGKey,
    PyTree,
    Watch,
    part,
    unwatched,
)

LOOKED_AT = 200
"""The number of a collector's first observations that are checked before they become float32."""


class HostCollectorState(eqx.Module):
    """The data of the running episodes between updates; the environments hold the rest.

    Attributes:
        keys: the random keys, one for each policy, [K].
        episode_return: the returns of the running episodes so far, in features, [K, B, D].
        discounted: the same returns with discount, if the return table holds those.
    """

    keys: Key[Array, " K"]
    episode_return: Float[Array, "K B D"]
    discounted: Discounted | None = None

    def with_new_episodes(self) -> "HostCollectorState":
        """Return the state with returns of 0, for environments whose episodes all start again."""
        shape = self.episode_return.shape
        kept = None if self.discounted is None else Discounted.start(shape)
        return HostCollectorState(self.keys, jnp.zeros_like(self.episode_return), kept)


class HostExperience(NamedTuple):
    """A batch from the host, with time as the first axis: [T, K, B, ...].

    Attributes:
        observations, actions, log_probs, next_observations, terminated, truncated: the same as in
            :class:`~handful.transitions.Transitions`.
        outcomes: the outcome of each step, from which the reward features are computed.
        whole: whether an episode that ended here was complete. A first episode that was cut short
            was not, and shows nothing about a policy's return. Nor does any episode in an
            environment of short ones.
    """

    observations: Float[Array, "T K B O"]
    actions: Array
    log_probs: Float[Array, "T K B"]
    outcomes: PyTree
    next_observations: Float[Array, "T K B O"]
    terminated: Bool[Array, "T K B"]
    truncated: Bool[Array, "T K B"]
    whole: Bool[Array, "T K B"]


def init_host_collector(
    keys: Key[Array, " K"], problem: RMDP, num_envs: int, discounted: bool = False
) -> HostCollectorState:
    """Return the state before the first step.

    If ``discounted``, it holds discounted returns too.
    """
    shape = (keys.shape[0], num_envs, problem.num_features)
    kept = Discounted.start(shape) if discounted else None
    return HostCollectorState(keys, jnp.zeros(shape), kept)


class HostCollector:
    """The environments of all policies, and the loop that steps them.

    All ``B`` environments of a policy start at once. If episodes rarely end by themselves, they
    would all end at once too, many updates later. So the first episode in each environment is cut
    at a length of its own. These lengths are spread evenly over the environment's limit, and so are
    all later ends.

    Args:
        environment: the environment to run.
        num_policies: the number of policies ``K``.
        num_envs: the number of copies ``B`` for each policy.
        seed: the seed of the random numbers that the environments draw themselves.
        num_threads: the number of threads that step the environments, if they can use threads.
        short_episodes: the number of steps after which half of a policy's environments start new
            episodes (:mod:`handful.collect.jax_rollout`); None for the time limit everywhere.

    Raises:
        HandfulError: if the environment cannot be opened.
    """

    def __init__(
        self,
        environment: HostEnvironment,
        num_policies: int,
        num_envs: int,
        seed: int,
        num_threads: int,
        short_episodes: int | None = None,
    ) -> None:
        self._environment = environment
        self._shape = (num_policies, num_envs)
        self._first_seen: list[NumpyArray] | None = []
        limits = episode_limits(environment.time_limit, num_envs, short_episodes)
        self._later_limits = np.broadcast_to(limits, self._shape)
        with exits_told("The environment failed in open()"):
            self._batch = environment.open(num_policies * num_envs, seed, num_threads)
        self._observations = self._reset_all()

    def __enter__(self) -> "HostCollector":
        return self

    def __exit__(self, *_: object) -> None:
        self._batch.close()

    def restart(self) -> None:
        """Start new episodes in all environments."""
        self._observations = self._reset_all()

    def collect(
        self, policies: HostPolicies, keys: Key[Array, " K"], num_steps: int
    ) -> tuple[Key[Array, " K"], HostExperience]:
        """Take ``num_steps`` steps in every environment, with a new episode wherever one ends.

        Returns:
            The keys to go on with, and the batch, in NumPy arrays.

        Raises:
            HandfulError: if an observation or an outcome is not a finite number.
        """
        record = _Record(self._environment, num_steps, self._shape)
        space = self._environment.action_space
        choose = Chooser(policies, space, keys, self._shape, num_steps)
        for step in range(num_steps):
            raw, actions, log_probs = choose(self._observations)
            with exits_told("The environment failed in step()"):
                taken = self._batch.step(actions.reshape(-1, *actions.shape[2:]))
            self._watch_digits(taken.observation)
            following = self._fold(taken.observation).astype(np.float32)
            self._ages += 1
            terminated, truncated = self._fold(taken.terminated), self._fold(taken.truncated)
            cut = ~(terminated | truncated) & (self._ages >= self._limits)
            record.write(
                step,
                observations=self._observations,
                actions=raw,
                log_probs=log_probs,
                outcomes=jax.tree.map(self._fold, taken.outcome),
                next_observations=following,
                terminated=terminated,
                truncated=truncated | cut,
                whole=self._is_whole(cut),
            )
            self._observations = self._start_again(following, terminated | truncated | cut)
        assert choose.keys is not None
        return choose.keys, record.finish()

    def _watch_digits(self, observations: NumpyArray) -> None:
        """Look at the first observations [M, O] before they become float32.

        Raises:
            HandfulError: if an entry loses there what tells its values apart.
        """
        if self._first_seen is None:
            return
        self._first_seen.append(np.array(observations))
        if len(self._first_seen) * len(observations) < LOOKED_AT:
            return
        seen, self._first_seen = np.concatenate(self._first_seen), None
        lost = find_lost_digits(seen) or find_coarse_entry(
            seen.min(axis=0), seen.max(axis=0), constant=False
        )
        if lost is not None:
            raise HandfulError(
                f"{lost}: let the environment subtract a number near them in double precision, "
                f"before it returns its observations."
            )

    def _is_whole(self, cut: NumpyArray) -> NumpyArray:
        """Return where an episode that ends now was as long as the environment lets it be."""
        limit = self._environment.time_limit
        return (~cut | (self._limits == limit)) & (self._later_limits == limit)

    def _fold(self, array: NumpyArray) -> NumpyArray:
        """Return an array [K * B, ...] in the shape [K, B, ...]."""
        return array.reshape(*self._shape, *array.shape[1:])

    def _start_again(self, observations: NumpyArray, ended: NumpyArray) -> NumpyArray:
        """Return the observations to act on next: those of new episodes where one has ended."""
        if not ended.any():
            return observations
        started = self._reset(np.flatnonzero(ended))
        self._ages[ended] = 0
        self._limits[ended] = self._later_limits[ended]
        observations = observations.copy()
        observations[ended] = started
        return observations

    def _reset_all(self) -> NumpyArray:
        num_policies, num_envs = self._shape
        self._ages = np.zeros(self._shape, dtype=np.int64)
        self._limits = -(-self._later_limits * np.arange(1, num_envs + 1) // num_envs)
        everything = np.arange(num_policies * num_envs)
        return self._fold(self._reset(everything)).astype(np.float32)

    def _reset(self, which: NumpyArray) -> NumpyArray:
        with exits_told("The environment failed in reset()"):
            return self._batch.reset(which)


class _Record:
    """The arrays that collect a batch."""

    def __init__(
        self, environment: HostEnvironment, num_steps: int, shape: tuple[int, int]
    ) -> None:
        self._shape = (num_steps, *shape)
        self._arrays: dict[str, Any] = {}
        self._outcomes = empty_outcomes(environment, self._shape)

    def write(self, step: int, outcomes: PyTree, **arrays: NumpyArray) -> None:
        """Write one step of all environments."""
        put(self._outcomes, step, outcomes)
        for name, values in arrays.items():
            if name not in self._arrays:
                self._arrays[name] = np.empty((len(self), *values.shape), values.dtype)
            self._arrays[name][step] = values

    def __len__(self) -> int:
        return self._shape[0]

    def finish(self) -> HostExperience:
        """Return the whole batch after checking that all numbers are finite."""
        self._check("observation", self._arrays["next_observations"])
        for leaf in jax.tree.leaves(self._outcomes):
            self._check("outcome", leaf)
        return HostExperience(outcomes=self._outcomes, **self._arrays)

    def _check(self, what: str, values: NumpyArray) -> None:
        if np.isfinite(values).all():
            return
        bad = ~np.isfinite(values.reshape(*self._shape, -1)).all(axis=-1)
        step, policy, copy = (int(index) for index in np.argwhere(bad)[0])
        raise HandfulError(
            f"The environment returned an {what} that is not a finite number, to policy {policy} "
            f"(environment {copy} of {self._shape[2]}) at step {step + 1} of {self._shape[0]} of "
            f"the batch: look at its dynamics for the actions that this policy takes there."
        )


def empty_outcomes(environment: HostEnvironment, shape: tuple[int, ...]) -> PyTree:
    """Return zeros in the shape of an outcome at every index of ``shape``."""
    return jax.tree.map(
        lambda leaf: np.zeros((*shape, *leaf.shape), leaf.dtype), environment.outcome_shape()
    )


def put(arrays: PyTree, index: int, values: PyTree) -> None:
    """Write ``values`` at one index of the leading axis of every array."""
    for kept, new in zip(jax.tree.leaves(arrays), jax.tree.leaves(values), strict=True):
        kept[index] = new


def digest(
    state: HostCollectorState, problem: RMDP, keys: Key[Array, " K"], batch: HostExperience
) -> tuple[HostCollectorState, Transitions, FinishedEpisodes]:
    """Return a batch from the host in the form that the learner takes.

    This function is pure and compiled with the learner.

    Args:
        state: the state before the batch.
        keys: the keys to go on with, from :meth:`HostCollector.collect`.
    """
    every_step = jax.vmap(jax.vmap(jax.vmap(problem.population.features)))
    features = every_step(batch.outcomes)
    ended = batch.terminated | batch.truncated
    running = Running(state.episode_return, state.discounted)

    def one_step(
        carry: tuple[Running, FinishedEpisodes], step: tuple[Array, Array, Array]
    ) -> tuple[tuple[Running, FinishedEpisodes], None]:
        features, ended, whole = step
        return advance(*carry, features, ended, ended & whole, problem.discount), None

    carry = (running, FinishedEpisodes.none_yet(running))
    (running, finished), _ = jax.lax.scan(one_step, carry, (features, ended, batch.whole))
    kept = (
        batch.observations,
        batch.actions,
        batch.log_probs,
        features,
        batch.next_observations,
        batch.terminated,
        batch.truncated,
    )
    transitions = Transitions(*(jnp.moveaxis(leaf, 0, 1) for leaf in kept))
    return HostCollectorState(keys, *running), transitions, finished


MAX_ENVS = 512
"""The most environments at once, since they take memory."""

BLOCK_STEPS = 256
"""The steps whose outcomes are held at a time; a time limit may be far longer than an episode."""

Block = tuple[PyTree, NumpyArray]
"""The outcomes [T, K, E] of some steps, and whether each step belonged to a running episode."""


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

    The arguments and the result are those of :func:`~handful.collect.jax_rollout.run_episodes`.
    After every step, ``watch`` gets the share of the steps that is done. A trace is as long as the
    longest episode.
    """
    environment = problem.host_environment
    pay = pay or problem.population.features
    at_once = _divisor(num_episodes, MAX_ENVS // num_policies)
    seed = int(jax.random.bits(jax.random.fold_in(key, 1)) >> 1)  # simulators take seeds of 31 bits
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
    """Return each step's features [E, K, T, D] and its outcome, from the blocks of all rounds."""
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
    """Play one episode in every environment, and yield blocks of steps of the same shape."""

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
        if ended.any():  # an ended episode is followed by another, which counts nowhere
            observations[ended] = _reset(batch, np.flatnonzero(ended))
    yield outcomes, going_on


def _reset(batch: HostBatch, which: NumpyArray) -> NumpyArray:
    with exits_told("The environment failed in reset()"):
        return batch.reset(which)


def _divisor(number: int, at_most: int) -> int:
    """Return the largest divisor of ``number`` that is no larger, and at least 1."""
    return max(d for d in range(1, number + 1) if number % d == 0 and d <= max(at_most, 1))


@partial(jax.jit, static_argnums=0)
@in_full_precision
def _total(
    pay: FeatureFn,
    outcomes: PyTree,
    running: Bool[Array, "T K E"],
    before: Float[Array, "K E D"] | None,
) -> Float[Array, "K E D"]:
    """Return the sum over the steps of the running episodes.

    It is computed step by step, because there can be many users.

    Args:
        pay: a function from an outcome to the quantities that are added up.
        outcomes: the outcome of each step.
        running: whether each step counts.
        before: the sum over the earlier steps; None if there are none.
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
