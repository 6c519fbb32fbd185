"""The people whom a new user is compared with: those who are known, and people between them.

A few hundred people are a sparse sample of a population, and no new user is quite like one of them.
People are alike if the same episodes earn them much the same, so that distances are standard
deviations of the difference of two people's returns.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOATS_AT_ONCE = 2**22
"""The most distances that are computed at once."""


def neighbours(places: NDArray[Any], number: int) -> NDArray[Any]:
    """Return the nearest of the other points to each point, int [P, number].

    Args:
        places: the points [P, D].
        number: the number of neighbours, fewer than ``P``.
    """
    size, squares = len(places), (places**2).sum(axis=1)
    found = np.empty((size, number), np.int64)
    step = max(FLOATS_AT_ONCE // size, 1)
    for first in range(0, size, step):
        rows = np.arange(first, min(first + step, size))
        distances = squares[rows, None] + squares - 2.0 * places[rows] @ places.T
        distances[np.arange(len(rows)), rows] = np.inf
        found[rows] = np.argpartition(distances, number - 1, axis=1)[:, :number]
    return found


def how_many(number: int) -> int:
    """Return how many of so many people count as the neighbours of one."""
    return min(math.ceil(math.sqrt(number)), number - 1)


def people_between(
    weights: NDArray[Any], places: NDArray[Any], number: int, rng: np.random.Generator
) -> NDArray[Any]:
    """Return people, and so many more who each are somewhere between two neighbours.

    Args:
        weights: the weights of the people [P, D].
        places: the points [P, D'] whose distances say who are neighbours.
        number: the number of people to return; no more are made if there are as many already.
        rng: draws them.

    Returns:
        [max(P, number), D], those who were given first.
    """
    size = len(weights)
    if size < 2 or size >= number:
        return weights
    near = neighbours(places, how_many(size))
    one = np.arange(number - size) % size
    other = near[one, rng.integers(0, near.shape[1], len(one))]
    share = rng.uniform(size=(len(one), 1))
    return np.concatenate([weights, weights[one] + share * (weights[other] - weights[one])])


def local_covariance(values: NDArray[Any], places: NDArray[Any]) -> NDArray[Any]:
    """Return how the values of each person's neighbours scatter around their own, [P, K, K].

    Args:
        values: the values [P, K].
        places: the points [P, D] whose distances say who are neighbours.
    """
    if len(values) < 2:
        return np.zeros((len(values), values.shape[1], values.shape[1]))
    apart = values[neighbours(places, how_many(len(values)))] - values[:, None]
    return np.einsum("pmk,pmj->pkj", apart, apart) / apart.shape[1]
