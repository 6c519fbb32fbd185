"""New users whose weights are unknown: what they say and earn settles which policy is best.

A user's weights are one of many that the population has (particles). What a user says makes some of
them more probable than others, and each of them has a best policy. So there is a posterior over the
best policy long before there is one over the weights.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.checks import check_seed
from handful.errors import HandfulError
from handful.routing.likelihood import of_ordering, of_ratings, of_return
from handful.routing.measured import Returns

MOST_PARTICLES = 4096
"""The most weights of the population that are compared; of more, some are drawn."""

TEMPERATURES = (0.05, 0.15, 0.5, 1.5)
"""How random people's orderings may be, in standard deviations of their return. A difference of one
standard deviation is seen with odds of e to the power of 1 / temperature."""

DRAWS = 1000
"""The number of draws of the policies' returns, for the probability that a policy is the best."""

MOST_ORDERED = 6
"""The most episodes of a suggested question; there are 720 orderings of six."""

TRIES, TRIED_PARTICLES = 32, 256
"""The number of questions that are compared, and of weights for which they are."""


class Router:
    """What there is to know of a bundle's policies and population. :meth:`ask` begins with a user.

    Args:
        returns: the returns of the policies in reward features.
        prior: the weights of people like the new users, [P, D]; several hundred are better than a
            few, as a new user is taken for one of them.
        tolerance: the loss of return in an episode, in the environment's units, that counts as
            none. Where it is above 0, a policy counts as best if it is that close to the best.
        seed: the seed that draws from more than 4096 weights.

    Attributes:
        returns: the returns of the policies.
        prior: the weights that are compared, [P, D].
        expected: [P, K] what each of them makes expected from an episode of each policy.
        best: [P, K] the probability that each policy is the best, or as good as it.
        spread: [P] the standard deviation of the return over episodes of all policies.

    Raises:
        HandfulError: if the prior does not fit the policies' features.
    """

    def __init__(self, returns: Returns, prior: Any, tolerance: float = 0.0, seed: int = 0) -> None:
        check_seed(seed)
        if not (isinstance(tolerance, int | float) and 0 <= tolerance < np.inf):
            raise HandfulError(f"tolerance must be a number from 0 on, not {tolerance!r}.")
        weights = returns.rows(prior, "prior")
        if len(weights) > MOST_PARTICLES:
            rng = np.random.default_rng(seed)
            weights = weights[rng.choice(len(weights), MOST_PARTICLES, replace=False)]
        self.returns, self.prior = returns, weights
        self.expected = weights @ returns.mean.T
        self.best = returns.best_probabilities(weights, float(tolerance), DRAWS)
        self.spread = _spread(returns, weights)

    def ask(self) -> "Belief":
        """Return what is known of a new user before they said anything: the population."""
        return Belief(self)

    def features(self, episodes: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Return the returns of shown episodes in features, [M, D].

        Args:
            episodes: for each episode its returns in features [D], or the number of a policy, whose
                mean return then stands for it.

        Raises:
            HandfulError: if an episode is neither.
        """
        rows = []
        for one in episodes:
            if isinstance(one, int | np.integer) and not isinstance(one, bool):
                self.check_policy(one)
                rows.append(self.returns.mean[one])
            else:
                found = self.returns.rows(one, "An episode's returns in features")
                rows.extend(found)
        return np.array(rows).reshape(-1, self.returns.num_features)

    def check_policy(self, policy: Any) -> None:
        """Check that there is a policy of this number.

        Raises:
            HandfulError: if there is none.
        """
        is_number = isinstance(policy, int | np.integer) and not isinstance(policy, bool)
        if not is_number or not 0 <= policy < self.returns.num_policies:
            raise HandfulError(
                f"There is no policy {policy!r}: choose from 0 to {self.returns.num_policies - 1}."
            )


class Belief:
    """What is known of one user's best policy. :meth:`Router.ask` makes one.

    Args:
        router: the router.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._log = np.zeros((len(router.prior), len(TEMPERATURES)))
        self._rated: list[tuple[NDArray[Any], float]] = []
        self._of_ratings = np.zeros(len(router.prior))

    def ordered(self, episodes: Sequence[Any] | NDArray[Any]) -> None:
        """Take in that the user ordered episodes that were shown.

        Three or more say more than pairs of them: choices between two cannot tell mixed kinds of
        people apart (arXiv 2510.15716).

        Args:
            episodes: the episodes, the best first: for each its returns in features [D], or the
                number of a policy, whose mean return then stands for it.

        Raises:
            HandfulError: if there are fewer than two, or they are no episodes.
        """
        shown = self._router.features(episodes)
        if len(shown) < 2:
            raise HandfulError("An ordering needs at least two episodes; three say more.")
        self._log += self._of_orderings(shown[None], np.arange(len(self._log)))[:, :, 0]

    def rated(
        self, episodes: Sequence[Any] | NDArray[Any], ratings: Sequence[Any] | NDArray[Any]
    ) -> None:
        """Take in ratings of episodes, on any scale of the user's own: higher is better.

        Args:
            episodes: the episodes, as in :meth:`ordered`.
            ratings: the rating of each. All ratings of the user are on the same scale.

        Raises:
            HandfulError: if there is not a finite rating for each episode.
        """
        shown, values = self._router.features(episodes), np.asarray(ratings, np.float64)
        if values.shape != (len(shown),) or not np.isfinite(values).all():
            raise HandfulError(
                f"ratings must be a finite number for each of the {len(shown)} episodes."
            )
        self._rated += zip(shown, values.tolist(), strict=True)
        utilities = self._router.prior @ np.array([one for one, _ in self._rated]).T
        self._of_ratings = of_ratings(utilities, np.array([value for _, value in self._rated]))

    def earned(self, policy: int, value: float) -> None:
        """Take in the return that an episode of a policy earned the user.

        Args:
            policy: the policy's number.
            value: the return, undiscounted, in the environment's units.

        Raises:
            HandfulError: if there is no such policy or the return is not finite.
        """
        router = self._router
        router.check_policy(policy)
        if not np.isfinite(value):
            raise HandfulError(f"A return must be a finite number, not {value!r}.")
        returns, weights = router.returns, router.prior
        mean = router.expected[:, policy]
        noise = returns.of_an_episode[policy] + returns.covariance[policy]
        variance = np.einsum("pd,df,pf->p", weights, noise, weights)
        # A particle stands for people like it, or one exact return would leave a single particle.
        near = np.var(mean) * len(weights) ** (-2.0 / (4.0 + returns.num_features))
        smallest = max(float(near), 1e-12 * float((mean**2).mean()), 1e-300)
        self._log += of_return(mean, np.maximum(variance, 0.0) + smallest, float(value))[:, None]

    @property
    def weights(self) -> NDArray[Any]:
        """The probability of each weights of the prior, [P]."""
        return self._joint().sum(axis=1)

    @property
    def probabilities(self) -> NDArray[Any]:
        """The probability that each policy is the best, or as good as it, [K].

        Equal policies count together, so that the sum may be above 1.
        """
        return self.weights @ self._router.best

    @property
    def expected(self) -> NDArray[Any]:
        """What the user may expect from an episode of each policy, in the environment's units."""
        return self.weights @ self._router.expected

    @property
    def policy(self) -> int:
        """The policy to give the user by what is known: the one with the highest expectation."""
        return int(np.argmax(self.expected))

    @property
    def confidence(self) -> float:
        """The probability that :attr:`policy` is the best, or as good as it."""
        return min(float(self.probabilities[self.policy]), 1.0)

    @property
    def regret(self) -> float:
        """The return that the user may expect to lose with :attr:`policy`, against the best."""
        values = self._router.expected
        return float(self.weights @ (values.max(axis=1) - values[:, self.policy]))

    def settled(self, confidence: float = 0.95) -> bool:
        """Return whether the best policy is known well enough to stop asking.

        Args:
            confidence: the probability that is enough, above 0 and below 1.
        """
        return self.confidence >= confidence

    def draw(self, rng: np.random.Generator) -> int:
        """Return the policy to use next in order to learn and to earn: Thompson sampling.

        Each policy is drawn with the probability that it is the best.

        Args:
            rng: draws it.
        """
        chances = self.probabilities
        return int(rng.choice(len(chances), p=chances / chances.sum()))

    def question(
        self, episodes: NDArray[Any], rng: np.random.Generator, number: int = 3
    ) -> NDArray[Any]:
        """Choose the episodes whose ordering tells most about which policy is best.

        Some random choices are compared by the information in bits that the answer has, and the
        user's answer goes into :meth:`ordered`.

        Args:
            episodes: the returns in features of the episodes that can be shown, [E, D].
            rng: draws the choices.
            number: the number of episodes to order.

        Returns:
            the numbers of the episodes, int [number].

        Raises:
            HandfulError: if there are fewer episodes, or the number is not from 2 to 6.
        """
        pool = self._router.returns.rows(episodes, "episodes")
        if not 2 <= number <= min(MOST_ORDERED, len(pool)):
            raise HandfulError(
                f"number must be from 2 to {MOST_ORDERED}, and there must be as many episodes "
                f"({len(pool)} are given)."
            )
        tried = np.array([rng.choice(len(pool), number, replace=False) for _ in range(TRIES)])
        weights = self.weights
        rows = rng.choice(len(weights), TRIED_PARTICLES, p=weights)
        patience = self._joint().sum(axis=0)
        best = self._router.best[rows]
        best = best / best.sum(axis=1, keepdims=True)
        told = np.empty((len(tried), 0, best.shape[1]))
        for order in itertools.permutations(range(number)):
            chances = np.exp(self._of_orderings(pool[tried[:, order]], rows))
            both = np.einsum("ptq,t,pk->qk", chances, patience, best) / len(rows)
            told = np.concatenate([told, both[:, None]], axis=1)
        information = _entropy(told.sum(axis=2)) + _entropy(told.sum(axis=1)) - _entropy(told)
        return tried[np.argmax(information)]

    def _of_orderings(self, shown: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
        """Return the log-probabilities of orderings [Q, M, D], for some particles: [p, T, Q]."""
        router = self._router
        utilities = np.einsum("pd,qmd->pqm", router.prior[rows], shown)
        units = router.spread[rows, None] * np.array(TEMPERATURES)
        return of_ordering(utilities[:, None] / units[:, :, None, None])

    def _joint(self) -> NDArray[Any]:
        """Return the probability of each particle with each temperature, [P, T]."""
        log = self._log + self._of_ratings[:, None]
        chances = np.exp(log - log.max())
        return chances / chances.sum()


def _spread(returns: Returns, weights: NDArray[Any]) -> NDArray[Any]:
    """Return the standard deviation of each user's return over episodes of all policies, [P]."""
    apart = returns.mean - returns.mean.mean(axis=0)
    total = returns.of_an_episode.mean(axis=0) + apart.T @ apart / returns.num_policies
    variance = np.einsum("pd,df,pf->p", weights, total, weights)
    return np.where(variance > 0.0, np.sqrt(np.maximum(variance, 0.0)), 1.0)


def _entropy(chances: NDArray[Any]) -> NDArray[Any]:
    """Return the entropies [Q] of tables of probabilities [Q, ...]."""
    flat = chances.reshape(len(chances), -1)
    return -(flat * np.log(np.maximum(flat, 1e-300))).sum(axis=1)
