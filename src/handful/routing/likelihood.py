"""How probable it is that people with given weights say or see what was said or seen.

Each function gives natural logarithms, up to a constant that all weights share. ``P`` is the number
of weights that are compared.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.routing.known import normal_cdf


def of_ordering(utilities: NDArray[Any]) -> NDArray[Any]:
    """Return the log-probability of an ordering by the model of Plackett and Luce.

    The best is chosen first, with a probability proportional to the exponential of its utility,
    then the second among the others, and so on.

    Args:
        utilities: [..., M] the utilities of what was ordered, best first, in units of the
            randomness of the choice.

    Returns:
        [...].
    """
    reached = np.logaddexp.accumulate(utilities[..., ::-1], axis=-1)[..., ::-1]
    return (utilities - reached).sum(axis=-1)


def of_ratings(utilities: NDArray[Any], ratings: NDArray[Any]) -> NDArray[Any]:
    """Return the log-probability of ratings on a scale of the person's own.

    A rating is a constant plus a positive slope times the utility plus a normal error; the
    constant, the slope and the size of the errors are unknown and integrated out, with Zellner's
    prior of the information of one rating on the slope (Liang et al., Mixtures of g priors for
    Bayesian variable selection, 2008, equation 6). What remains depends on the correlation of
    ratings and utilities only. Fewer than two different ratings say nothing.

    Args:
        utilities: [P, M] the utilities of the rated episodes.
        ratings: [M] the ratings, higher is better.

    Returns:
        [P].
    """
    number = len(ratings)
    given = ratings - ratings.mean()
    mine = utilities - utilities.mean(axis=1, keepdims=True)
    scale = np.sqrt((mine**2).sum(axis=1) * (given**2).sum())
    if number < 2 or not (given != 0.0).any():
        return np.zeros(len(utilities))
    r = np.divide(mine @ given, scale, out=np.zeros(len(mine)), where=scale > 0.0)
    shrunk = number / (1.0 + number)
    left = 1.0 + number * (1.0 - np.minimum(r**2, 1.0))
    evidence = (number - 2) / 2 * np.log1p(number) - (number - 1) / 2 * np.log(left)
    degrees = number - 1
    t = r * np.sqrt(shrunk * degrees / (1.0 - shrunk * np.minimum(r**2, 1.0)))
    # The distribution function of Student's t: Abramowitz and Stegun, 26.7.8.
    positive = normal_cdf(t * (1.0 - 0.25 / degrees) / np.sqrt(1.0 + t**2 / (2.0 * degrees)))
    # People whose utility is the same for all of them have no slope: their ratings are all error.
    return np.where(scale > 0.0, evidence + np.log(np.maximum(2.0 * positive, 1e-300)), 0.0)


def of_return(mean: NDArray[Any], variance: NDArray[Any], value: float) -> NDArray[Any]:
    """Return the log-probability density of a return that was observed.

    Args:
        mean: [P] the return that each weights make expected.
        variance: [P] the variance of single returns around it, above 0.
        value: the return.

    Returns:
        [P].
    """
    return -((value - mean) ** 2) / (2.0 * variance) - np.log(variance) / 2.0
