"""Candidates of a universal policy: which contexts are tried, and what they earn every user.

A context says what the policy is to be like, and not how good it then is: a user's own context is
often worth less to the user than a neighbour's. So candidates play episodes, and what counts is
what they earn. Few transitions are left for that. So all candidates play a few episodes first, and
those play on that one of the best choices consists of, by either half of the episodes or by all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.episodes import make_player
from handful.exact.budgets import choose_budgets
from handful.learner.base import LearnerState, Networks, UniversalLearner
from handful.learner.policies import Policies
from handful.learner.preferences import WIDTHS, landmarks, neighbourhoods
from handful.problem import RMDP
from handful.types import Array, NumpyArray, PRNGKey, Watch, unwatched

MOST_CANDIDATES = 400
"""The most contexts that are tried."""

FIRST_EPISODES = 2
"""The episodes that every candidate plays: one for each half."""

SHARE_OF_FIRST = 0.6
"""The share of the transitions that the first episodes may take."""

MOST_EPISODES = 64
"""The most episodes of a candidate."""

MOST_CHOOSERS = 2000
"""The most users by whom the candidates are chosen; of more users that many are drawn."""


class Candidates(NamedTuple):
    """What was tried, and what it earned.

    Attributes:
        contexts: the context of each candidate, [M, Z].
        totals: the sum over its episodes of each candidate's returns in features, by even and by
            odd episodes, [2, M, D].
        episodes: the number of its episodes in either sum, [2, M].
        steps: the transitions of all episodes.
    """

    contexts: NumpyArray
    totals: NumpyArray
    episodes: NumpyArray
    steps: int

    @property
    def returns(self) -> NumpyArray:
        """The mean return of each candidate in features, [M, D]."""
        return self.totals.sum(axis=0) / self.episodes.sum(axis=0)[:, None]

    def halves(self) -> NumpyArray:
        """Return the same by even and by odd episodes, [2, M, D]."""
        return self.totals / self.episodes[:, :, None]


def propose(
    key: PRNGKey, problem: RMDP, learner: UniversalLearner, state: LearnerState, count: int
) -> Array:
    """Return the contexts of candidates, different from each other.

    Half of them are those of users, and the others those of soft neighbourhoods of users of any
    width; the first is that of all users alike.

    Args:
        key: the random key.
        problem: the problem, with its users.
        learner: the learner of the universal policy.
        state: its state.
        count: the most candidates.
    """
    user_key, centre_key, width_key, pick_key = jax.random.split(key, 4)
    users = landmarks(user_key, jnp.asarray(problem.population.coefficients))
    contexts = learner.contexts(state, users)
    centres = jax.random.randint(centre_key, (count,), 0, len(users))
    low, high = np.log(WIDTHS)
    widths = jnp.exp(jax.random.uniform(width_key, (count,), minval=low, maxval=high))
    groups = neighbourhoods(centres, widths, contexts) @ contexts
    single = jax.random.permutation(pick_key, contexts)[: count // 2]
    everybody = jnp.mean(contexts, axis=0, keepdims=True)
    proposed = np.asarray(jnp.concatenate([everybody, single, groups]))[:count]
    _, first = np.unique(np.round(proposed, 5), axis=0, return_index=True)
    return jnp.asarray(proposed[np.sort(first)])


def try_candidates(
    key: PRNGKey,
    problem: RMDP,
    learner: UniversalLearner,
    state: LearnerState,
    budgets: Sequence[int],
    most_steps: int,
    at_once: int,
    watch: Watch = unwatched,
) -> Candidates:
    """Play episodes of candidates, most of the best ones.

    Args:
        key: the random key of proposals and episodes.
        problem: the problem.
        learner: the learner of the universal policy.
        state: its state.
        budgets: the numbers of policies that will be chosen.
        most_steps: the most transitions that all episodes take together, if each lasts to the time
            limit; every candidate plays two episodes in any case, and at least as many candidates
            play as the largest budget has policies.
        at_once: the number of policies that play side by side.
        watch: is called with the share of the transitions that has been played.
    """
    limit = problem.environment.time_limit
    propose_key, play_key = jax.random.split(key)
    affordable = int(SHARE_OF_FIRST * most_steps / (FIRST_EPISODES * limit))
    count = min(max(affordable, max(budgets) + 1), MOST_CANDIDATES)
    contexts = propose(propose_key, problem, learner, state, count)
    at_once = min(at_once, len(contexts))
    play = _Player(play_key, problem, learner, state, contexts, at_once)
    totals = np.zeros((2, len(contexts), problem.num_features))
    episodes, steps = np.zeros((2, len(contexts))), 0
    rows = np.arange(len(contexts))
    while True:
        for begin in range(0, len(rows), at_once):
            # One program serves any number of candidates: the first ones fill it up.
            some = np.resize(rows[begin : begin + at_once], at_once)
            returns, played = play(some)
            steps += played
            for half in range(FIRST_EPISODES):
                np.add.at(totals[half], some, returns[half])
                np.add.at(episodes[half], some, 1)
            watch(min(steps / max(most_steps, 1), 1.0))
        found = Candidates(np.asarray(contexts), totals, episodes, steps)
        rows = finalists(problem, found, budgets)
        rows = rows[episodes[0, rows] < MOST_EPISODES / 2]
        cost = steps / episodes.sum() * 2 * len(rows)
        if not len(rows) or steps + cost > most_steps:
            return found


class _Player:
    """Plays two episodes of some candidates at a time, each time with other chance."""

    def __init__(
        self,
        key: PRNGKey,
        problem: RMDP,
        learner: UniversalLearner,
        state: LearnerState,
        contexts: Array,
        at_once: int,
    ) -> None:
        self._key, self._space = key, problem.environment.action_space
        self._networks_at = jax.jit(lambda some: learner.at(state, some))
        self._contexts, self._calls = contexts, 0
        self._play = make_player(problem, at_once, FIRST_EPISODES)

    def __call__(self, rows: NumpyArray) -> tuple[NumpyArray, int]:
        """Return the returns of two episodes of each candidate, [2, M, D], and the transitions."""
        networks: Networks = self._networks_at(self._contexts[rows])
        actor = networks.actor.without_random_actions()
        policies = Policies(actor, networks.normalizer, self._space)
        key = jax.random.fold_in(self._key, self._calls)
        self._calls += 1
        episodes = self._play(key, policies, True)
        return np.asarray(episodes.returns), int(np.sum(episodes.lengths))


def finalists(problem: RMDP, found: Candidates, budgets: Sequence[int]) -> NumpyArray:
    """Return the candidates that a best choice consists of, by all episodes or by half of them."""
    coefficients = choosers(problem)
    views = [found.returns, *found.halves()]
    chosen = [
        choice.indices
        for view in views
        for choice in choose_budgets(view @ coefficients.T, budgets, prove=False).values()
    ]
    return np.unique(np.concatenate(chosen))


def choosers(problem: RMDP) -> NumpyArray:
    """Return the coefficients of the users by whom candidates are chosen."""
    coefficients = np.asarray(problem.population.coefficients, np.float64)
    if len(coefficients) <= MOST_CHOOSERS:
        return coefficients
    rows = np.random.default_rng(0).choice(len(coefficients), MOST_CHOOSERS, replace=False)
    return coefficients[np.sort(rows)]
