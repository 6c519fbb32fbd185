"""What the policies earn in truth, given what was measured of them.

The best of several policies by measurement is often the luckiest, so measured differences are too
large in the mean. How much too large follows from the measurement itself: where policies differ in
a reward feature by no more than their errors, the differences are luck. This is the normal model
with a common mean, whose spread between policies is unknown and integrated out (Gelman et al.,
Bayesian Data Analysis, 3rd edition 2013, section 5.4; the estimate of James and Stein is its
relative with one spread for all).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.routing.measured import Returns

SPREADS = np.geomspace(0.1, 1000.0, 49)
"""The standard deviations of a feature's true returns between policies that are compared, in
standard errors. Their logarithms are equally probable beforehand."""

SPREADS_DRAWN = 64
"""The number of combinations of spreads of the features that the posterior averages over."""

MOST_NUMBERS = 1000
"""The most returns (policies times features) that are drawn together; more stay as measured."""

DRAWS = 4000
"""The number of draws of users' returns from which probabilities are counted."""

TIE = 1e-6
"""Drawn returns that differ by less than this share of the larger are equal: the root of a
covariance is rounded."""

FLOATS_AT_ONCE = 2**22
"""The most numbers of a table of draws, users and policies that are computed at once."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """The returns of ``K`` policies in ``D`` features, as far as they are known.

    Attributes:
        mean: [K, D] the expected true mean return of an episode.
        covariance: [K, D, D] the covariance of each policy's.
        joint_covariance: [K, D, K, D] the covariance of all of them; None takes the policies for
            independent.
    """

    mean: NDArray[Any]
    covariance: NDArray[Any]
    joint_covariance: NDArray[Any] | None

    def of_users(self, weights: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the expectation [N, K] of users' returns, and their covariance [N, K, K].

        Args:
            weights: the users' weights [N, D].
        """
        mean = weights @ self.mean.T
        if self.joint_covariance is not None:
            half = np.einsum("nd,kdjf->nkjf", weights, self.joint_covariance)
            return mean, np.einsum("nkjf,nf->nkj", half, weights)
        number, num_policies = mean.shape
        found = np.zeros((number, num_policies, num_policies))
        own = np.einsum("nd,kdf,nf->nk", weights, self.covariance, weights)
        found[:, np.arange(num_policies), np.arange(num_policies)] = own
        return mean, found


def posterior(returns: Returns) -> Posterior:
    """Return what is known of the true returns, given the measured ones.

    Args:
        returns: the measured returns. Features without errors stay as they are, and so do all if
            there is a single policy or more than 1000 numbers.
    """
    num_policies, size = returns.mean.shape
    measured = Posterior(returns.mean, returns.covariance, returns.joint_covariance)
    if num_policies == 1 or returns.mean.size > MOST_NUMBERS:
        return measured
    joint, between = returns.joint, _contrasts(num_policies)
    errors = np.einsum("ck,kdjf,ej->cdef", between, joint, between)
    own = np.einsum("cded->dce", errors)
    variance = np.einsum("dcc->d", own) / (num_policies - 1)
    # Errors that all policies share cancel, but for rounding.
    noisy = np.flatnonzero(variance > 1e-12 * np.einsum("kdkd->d", joint))
    if not len(noisy):
        return measured
    scale = np.sqrt(np.maximum(variance, 0.0))
    unit, apart = scale[noisy], between @ returns.mean[:, noisy]
    chances = np.stack(
        [_of_spreads(own[d] / scale[d] ** 2, apart[:, i] / scale[d]) for i, d in enumerate(noisy)]
    )
    spreads = unit * _drawn_spreads(chances)
    number = apart.size
    seen = errors[:, noisy][:, :, :, noisy].reshape(number, number)
    crossed = np.einsum("kdjf,ej->kdef", joint, between)[..., noisy]
    crossed = crossed.reshape(num_policies * size, number)
    means, luck = np.empty((len(spreads), number)), np.zeros((number, number))
    for row, spread in enumerate(spreads):
        total = seen + np.diag(np.tile(spread**2, num_policies - 1))
        inverse = np.linalg.inv(total)
        means[row], luck = inverse @ apart.ravel(), luck + inverse / len(spreads)
    # The covariance is the mean of the spreads' covariances, and the covariance of their means.
    luck = crossed @ (luck - np.cov(means, rowvar=False, bias=True).reshape(number, number))
    mean = returns.mean - (crossed @ means.mean(axis=0)).reshape(num_policies, size)
    known = (joint.reshape(returns.mean.size, -1) - luck @ crossed.T).reshape(joint.shape)
    return Posterior(mean, np.stack([known[k, :, k] for k in range(num_policies)]), known)


def best_probabilities(
    mean: NDArray[Any], covariance: NDArray[Any], tolerance: float = 0.0, number: int = DRAWS
) -> NDArray[Any]:
    """Return how probable it is that each policy is the best for each user, [N, K].

    Args:
        mean: the expectation of users' returns [N, K].
        covariance: their covariance [N, K, K].
        tolerance: the loss of return, in the environment's units, that counts as none. More than
            one policy may count as the best, and policies that are equal always do.
        number: the number of draws; half of them mirror the others.
    """
    users, num_policies = mean.shape
    half = np.random.default_rng(0).normal(size=((number + 1) // 2, num_policies))
    drawn, found = np.concatenate([half, -half])[:number], np.empty((users, num_policies))
    step = max(FLOATS_AT_ONCE // (number * num_policies), 1)
    for first in range(0, users, step):
        some = slice(first, first + step)
        earned = mean[some, None] + np.einsum("nkj,sj->nsk", roots(covariance[some]), drawn)
        highest = earned.max(axis=2, keepdims=True)
        least = highest - np.maximum(tolerance, TIE * np.abs(highest))
        found[some] = (earned >= least).mean(axis=1)
    return found


def roots(covariance: NDArray[Any]) -> NDArray[Any]:
    """Return the symmetric roots of covariances [..., K, K]."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def _contrasts(number: int) -> NDArray[Any]:
    """Return orthonormal contrasts [number - 1, number]: what they make of equal numbers is 0."""
    found = np.linalg.qr(np.eye(number) - 1.0 / number)[0][:, : number - 1]
    return found.T


def _of_spreads(errors: NDArray[Any], apart: NDArray[Any]) -> NDArray[Any]:
    """Return the probability of each of the spreads between policies, for one feature.

    Args:
        errors: the covariance of the contrasts' errors [C, C], in squared standard errors.
        apart: the measured contrasts [C], in standard errors.
    """
    values, vectors = np.linalg.eigh(errors)
    variance = np.maximum(values, 0.0) + SPREADS[:, None] ** 2
    log = -0.5 * (np.log(variance) + (vectors.T @ apart) ** 2 / variance).sum(axis=1)
    chances = np.exp(log - log.max())
    return chances / chances.sum()


def _drawn_spreads(chances: NDArray[Any]) -> NDArray[Any]:
    """Draw combinations of the features' spreads by their probabilities [D, S]: [draws, D]."""
    rng = np.random.default_rng(0)
    places = (np.arange(SPREADS_DRAWN) + 0.5) / SPREADS_DRAWN
    columns = [
        np.searchsorted(np.cumsum(one), rng.permutation(places)).clip(max=len(SPREADS) - 1)
        for one in chances
    ]
    return SPREADS[np.stack(columns, axis=1)]
