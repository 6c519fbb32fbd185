"""The people whom a new user is compared with: those who are known, and people between them.

A few hundred people are a sparse sample of a population, and no new user is quite like one of them.
People are alike if the same episodes earn them much the same, so that distances are standard
deviations of the difference of two people's returns.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALES = np.array([0.0625, 0.25, 1.0, 4.0, 16.0])
"""The factors between the scatter of neighbours and that of new people which are compared."""

RARE, EM_STEPS = 0.02, 200
"""The share below which a factor is left out, and the steps that find the shares."""

FOLDS, LEFT_OUT = 5, 40
"""The number of times that some people are left out and compared with the others, and the most of
them at a time."""

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


def scales_of_new_people(
    weights: NDArray[Any], root: NDArray[Any], mean: NDArray[Any], exact: float, number: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return how far new people may be from known ones, in parts of the scatter of neighbours.

    The people between neighbours lie on the lines that join known people, and are nearer to these
    than a new person will be. Some new people are much like a known one, and others like nobody.
    How many of each there are is found by cross-validation: some of the people are left out, and
    the frequencies of the factors are those that make the returns that they expect most probable.

    Args:
        weights: the weights of the people [P, D].
        root: makes their weights points whose distances say who are neighbours [D, D'].
        mean: what the policies earn [K, D].
        exact: the share of a person's spread that counts as no distance.
        number: the number of people that the others are made into (:func:`people_between`).

    Returns:
        the factors of :func:`local_covariance` [S], and how often each of them holds [S]; the
        factor 1 alone for fewer people than there are folds.
    """
    if len(weights) < FOLDS:
        return np.ones(1), np.ones(1)
    found, fold_of = [], np.arange(len(weights)) % FOLDS
    for fold in range(FOLDS):
        some = weights[fold_of != fold]
        known = people_between(some, some @ root, number, np.random.default_rng(0))[:number]
        places, values = known @ root, known @ mean.T
        scatter = local_covariance(values, places)
        least = (exact * np.linalg.norm(places, axis=1)) ** 2 + np.finfo(float).tiny
        spreads, axes = np.linalg.eigh(scatter)  # the axes [P, K, K] are the same for all factors
        left_out = weights[fold_of == fold][:LEFT_OUT] @ mean.T
        along = np.einsum("tpk,pkj->tpj", left_out[:, None] - values, axes) ** 2
        rows = []
        for scale in SCALES:
            variance = scale * np.maximum(spreads, 0.0) + least[:, None]
            log = -0.5 * ((along / variance).sum(axis=2) + np.log(variance).sum(axis=1))
            rows.append(np.logaddexp.reduce(log, axis=1))
        found.append(rows)
    shares = _mixed(np.concatenate(found, axis=1))
    is_common = shares >= RARE
    return SCALES[is_common], shares[is_common] / shares[is_common].sum()


def _mixed(log: NDArray[Any]) -> NDArray[Any]:
    """Return the shares [S] of a mixture that make observations [S, T] most probable, by EM."""
    chances = np.exp(log - log.max(axis=0))
    shares = np.full(len(log), 1.0 / len(log))
    for _ in range(EM_STEPS):
        each = shares[:, None] * chances
        shares = (each / each.sum(axis=0)).mean(axis=1)
    return shares
