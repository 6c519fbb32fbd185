"""New users whose weights are unknown: what they say and earn settles which policy is best.

A user's weights are one of many that the population has (particles). What a user says makes some of
them more probable than others, and each of them has a best policy. So there is a posterior over the
best policy long before there is one over the weights.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.checks import check_seed
from handful.errors import HandfulError
from handful.routing.likelihood import of_ordering, of_ratings
from handful.routing.measured import Returns
from handful.routing.people import local_covariance, people_between, scales_of_new_people
from handful.routing.posterior import best_probabilities, posterior, roots
from handful.routing.used import Used

MOST_PARTICLES, PARTICLES = 4096, 1024
"""The most weights of the population that are compared (of more, some are drawn), and the least (of
fewer, people between neighbours are made)."""

TEMPERATURES = np.array([0.02, 0.05, 0.12, 0.3, 0.8])
"""How random people's orderings and ratings may be, in standard deviations of their return. A
difference of one standard deviation is seen with odds of e to the power of 1 / temperature."""

EXACT = 0.01
"""The least standard deviation of a return in use that is believed, in those of all episodes."""

DRAWS, DRAWS_IN_USE = 1000, 256
"""The number of draws of users' returns, for the probability that a policy is the best: before
returns in use, and after each of these."""

NEGLIGIBLE = 1e-4
"""The share of the largest probability below which weights no longer count."""

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
        returns: the returns of the policies as they were measured.
        prior: the weights that are compared, [P, D]: the given ones, and if these are fewer than
            1024, people between neighbours among them.
        expected: [P, K] what each of them makes expected from an episode of each policy.
        covariance: [P, K, K] how far that may be off by the measurement's errors.
        scatter: [P, K, K] how the expectations of the neighbours of each scatter around theirs.
        scales: the factors of that scatter by which new users may differ from these [S], and how
            often each of them holds [S].
        best: [P, K] the probability that each policy is the best, or as good as it.
        noise: [P, K] the variance of the return of an episode around its expectation.
        spread: [P] the standard deviation of the return over episodes of all policies.
        tolerance: the loss of return that counts as none.

    Raises:
        HandfulError: if the prior does not fit the policies' features.
    """

    def __init__(self, returns: Returns, prior: Any, tolerance: float = 0.0, seed: int = 0) -> None:
        check_seed(seed)
        if not (isinstance(tolerance, int | float) and 0 <= tolerance < np.inf):
            raise HandfulError(f"tolerance must be a number from 0 on, not {tolerance!r}.")
        weights, rng = returns.rows(prior, "prior"), np.random.default_rng(seed)
        if len(weights) > MOST_PARTICLES:
            weights = weights[rng.choice(len(weights), MOST_PARTICLES, replace=False)]
        root = roots(_of_any_episode(returns))
        known = posterior(returns)
        self.scales = scales_of_new_people(weights, root, known.mean, EXACT, PARTICLES)
        weights = people_between(weights, weights @ root, PARTICLES, rng)
        self.returns, self.prior, self.tolerance = returns, weights, float(tolerance)
        self.expected, covariance = known.of_users(weights)
        self.best = best_probabilities(self.expected, covariance, self.tolerance, DRAWS)
        self.covariance, self.scatter = covariance, local_covariance(self.expected, weights @ root)
        spread = np.linalg.norm(weights @ root, axis=1)
        self.spread = np.where(spread > 0.0, spread, 1.0)
        noise = np.einsum("pd,kdf,pf->pk", weights, returns.of_an_episode, weights)
        self.noise = np.maximum(noise, (EXACT * self.spread[:, None]) ** 2)

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
        self._of_orders, self._of_ratings = np.zeros((2, len(router.prior), len(TEMPERATURES)))
        self._rated: list[tuple[NDArray[Any], float]] = []
        self._used = Used(router.returns.num_policies)
        self._known = _Known(self._joint(np.zeros(len(router.prior))), router.expected, router.best)

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
        every = np.arange(len(self._of_orders))
        self._of_orders += self._of_orderings(shown[None], every)[:, :, 0]
        self._update()

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
        router = self._router
        utilities = router.prior @ np.array([one for one, _ in self._rated]).T
        given = np.array([value for _, value in self._rated])
        self._of_ratings = of_ratings(utilities / router.spread[:, None], given, TEMPERATURES)
        self._update()

    def earned(self, policy: int, value: float) -> None:
        """Take in the return that an episode of a policy earned the user.

        Args:
            policy: the policy's number.
            value: the return, undiscounted, in the environment's units.

        Raises:
            HandfulError: if there is no such policy or the return is not finite.
        """
        self._router.check_policy(policy)
        if not np.isfinite(value):
            raise HandfulError(f"A return must be a finite number, not {value!r}.")
        self._used.add(policy, float(value))
        self._update()

    @property
    def weights(self) -> NDArray[Any]:
        """The probability of each weights of the prior, [P]."""
        return self._known.joint.sum(axis=1)

    @property
    def probabilities(self) -> NDArray[Any]:
        """The probability that each policy is the best, or as good as it, [K].

        Equal policies count together, so that the sum may be above 1.
        """
        return self.weights @ self._known.best

    @property
    def expected(self) -> NDArray[Any]:
        """What the user may expect from an episode of each policy, in the environment's units."""
        return self.weights @ self._known.expected

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
        values = self._known.expected
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
        patience = self._known.joint.sum(axis=0)
        best = self._known.best[rows]
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
        units = router.spread[rows, None] * TEMPERATURES
        return of_ordering(utilities[:, None] / units[:, :, None, None])

    def _update(self) -> None:
        """Bring what is known up to date with everything that was said and earned."""
        router, used = self._router, self._used
        if not used.counts.any():
            joint = self._joint(np.zeros(len(router.prior)))
            self._known = _Known(joint, router.expected, router.best)
            return
        told = [
            used.told(router.expected, router.covariance + scale * router.scatter, router.noise)
            for scale in router.scales[0]
        ]
        log = np.stack([one[0] for one in told]) + np.log(router.scales[1])[:, None]  # [S, P]
        together = np.logaddexp.reduce(log, axis=0)
        joint, shares = self._joint(together), np.exp(log - together)
        chances = joint.sum(axis=1)
        expected, best = np.zeros_like(router.expected), np.zeros_like(router.best)
        for (_, mean, covariance), share in zip(told, shares, strict=True):
            rows = np.flatnonzero(chances * share > NEGLIGIBLE * chances.max())
            own = router.best.copy()
            own[rows] = best_probabilities(
                mean[rows], covariance[rows], router.tolerance, DRAWS_IN_USE
            )
            expected += share[:, None] * mean
            best += share[:, None] * own
        self._known = _Known(joint, expected, best)

    def _joint(self, of_returns: NDArray[Any]) -> NDArray[Any]:
        """Return the probability of each particle with each temperature, [P, T]."""
        log = self._of_orders + self._of_ratings + of_returns[:, None]
        chances = np.exp(log - log.max())
        return chances / chances.sum()


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of a user: ``joint`` [P, T], ``expected`` [P, K] and ``best`` [P, K]."""

    joint: NDArray[Any]
    expected: NDArray[Any]
    best: NDArray[Any]


def _of_any_episode(returns: Returns) -> NDArray[Any]:
    """Return the covariance [D, D] of the return of an episode of any policy."""
    apart = returns.mean - returns.mean.mean(axis=0)
    return returns.of_an_episode.mean(axis=0) + apart.T @ apart / returns.num_policies


def _entropy(chances: NDArray[Any]) -> NDArray[Any]:
    """Return the entropies [Q] of tables of probabilities [Q, ...]."""
    flat = chances.reshape(len(chances), -1)
    return -(flat * np.log(np.maximum(flat, 1e-300))).sum(axis=1)
