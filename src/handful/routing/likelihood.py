"""How probable it is that people with given weights say or see what was said or seen.

Each function gives natural logarithms, up to a constant that all weights share. ``P`` is the number
of weights that are compared.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SLOPES = np.geomspace(0.1, 10.0, 61)
"""The slopes of ratings that are compared, in standard deviations of the ratings a unit."""


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


def of_ratings(
    utilities: NDArray[Any], ratings: NDArray[Any], temperatures: NDArray[Any]
) -> NDArray[Any]:
    """Return the log-probability of ratings on a scale of the person's own.

    A rating is a constant plus a positive slope times the utility, which the person sees with a
    normal error, and it is rounded. The constant is integrated out; the logarithm of the slope is
    uniform around the one that would make the ratings as wide as the utilities' unit. Fewer than
    two different ratings say nothing.

    Args:
        utilities: [P, M] the utilities of the rated episodes, in any unit that the errors share.
        ratings: [M] the ratings, higher is better. The smallest step between two is taken for the
            step of rounding.
        temperatures: [T] the standard deviations of the errors, in the same unit.

    Returns:
        [P, T].
    """
    different = np.unique(ratings)
    if len(different) < 2:
        return np.zeros((len(utilities), len(temperatures)))
    given = ratings - ratings.mean()
    mine = utilities - utilities.mean(axis=1, keepdims=True)
    slopes = SLOPES * np.sqrt((given**2).mean())
    rounding = np.diff(different).min() ** 2 / 12.0  # the variance of an even error
    variance = (slopes * temperatures[:, None]) ** 2 + rounding
    along, size = (mine @ given)[:, None], (mine**2).sum(axis=1)[:, None]
    distance = (given**2).sum() - 2.0 * slopes * along + slopes**2 * size
    exponent = -distance[:, None] / (2.0 * variance) - (len(ratings) - 1) / 2 * np.log(variance)
    return np.logaddexp.reduce(exponent, axis=2)


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
