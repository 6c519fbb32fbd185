"""Candidates of a universal policy: which contexts are tried, and what they earn every user.

A context says what the policy is to be like, and not how good it then is: a user's own context is
often worth less to the user than a neighbour's. So candidates play episodes, and what counts is
what they earn. Few transitions are left for that. So as many candidates as these suffice for play
two episodes each, and then those play on that may belong to a best choice, by all that is known of
them and of their neighbours (:mod:`handful.training.universal.posterior`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.episodes import make_player
from handful.learner.base import LearnerState, Networks, UniversalLearner
from handful.learner.policies import Policies
from handful.learner.preferences import WIDTHS, landmarks, neighbourhoods
from handful.problem import RMDP
from handful.training.universal.chooser import Chooser
from handful.training.universal.posterior import Fit, Observations, Posterior, fit, posterior_of
from handful.training.universal.stage import EPISODES, SHARE_OF_FIRST
from handful.types import NumpyArray, PRNGKey, Watch, unwatched

MOST_CANDIDATES = 400
"""The most contexts that are tried."""

FEWEST_TURNS = 4
"""The fewest turns in which the candidates of the first round play, each as many side by side."""

SLACK = 1.25
"""The factor by which a round may take more transitions than the longest one before."""

MOST_OBSERVATIONS = 2000
"""The most rounds of a candidate, all candidates together, as all of them are weighed at once."""

FRESH = 0.1
"""The share of further observations after which it is decided anew which candidates play on. For a
decision, all that is known of all of them is computed, which takes longest where episodes are
short."""

DRAWS = 8
"""How many draws of what candidates may earn decide which of them play on."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """What was tried, and what it earned.

    Attributes:
        contexts: the context of each candidate, [M, Z].
        rows: the candidate of each observation, [n].
        rounds: the round of each observation, from 0, [n]; every candidate is in the first.
        earned: the returns in features of the two episodes of each observation, [n, 2, D].
        steps: the transitions of all episodes.
        same_chance: whether all candidates of a round met the same chance.
    """

    contexts: NumpyArray
    rows: NumpyArray
    rounds: NumpyArray
    earned: NumpyArray
    steps: int
    same_chance: bool

    @cached_property
    def fit(self) -> Fit:
        """How returns change with the context, by the first round."""
        first = np.empty((len(self.contexts), *self.earned.shape[1:]))
        is_first = self.rounds == 0
        first[self.rows[is_first]] = self.earned[is_first]
        return fit(self.contexts, first)

    @cached_property
    def posterior(self) -> Posterior:
        """What is known of the candidates' expected returns."""
        seen = Observations(self.rows, self.rounds, self.earned)
        return posterior_of(self.fit, self.contexts, seen, self.same_chance)

    @property
    def returns(self) -> NumpyArray:
        """The expected return of each candidate in features, [M, D]."""
        return self.posterior.mean

    def halves(self) -> NumpyArray:
        """Return the mean returns in features of even and of odd episodes, [2, M, D]."""
        totals = np.zeros((len(self.contexts), *self.earned.shape[1:]))
        np.add.at(totals, self.rows, self.earned)
        counts = np.bincount(self.rows, minlength=len(totals))
        return np.moveaxis(totals / counts[:, None, None], 1, 0)

    def after(
        self, rows: NumpyArray, rounds: NumpyArray, earned: NumpyArray, steps: int
    ) -> "Candidates":
        """Return the candidates with more observations, of which none is in the first round."""
        more = self.begun(self.contexts, rows, rounds, earned, steps)
        more.__dict__["fit"] = self.fit  # the first round is the same
        return more

    def begun(
        self,
        contexts: NumpyArray,
        rows: NumpyArray,
        rounds: NumpyArray,
        earned: NumpyArray,
        steps: int,
    ) -> "Candidates":
        """Return the candidates with more observations, also of further candidates."""
        return replace(
            self,
            contexts=contexts,
            rows=np.concatenate([self.rows, rows]),
            rounds=np.concatenate([self.rounds, rounds]),
            earned=np.concatenate([self.earned, earned]),
            steps=self.steps + steps,
        )


def propose(
    key: PRNGKey, problem: RMDP, learner: UniversalLearner, state: LearnerState, count: int
) -> NumpyArray:
    """Return the contexts of candidates, different from each other, in the order of their trials.

    Half of them are those of users, and the others those of soft neighbourhoods of users of any
    width; the first is that of all users alike. If transitions suffice for few of them, these few
    have somebody near every user (:func:`spread_first`).

    Args:
        key: the random key.
        problem: the problem, with its users.
        learner: the learner of the universal policy.
        state: its state.
        count: the most candidates.
    """
    user_key, centre_key, width_key, pick_key, order_key = jax.random.split(key, 5)
    users = landmarks(user_key, jnp.asarray(problem.population.coefficients))
    contexts = learner.contexts(state, users)
    centres = jax.random.randint(centre_key, (count,), 0, len(users))
    low, high = np.log(WIDTHS)
    widths = jnp.exp(jax.random.uniform(width_key, (count,), minval=low, maxval=high))
    groups = neighbourhoods(centres, widths, contexts) @ contexts
    single = jax.random.permutation(pick_key, contexts)[: count // 2]
    everybody = jnp.mean(contexts, axis=0, keepdims=True)
    others = jnp.concatenate([single, groups])[: count - 1]
    proposed = np.concatenate([everybody, jax.random.permutation(order_key, others)])
    _, first = np.unique(np.round(proposed, 3), axis=0, return_index=True)
    return spread_first(proposed[np.sort(first)], np.asarray(contexts))


def spread_first(proposed: NumpyArray, users: NumpyArray) -> NumpyArray:
    """Return contexts in an order in which the first few stand for all users.

    After the first, each next one is that which brings users nearest on average to any before it.

    Args:
        proposed: the contexts, [M, Z]; the first stays the first.
        users: the contexts of the users, [N, Z].
    """
    distances = np.linalg.norm(proposed[:, None] - users[None], axis=-1)
    order, nearest = [0], distances[0]
    is_left = np.arange(len(proposed)) > 0
    while is_left.any():
        means = np.minimum(distances, nearest).mean(axis=1)
        following = int(np.argmin(np.where(is_left, means, np.inf)))
        order.append(following)
        is_left[following] = False
        nearest = np.minimum(nearest, distances[following])
    return proposed[order]


def try_candidates(
    key: PRNGKey,
    chooser: Chooser,
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
        chooser: chooses policies under the welfare of the run.
        problem: the problem.
        learner: the learner of the universal policy.
        state: its state.
        budgets: the numbers of policies that will be chosen.
        most_steps: the most transitions that all episodes take together. At least as many
            candidates as the largest budget has policies play two episodes in any case.
        at_once: the number of policies that play side by side.
        watch: is called with the share of the transitions that has been played.
    """
    propose_key, play_key = jax.random.split(key)
    contexts = propose(propose_key, problem, learner, state, MOST_CANDIDATES)
    longest = EPISODES * problem.environment.time_limit
    sure = max(int(SHARE_OF_FIRST * most_steps / longest), max(budgets) + 1)
    # A turn plays to its end or not at all: of short turns, more fit into the transitions.
    at_once = min(at_once, max(sure // FEWEST_TURNS, 1), len(contexts))
    play = _Player(play_key, problem, learner, state, contexts, at_once)
    nothing = np.zeros(0, int)
    found = Candidates(
        contexts[:0],
        nothing,
        nothing,
        np.zeros((0, EPISODES, problem.num_features)),
        0,
        not problem.runs_on_host,
    )
    # How long an episode lasts is not known before; so more candidates are added while they fit.
    dearest = 0
    for begin in range(0, len(contexts), at_once):
        rows = np.arange(begin, min(begin + at_once, len(contexts)))
        if begin + at_once > sure and found.steps + dearest > SHARE_OF_FIRST * most_steps:
            break
        more = found.begun(contexts[: rows[-1] + 1], *play(rows, 0))
        dearest, found = max(dearest, more.steps - found.steps), more
        watch(min(found.steps / max(most_steps, 1), 1.0))
    rng = np.random.default_rng(np.asarray(jax.random.key_data(play_key)).astype(np.uint32))
    # The finalists' episodes may last longer than those before, mostly by little.
    playing, due = nothing, 0.0
    while (
        found.steps + SLACK * dearest <= most_steps
        and len(found.rows) + at_once <= MOST_OBSERVATIONS
    ):
        if len(found.rows) >= due:
            playing = finalists(chooser, found, budgets, rng)
            due = (1.0 + FRESH) * len(found.rows)
        more = found.after(*play(playing, 1 + int(found.rounds.max())))
        dearest, found = max(dearest, more.steps - found.steps), more
        watch(min(found.steps / max(most_steps, 1), 1.0))
    return found


class _Player:
    """Plays rounds of two episodes of candidates."""

    def __init__(
        self,
        key: PRNGKey,
        problem: RMDP,
        learner: UniversalLearner,
        state: LearnerState,
        contexts: NumpyArray,
        at_once: int,
    ) -> None:
        self._key, self._space = key, problem.environment.action_space
        self._networks_at = jax.jit(lambda some: learner.at(state, some))
        self._contexts, self._at_once = jnp.asarray(contexts), at_once
        self._on_host = problem.runs_on_host
        self._play = make_player(problem, at_once, EPISODES)

    def __call__(
        self, rows: NumpyArray, first_round: int
    ) -> tuple[NumpyArray, NumpyArray, NumpyArray, int]:
        """Play a round of each candidate, and further rounds while there are places left.

        One program serves any number of candidates, so that there are always as many places.

        Args:
            rows: the candidates.
            first_round: the number of the round. Further ones have the numbers that follow.

        Returns:
            The candidate and the round of each observation, what it earned, [n, 2, D], and the
            transitions.
        """
        rows = rows[: self._at_once]
        some = np.resize(rows, self._at_once)
        rounds = first_round + np.arange(self._at_once) // len(rows)
        networks: Networks = self._networks_at(self._contexts[some])
        actor = networks.actor.without_random_actions()
        policies = Policies(actor, networks.normalizer, self._space)
        keys = jax.vmap(lambda turn: jax.random.fold_in(self._key, turn))(jnp.asarray(rounds))
        key = jax.random.fold_in(keys[0], int(rows[0])) if self._on_host else keys
        episodes = self._play(key, policies, True)
        earned = np.swapaxes(np.asarray(episodes.returns), 0, 1)
        return some, rounds, earned, int(np.sum(episodes.lengths))


def finalists(
    chooser: Chooser, found: Candidates, budgets: Sequence[int], rng: np.random.Generator
) -> NumpyArray:
    """Return the candidates that may belong to a best choice, the likelier ones first.

    Args:
        chooser: chooses policies under the welfare of the run.
        found: what is known of the candidates.
        budgets: the numbers of policies that will be chosen.
        rng: the source of the draws of what the candidates may earn.
    """
    posterior = found.posterior
    views = [posterior.mean, *(posterior.draw(rng) for _ in range(DRAWS))]
    chosen = [rows for view in views for rows in chooser.quick(view, budgets)]
    counts = np.bincount(np.concatenate(chosen))
    return np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
