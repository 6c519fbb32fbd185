"""What every user earned in every evaluation episode, for some of the users at a time.

A table of all episodes, policies and users has 5,000,000,000 numbers for 100 episodes, 50 policies
and a million users. No caller needs all of it at once. Where rewards are linear, the table follows
from the returns in features, and where they are not, from the outcomes that the episodes led to.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.text import count
from handful.collect.episodes import make_player
from handful.devices import in_full_precision
from handful.environment import ActionSpace, Discrete
from handful.errors import HandfulError
from handful.learner.policies import Policies
from handful.population import LARGEST_TABLE, FeatureFn, Population, in_chunks
from handful.problem import RMDP
from handful.types import Array, Float, Int, NumpyArray, PRNGKey, PyTree, Watch, unwatched

Selection = slice | NumpyArray
"""Some of the users: a slice of them, or their positions [n]."""


class Played(ABC):
    """The returns of ``N`` users from ``E`` episodes of each of ``K`` policies.

    They are undiscounted and in the environment's units.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """``E``, ``K`` and ``N``."""

    @abstractmethod
    def of(self, users: Selection) -> NumpyArray:
        """Give the returns of some of the users: float64 [E, K, n]."""

    @abstractmethod
    def some(self, episodes: slice) -> "Played":
        """Give the returns of some of the episodes."""

    def chunks(self) -> Iterator[tuple[slice, NumpyArray]]:
        """Give the returns [E, K, n] of all users, so many users at a time as fit into memory."""
        num_episodes, num_policies, num_users = self.shape
        for users in in_chunks(num_users, num_episodes * num_policies):
            yield users, self.of(users)


@dataclass(frozen=True, eq=False)
class FeatureReturns(Played):
    """Returns of users whose rewards are linear in features.

    Attributes:
        features: float64 [E, K, D], the episodes' returns in features.
        population: the users, by whose coefficients their returns follow.
    """

    features: NumpyArray
    population: Population

    @property
    def shape(self) -> tuple[int, int, int]:
        """``E``, ``K`` and ``N``."""
        num_episodes, num_policies, _ = self.features.shape
        return num_episodes, num_policies, self.population.num_users

    def of(self, users: Selection) -> NumpyArray:
        """Give the returns of some of the users: float64 [E, K, n]."""
        return self.population.returns(self.features, users)

    def some(self, episodes: slice) -> "FeatureReturns":
        """Give the returns of some of the episodes."""
        return FeatureReturns(self.features[episodes], self.population)


@dataclass(frozen=True, eq=False)
class WithOutside(Played):
    """Returns beside which users have outside options, as those of one more policy, the last one.

    Attributes:
        inner: the returns of the policies.
        options: what each user gets without a policy, [N].
    """

    inner: Played
    options: NumpyArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """``E``, ``K + 1`` and ``N``."""
        num_episodes, num_policies, num_users = self.inner.shape
        return num_episodes, num_policies + 1, num_users

    def of(self, users: Selection) -> NumpyArray:
        """Give the returns of some of the users: float64 [E, K + 1, n]."""
        returns = self.inner.of(users)
        last = np.broadcast_to(self.options[users], (len(returns), 1, returns.shape[2]))
        return np.concatenate([returns, last], axis=1)

    def some(self, episodes: slice) -> "WithOutside":
        """Give the returns of some of the episodes."""
        return WithOutside(self.inner.some(episodes), self.options)


@dataclass(frozen=True, eq=False)
class ReturnTable(Played):
    """Returns that are kept as one table.

    Attributes:
        table: the return of each user from each policy in each episode, float64 [E, K, N].
    """

    table: NumpyArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """``E``, ``K`` and ``N``."""
        num_episodes, num_policies, num_users = self.table.shape
        return num_episodes, num_policies, num_users

    def of(self, users: Selection) -> NumpyArray:
        """Give the returns of some of the users: float64 [E, K, n]."""
        return self.table[:, :, users]

    def some(self, episodes: slice) -> "ReturnTable":
        """Give the returns of some of the episodes."""
        return ReturnTable(self.table[episodes])


@dataclass(frozen=True, eq=False)
class PaidReturns(Played):
    """Returns of many users whose rewards are not linear in the features.

    Attributes:
        outcomes: the outcome of every step, with the axes [E, K, T] in each array.
        lengths: [E, K] the lengths of the episodes in steps.
        pay: the function from an outcome to the users' rewards [N].
        num_users: ``N``.
    """

    outcomes: PyTree
    lengths: NumpyArray
    pay: FeatureFn
    num_users: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """``E``, ``K`` and ``N``."""
        num_episodes, num_policies = self.lengths.shape
        return num_episodes, num_policies, self.num_users

    def of(self, users: Selection) -> NumpyArray:
        """Give the returns of some of the users: float64 [E, K, n]."""
        chosen = np.arange(self.num_users)[users]
        # A smaller last chunk would need a program of its own: it repeats a user instead.
        filled = np.pad(chosen, (0, -len(chosen) % self._usual_size), mode="edge")
        paid = _paid(self.pay, self.outcomes, jnp.asarray(self.lengths), jnp.asarray(filled))
        return np.asarray(paid, dtype=np.float64)[:, :, : len(chosen)]

    def some(self, episodes: slice) -> "PaidReturns":
        """Give the returns of some of the episodes."""
        outcomes = jax.tree.map(lambda leaf: leaf[episodes], self.outcomes)
        return PaidReturns(outcomes, self.lengths[episodes], self.pay, self.num_users)

    @property
    def _usual_size(self) -> int:
        num_episodes, num_policies, num_users = self.shape
        first = next(iter(in_chunks(num_users, num_episodes * num_policies)))
        return first.stop - first.start


@dataclass(frozen=True, eq=False)
class JoinedReturns(Played):
    """Returns of the same users from several sets of policies, one set after the other.

    Attributes:
        parts: the returns from each set, of as many episodes and of the same users.
    """

    parts: tuple[Played, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """``E``, ``K`` and ``N``; ``K`` counts the policies of all sets."""
        num_episodes, _, num_users = self.parts[0].shape
        return num_episodes, sum(part.shape[1] for part in self.parts), num_users

    def of(self, users: Selection) -> NumpyArray:
        """Give the returns of some of the users: float64 [E, K, n]."""
        return np.concatenate([part.of(users) for part in self.parts], axis=1)

    def some(self, episodes: slice) -> "JoinedReturns":
        """Give the returns of some of the episodes."""
        return JoinedReturns(tuple(part.some(episodes) for part in self.parts))


@partial(jax.jit, static_argnums=0)
@in_full_precision
def _paid(
    pay: FeatureFn, outcomes: PyTree, lengths: Int[Array, "E K"], users: Int[Array, " n"]
) -> Float[Array, "E K n"]:
    """Add up what some users earn, one episode and step after the other."""

    def episode(played: tuple[PyTree, Int[Array, " K"]]) -> Float[Array, "K n"]:
        outcomes, lengths = played

        def add(total: Array, step: tuple[PyTree, Int[Array, ""]]) -> tuple[Array, None]:
            outcome, time = step
            paid = jax.vmap(lambda one: pay(one)[users])(outcome)
            return total + jnp.where((time < lengths)[:, None], paid, 0.0), None

        by_step = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), outcomes)
        num_steps = len(jax.tree.leaves(by_step)[0])
        start = jnp.zeros((len(lengths), len(users)))
        return jax.lax.scan(add, start, (by_step, jnp.arange(num_steps)))[0]

    return jax.lax.map(episode, (outcomes, lengths))


class EpisodePlayer:
    """Plays episodes of policies, by a program that is compiled once, and gives users' returns.

    Args:
        problem: the environment that is played, and the users who are paid.
        num_policies: ``K``.
        num_episodes: how many episodes of each policy are played.
    """

    def __init__(self, problem: RMDP, num_policies: int, num_episodes: int) -> None:
        self._population = population = problem.population
        num_returns = num_episodes * num_policies * population.num_users
        self._pays_all = population.reward_fn is not None and num_returns <= LARGEST_TABLE
        options: dict[str, Any] = {}  # none if validation has played by the same program
        if self._pays_all:
            options["pay"] = population.reward_fn
        elif population.reward_fn is not None:
            options["trace"] = True
        self._play = make_player(problem, num_policies, num_episodes, **options)

    def __call__(
        self, key: PRNGKey, policies: Any, deterministic: bool, watch: Watch = unwatched
    ) -> tuple[Played, NumpyArray]:
        """Play the episodes.

        Args:
            key: the random key for the chance in the episodes.
            policies: the ``K`` policies that play.
            deterministic: whether they take their likeliest actions; else they sample.
            watch: is called with the share of the episodes that has been played.

        Returns:
            The returns of all users, and the episodes' lengths in steps [E, K].
        """
        episodes = self._play(key, policies, deterministic, watch)
        lengths, population = np.asarray(episodes.lengths), self._population
        if population.reward_fn is not None and not self._pays_all:
            assert episodes.outcomes is not None
            played = PaidReturns(
                episodes.outcomes, lengths, population.reward_fn, population.num_users
            )
            return played, lengths
        returns = np.asarray(episodes.returns, dtype=np.float64)
        if self._pays_all:
            return ReturnTable(returns), lengths
        return FeatureReturns(returns, population), lengths


def check_fit(problem: RMDP, policies: Policies) -> None:
    """Check whether policies can play a problem.

    Raises:
        HandfulError: if they see other observations or choose other actions
            than the problem's environment has.
    """
    size = problem.environment.observation_size
    if policies.observation_size != size:
        raise HandfulError(
            f"The policies are not for this problem: they see observations of "
            f"{count(policies.observation_size, 'entry')}, and those of its environment have "
            f"{size}."
        )
    theirs, space = policies.action_space, problem.environment.action_space
    if theirs != space:
        raise HandfulError(
            f"The policies are not for this problem: they choose {_described(theirs)}, and its "
            f"environment takes {_described(space)}."
        )


def _described(space: ActionSpace) -> str:
    if isinstance(space, Discrete):
        return f"one of {count(space.num_actions, 'discrete action')}"
    return (
        f"actions of {count(space.size, 'number')} from {_shown(space.low)} to {_shown(space.high)}"
    )


def _shown(bound: tuple[float, ...]) -> str:
    """Show one number if all are the same, else the first ones."""
    if len(set(bound)) == 1:
        return f"{bound[0]:g}"
    more = ", ..." if len(bound) > 3 else ""
    return f"({', '.join(f'{number:g}' for number in bound[:3])}{more})"
