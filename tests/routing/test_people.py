"""A new user is like the people who are known, or between two who are like each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from handful.routing.people import (
    FOLDS,
    SCALES,
    local_covariance,
    neighbours,
    people_between,
    scales_of_new_people,
)


def test_neighbours_are_the_nearest_others():
    places = np.array([[0.0], [1.0], [3.0], [10.0]])
    assert [set(row) for row in neighbours(places, 2).tolist()] == [{1, 2}, {0, 2}, {0, 1}, {1, 2}]


@settings(max_examples=25, deadline=None)
@given(number=st.integers(2, 40), size=st.integers(1, 4), seed=st.integers(0, 1000))
def test_people_between_stay_among_those_who_are_known(number, size, seed):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(size), number)
    found = people_between(weights, weights, 3 * number, rng)
    assert len(found) == 3 * number
    np.testing.assert_array_equal(found[:number], weights)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert (found >= 0.0).all()


def test_nobody_is_between_people_of_different_kinds():
    kinds = np.repeat([[0.0], [100.0]], 20, axis=0) + np.arange(40)[:, None] % 20
    found = people_between(kinds, kinds, 400, np.random.default_rng(100))
    assert ((found <= 19.0) | (found >= 100.0)).all()
    assert len(np.unique(found)) > 300


def test_those_who_are_many_stay_as_they_are():
    weights = np.arange(6.0).reshape(3, 2)
    assert people_between(weights, weights, 3, np.random.default_rng(0)) is weights
    assert people_between(weights[:1], weights[:1], 9, np.random.default_rng(0)).shape == (1, 2)


def test_the_local_covariance_is_that_of_neighbours_around_a_person():
    places = np.array([[0.0], [1.0], [50.0], [51.0]])
    values = np.array([[0.0, 0.0], [2.0, -1.0], [5.0, 5.0], [5.0, 8.0]])
    found = local_covariance(values, places)  # two neighbours each: the root of four
    first = (np.outer([2.0, -1.0], [2.0, -1.0]) + np.outer([5.0, 5.0], [5.0, 5.0])) / 2
    np.testing.assert_allclose(found[0], first)
    assert not local_covariance(values[:1], places[:1]).any()


def test_the_scales_of_new_people_are_the_most_probable_for_people_who_are_left_out():
    """The likelihood is computed in another way, and no other shares have a higher one."""
    rng = np.random.default_rng(100)
    weights, mean = rng.dirichlet(np.ones(3), 20), rng.normal(size=(2, 3))
    scales, shares = scales_of_new_people(weights, np.eye(3), mean, 0.1, 30)
    assert shares.sum() == pytest.approx(1.0)
    densities = []
    for fold in range(FOLDS):
        is_out = np.arange(20) % FOLDS == fold
        known = people_between(weights[~is_out], weights[~is_out], 30, np.random.default_rng(0))
        scatter = local_covariance(known @ mean.T, known)
        nugget = (0.1 * np.linalg.norm(known, axis=1)) ** 2
        for one in weights[is_out]:
            densities.append(
                [
                    np.mean(
                        [
                            multivariate_normal.pdf(mean @ one, mean @ k, scale * s + n * np.eye(2))
                            for k, s, n in zip(known, scatter, nugget, strict=True)
                        ]
                    )
                    for scale in SCALES
                ]
            )
    densities = np.array(densities)

    def likelihood(some):
        return np.log(densities @ some).sum()

    found = np.zeros(len(SCALES))
    found[np.searchsorted(SCALES, scales)] = shares
    for other in np.eye(len(SCALES)):
        assert likelihood(found) >= likelihood(0.9 * found + 0.1 * other) - 1e-3


def test_new_people_are_nearer_where_people_are_dense_and_further_where_they_are_sparse():
    rng = np.random.default_rng(100)

    def mean_scale(people, mean, exact):
        scales, shares = scales_of_new_people(people, np.eye(people.shape[1]), mean, exact, 512)
        return np.exp(np.log(scales) @ shares)

    assert mean_scale(np.sort(rng.random(900))[:, None], np.eye(1), 1e-3) < 1.0
    sparse = rng.dirichlet(np.full(9, 0.3), 60)
    assert mean_scale(sparse, rng.normal(size=(5, 9)), 1e-2) > 1.0
    assert mean_scale(sparse[: FOLDS - 1], rng.normal(size=(5, 9)), 1e-2) == 1.0
