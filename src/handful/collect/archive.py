"""Episodes worth remembering, whichever policy played them.

All reward features of every transition are known. So an episode can be judged for any user and any
policy, long after the policy that played it has changed (hindsight, as in Andrychowicz et al.
2017). An archive keeps the episodes that are worth most, with their observations and actions, as
Go-Explore does (Ecoffet et al. 2021).
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.environment import Box
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int

NEWCOMERS = 256
"""The most episodes of a batch that are offered to the archive; repeated ones count."""

EPISODES_AN_ENVIRONMENT = 4
"""The most whole episodes of a batch that are looked at, as a mean over a policy's environments.
Treating every step as the end of an episode would take most of the archive's time."""

WorthFn = Callable[[Float[Array, "E D"]], Float[Array, " E"]]
"""A function from episodes' returns in features to the worth of keeping each of them."""


class Demonstrations(NamedTuple):
    """An episode for each policy to imitate.

    Attributes:
        observations: the raw observations, [K, L, O].
        actions: the raw actions, [K, L] or [K, L, A].
        is_step: whether the episode was that long, [K, L].
    """

    observations: Float[Array, "K L O"]
    actions: Array
    is_step: Bool[Array, "K L"]


class EpisodeArchive(eqx.Module):
    """Up to ``M`` different episodes of at most ``L`` steps.

    Attributes:
        returns: the undiscounted returns of the episodes, in features.
        marks: numbers that distinguish episodes with different returns.
        lengths: the lengths of the episodes in steps; 0 where there is no episode yet.
        born: the update before which each episode was played.
        observations, actions: the raw observation and action of each step; zero after the end.
        is_new: whether the next batch's first step begins an episode, [K, B].
    """

    returns: Float[Array, "M D"]
    marks: Float[Array, " M"]
    lengths: Int[Array, " M"]
    born: Int[Array, " M"]
    observations: Float[Array, "M L O"]
    actions: Array
    is_new: Bool[Array, "K B"]

    @classmethod
    def empty(
        cls, problem: RMDP, num_policies: int, num_envs: int, num_steps: int, size: int
    ) -> "EpisodeArchive":
        """Make an archive with room for ``size`` episodes, none of them longer than a batch."""
        environment = problem.environment
        space, length = environment.action_space, min(environment.time_limit, num_steps)
        is_box = isinstance(space, Box)
        actions = (
            jnp.zeros((size, length, space.size)) if is_box else jnp.zeros((size, length), int)
        )
        return cls(
            returns=jnp.zeros((size, problem.num_features)),
            marks=jnp.full(size, jnp.nan),
            lengths=jnp.zeros(size, jnp.int32),
            born=jnp.zeros(size, jnp.int32),
            observations=jnp.zeros((size, length, environment.observation_size)),
            actions=actions,
            is_new=jnp.ones((num_policies, num_envs), bool),
        )

    @property
    def is_filled(self) -> Bool[Array, " M"]:
        """Whether each row holds an episode, [M]."""
        return self.lengths > 0

    def add(
        self,
        batch: Transitions,
        update: Int[Array, ""],
        time_limit: int,
        worth_fn: WorthFn,
        protected: Int[Array, " R"],
    ) -> "EpisodeArchive":
        """Return the archive with those whole episodes of the batch that are worth more.

        An episode is not whole if it began in an earlier batch or was cut before its time limit.

        Args:
            update: the number of updates that were done before the batch was collected.
            worth_fn: the function that gives the worth of episodes; it judges the new and the old
                alike.
            protected: the rows that stay; -1 for none.
        """
        max_length = self.observations.shape[1]
        episodes = _whole_episodes(batch, self.is_new, time_limit)
        # Adding up their steps is several times faster than computing running totals of the batch.
        returns = jnp.sum(_steps(batch.features, episodes, max_length), axis=-2)
        # Policies go one by one: users times episodes of the whole batch would take much memory.
        worth = jax.lax.map(worth_fn, returns).reshape(-1)
        episodes, returns = jax.tree.map(
            lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (episodes, returns)
        )
        fits = (episodes.lengths > 0) & (episodes.lengths <= max_length)
        marks = jnp.where(fits, _mark(returns), jnp.nan)
        worth = jnp.where(fits & ~_is_among(marks, self.marks), worth, -jnp.inf)
        worth, chosen = jax.lax.top_k(worth, min(NEWCOMERS, len(self.lengths), len(worth)))
        episodes, returns, marks = jax.tree.map(
            lambda leaf: leaf[chosen], (episodes, returns, marks)
        )
        worth = jnp.where(_is_first(marks), worth, -jnp.inf)

        old = jnp.where(self.is_filled, worth_fn(self.returns), -jnp.inf)
        is_protected = jnp.isin(jnp.arange(len(old)), protected)
        rows = jnp.argsort(jnp.where(is_protected, jnp.inf, old))[: len(worth)]
        enters = (worth > old[rows]) & ~is_protected[rows]
        new = (
            returns,
            marks,
            episodes.lengths,
            jnp.full(len(chosen), update),
            _steps(batch.observations, episodes, max_length),
            _steps(batch.actions, episodes, max_length),
        )
        kept = (
            self.returns,
            self.marks,
            self.lengths,
            self.born,
            self.observations,
            self.actions,
        )

        def place(leaf: Array, value: Array) -> Array:
            wide = enters.reshape(-1, *[1] * (value.ndim - 1))
            return leaf.at[rows].set(jnp.where(wide, value.astype(leaf.dtype), leaf[rows]))

        ended = batch.terminated[:, -1] | batch.truncated[:, -1]
        return EpisodeArchive(*jax.tree.map(place, kept, new), is_new=ended)

    def demonstrations(self, rows: Int[Array, " K"]) -> Demonstrations:
        """Return the episodes of these rows, one for each policy; none for the row -1."""
        is_step = jnp.arange(self.observations.shape[1])[None] < self.lengths[rows][:, None]
        return Demonstrations(
            self.observations[rows], self.actions[rows], is_step & (rows >= 0)[:, None]
        )


class _Episodes(NamedTuple):
    """Whole episodes of a batch, the first ``P`` of each policy.

    Attributes:
        lengths: the lengths of the episodes in steps; 0 where there is no episode.
        policies, starts, envs: the indices in the batch at which each episode begins.
    """

    lengths: Int[Array, "*E"]
    policies: Int[Array, "*E"]
    starts: Int[Array, "*E"]
    envs: Int[Array, "*E"]


def _whole_episodes(batch: Transitions, is_new: Bool[Array, "K B"], time_limit: int) -> _Episodes:
    """Return what of a batch began and ended in it, [K, P] of each."""
    num_policies, num_steps, num_envs = batch.terminated.shape
    ended = batch.terminated | batch.truncated
    times = jnp.broadcast_to(jnp.arange(num_steps)[None, :, None], ended.shape)
    next_start = jax.lax.cummax(jnp.where(ended, times + 1, 0), axis=1)
    starts = jnp.pad(next_start[:, :-1], ((0, 0), (1, 0), (0, 0)))
    is_known = is_new[:, None, :] | (starts > 0)
    lengths = times + 1 - starts
    # Collectors on the host cut the first episodes early, so that not all of them end at once.
    is_cut = ~batch.terminated & (lengths < time_limit)
    is_whole = (is_known & ended & ~is_cut).reshape(num_policies, -1)

    size = min(EPISODES_AN_ENVIRONMENT * num_envs, is_whole.shape[1])
    places = jax.vmap(lambda whole: jnp.nonzero(whole, size=size, fill_value=-1)[0])(is_whole)
    policies = jnp.broadcast_to(jnp.arange(num_policies)[:, None], places.shape)
    ends, envs = jnp.divmod(places, num_envs)
    at = (policies, ends, envs)
    return _Episodes(jnp.where(places >= 0, lengths[at], 0), policies, starts[at], envs)


def _steps(leaf: Array, episodes: _Episodes, max_length: int) -> Array:
    """Return the steps of episodes from a leaf of a batch, [*E, L, ...]; zero after their ends."""
    steps = jnp.broadcast_to(jnp.arange(max_length), (*episodes.starts.shape, max_length))
    times = jnp.minimum(episodes.starts[..., None] + steps, leaf.shape[1] - 1)
    taken = leaf[episodes.policies[..., None], times, episodes.envs[..., None]]
    is_step = steps < episodes.lengths[..., None]
    return jnp.where(is_step.reshape(*is_step.shape, *[1] * (taken.ndim - is_step.ndim)), taken, 0)


def _mark(returns: Float[Array, "*E D"]) -> Float[Array, "*E"]:
    """Return a number for each return; two that differ have the same one hardly ever."""
    direction = jax.random.normal(jax.random.key(0), returns.shape[-1:])
    return returns @ direction


def _is_among(marks: Float[Array, " E"], known: Float[Array, " M"]) -> Bool[Array, " E"]:
    """Return which marks are known; by bisection, as there are many of both."""
    ranked = jnp.sort(known)  # NaN stands for no episode and comes last
    place = jnp.minimum(jnp.searchsorted(ranked, marks), len(ranked) - 1)
    return ranked[place] == marks


def _is_first(marks: Float[Array, " E"]) -> Bool[Array, " E"]:
    """Return which marks are not there before."""
    before = jnp.tril(marks[:, None] == marks[None], k=-1)
    return ~jnp.any(before, axis=1)
