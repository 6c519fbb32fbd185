"""What candidates earn, by all episodes of all of them: Gaussian process regression on contexts.

A few hundred candidates play a few episodes each, and where outcomes are noisy the mean of so few
says little. But the policies of near contexts act much alike, so that the episodes of one candidate
also tell of its neighbours. How much they tell depends on the problem: on how noisy episodes are,
which shows in the difference between two episodes of a candidate, and on how quickly returns change
with the context, which is chosen by the likelihood of what the candidates earned (Rasmussen and
Williams, 2006, chapters 2 and 5). Where episodes have no noise, each candidate keeps what it earned
itself.

The kernel is exponential, as returns jump where the likeliest action changes. All features have the
same kernel, and each has its own scale. In a round of episodes all candidates may meet the same
chance; what a round has in common is then a random effect of its own, and only differences between
candidates count.

With the posterior, one can ask for the mean, or for a draw: what the candidates may earn in truth.
A candidate that belongs to the best choice by some draws is worth more episodes (Thompson, 1933).
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky
from scipy.spatial.distance import cdist

from handful.types import NumpyArray

LENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""The length scales that are tried, in median distances between two candidates."""

SIZES = tuple(10.0**power for power in np.arange(-2.0, 2.1, 0.25))
"""The variances of expected returns that are tried, in variances of what the candidates earned in
the first round."""

LEAST_NOISE = 1e-6
"""The least variance of an observation, in the same unit, so that matrices can be inverted."""

SMALLEST_SCALE = 1e-9
"""The share of the largest scale below which a feature counts as the same for all candidates."""


class Observations(NamedTuple):
    """What candidates earned, in rounds of episodes.

    Attributes:
        rows: the candidate of each observation, [n].
        rounds: the round in which it was made, from 0, [n].
        earned: the returns in features of the candidate's two episodes of that round, [n, 2, D].
    """

    rows: NumpyArray
    rounds: NumpyArray
    earned: NumpyArray


class Posterior(NamedTuple):
    """What is known of the candidates' expected returns.

    Attributes:
        mean: the expected returns in features, [M, D].
        spread: a matrix [M, M]; times standard normal numbers and the scales it gives deviations.
        scales: the scale of each feature, [D].
    """

    mean: NumpyArray
    spread: NumpyArray
    scales: NumpyArray

    def draw(self, rng: np.random.Generator) -> NumpyArray:
        """Draw expected returns that agree with the observations, [M, D]."""
        return self.mean + self.spread @ rng.standard_normal(self.mean.shape) * self.scales


class Fit(NamedTuple):
    """How returns change with the context, and how noisy they are.

    Attributes:
        length: the distance between contexts at which returns have a correlation of 1 / e.
        size: the variance of expected returns, in squares of the scale of each feature.
        noise: the variance of an observation, in the same unit.
        centre: the mean over candidates of what they earned, [D].
        scales: the standard deviation over candidates of what they earned, [D]; 0 where it is the
            same for all.
    """

    length: float
    size: float
    noise: float
    centre: NumpyArray
    scales: NumpyArray


def fit(contexts: NumpyArray, first: NumpyArray) -> Fit:
    """Return the fit of the greatest likelihood.

    Args:
        contexts: the contexts of the candidates, [M, Z].
        first: the returns in features of the two episodes of each in the first round, [M, 2, D].
    """
    centre, scales = first.mean(axis=(0, 1)), first.mean(axis=1).std(axis=0)
    scales = np.where(scales > SMALLEST_SCALE * max(scales.max(), 1e-300), scales, 0.0)
    varies = scales > 0.0
    distances = cdist(contexts, contexts)
    unit = max(float(np.median(distances[distances > 0.0])), 1e-300) if varies.any() else 1.0
    if not varies.any():
        return Fit(unit, 1.0, LEAST_NOISE, centre, scales)
    standard = (first[:, :, varies] - centre[varies]) / scales[varies]
    # What all candidates have in common is no part of the noise, as only differences count.
    noise = float(np.mean(np.var(standard[:, 0] - standard[:, 1], axis=0))) / 4 + LEAST_NOISE
    best, found = -np.inf, (LENGTHS[0], 1.0)
    for length in LENGTHS:
        values, vectors = np.linalg.eigh(np.exp(-distances / (length * unit)))
        squares = np.mean((vectors.T @ standard.mean(axis=1)) ** 2, axis=1)
        for size in SIZES:
            variances = size * np.maximum(values, 0.0) + noise
            likelihood = -float(np.sum(np.log(variances) + squares / variances))
            if likelihood > best:
                best, found = likelihood, (length * unit, size)
    return Fit(*found, noise, centre, scales)


def posterior_of(
    fit: Fit, contexts: NumpyArray, seen: Observations, same_chance: bool
) -> Posterior:
    """Return what observations say of the expected returns of all candidates.

    Args:
        fit: how returns change with the context, and how noisy they are.
        contexts: the contexts of the candidates, [M, Z].
        seen: the observations; in the first round every candidate has one.
        same_chance: whether the candidates of a round met the same chance.
    """
    kernel = fit.size * np.exp(-cdist(contexts, contexts) / fit.length)
    observed = kernel[np.ix_(seen.rows, seen.rows)]
    observed += fit.noise * same_chance * (seen.rounds[:, None] == seen.rounds[None])
    observed[np.diag_indices_from(observed)] += fit.noise
    factor = cho_factor(observed, lower=True)
    between = kernel[:, seen.rows]
    mean = fit.centre + between @ cho_solve(factor, seen.earned.mean(axis=1) - fit.centre)
    covariance = kernel - between @ cho_solve(factor, between.T)
    covariance[np.diag_indices_from(covariance)] += LEAST_NOISE * fit.size
    return Posterior(mean, cholesky(covariance, lower=True), fit.scales)
