"""What returns in use tell of a user's returns from every policy.

Each kind of person expects a return from each policy, known with a covariance; returns from some
policies tell of the others as far as their expectations go together. Normal throughout.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Used:
    """The returns that a user got, summed up for each of ``K`` policies.

    Attributes:
        counts: the number of returns of each policy [K].
        means: their mean [K], 0 without any.
        squares: the sum of squares around the mean [K].
    """

    def __init__(self, num_policies: int) -> None:
        self.counts, self.means, self.squares = np.zeros((3, num_policies))

    def add(self, policy: int, value: float) -> None:
        """Take in a return of a policy (Welford's update)."""
        self.counts[policy] += 1.0
        before = value - self.means[policy]
        self.means[policy] += before / self.counts[policy]
        self.squares[policy] += before * (value - self.means[policy])

    def told(
        self, mean: NDArray[Any], covariance: NDArray[Any], noise: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return what the returns tell of people of ``P`` kinds.

        Args:
            mean: the returns that each kind expects from the policies beforehand [P, K].
            covariance: their covariance [P, K, K].
            noise: the variance of single returns around the expectation [P, K], above 0.

        Returns:
            The log-probability of the returns [P] up to a constant, and the expectation [P, K] and
            covariance [P, K, K] afterwards.
        """
        tried = np.flatnonzero(self.counts)
        if not len(tried):
            return np.zeros(len(mean)), mean, covariance
        counts, own = self.counts[tried], noise[:, tried]
        seen = covariance[:, tried][:, :, tried]
        seen[:, np.arange(len(tried)), np.arange(len(tried))] += own / counts
        inverse = np.linalg.inv(seen)
        gain = covariance[:, :, tried] @ inverse
        surprise = self.means[tried] - mean[:, tried]
        quadratic = np.einsum("pi,pij,pj->p", surprise, inverse, surprise)
        within = (counts - 1.0) * np.log(own) + self.squares[tried] / own
        log = -0.5 * (quadratic + np.linalg.slogdet(seen)[1] + within.sum(axis=1))
        after = mean + np.einsum("pki,pi->pk", gain, surprise)
        return log, after, covariance - gain @ covariance[:, tried]
