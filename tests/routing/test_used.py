"""Returns in use, against the normal distribution of all of them written out."""

import numpy as np
import pytest

from handful.routing.used import Used

RNG = np.random.default_rng(100)
SEEN = [(0, 1.0), (2, -0.5), (0, 1.4), (0, 0.7), (2, 0.1)]


def log_density(values, mean, covariance):
    apart = values - mean
    quadratic = apart @ np.linalg.solve(covariance, apart)
    return -0.5 * (quadratic + np.linalg.slogdet(covariance)[1])


def test_returns_tell_of_all_policies_what_the_normal_distribution_says():
    kinds, policies = 4, 3
    mean = RNG.normal(size=(kinds, policies))
    root = RNG.normal(size=(kinds, policies, policies))
    covariance, noise = root @ np.swapaxes(root, 1, 2), RNG.uniform(0.1, 2.0, (kinds, policies))
    used = Used(policies)
    for policy, value in SEEN:
        used.add(policy, value)
    log, after, left = used.told(mean, covariance, noise)
    which, values = np.array([k for k, _ in SEEN]), np.array([value for _, value in SEEN])
    expected = []
    for p in range(kinds):
        total = covariance[p][np.ix_(which, which)] + np.diag(noise[p, which])
        expected.append(log_density(values, mean[p, which], total))
        gain = covariance[p][:, which] @ np.linalg.inv(total)
        np.testing.assert_allclose(after[p], mean[p] + gain @ (values - mean[p, which]))
        np.testing.assert_allclose(left[p], covariance[p] - gain @ covariance[p][which])
    np.testing.assert_allclose(log - log[0], np.array(expected) - expected[0])


def test_without_returns_nothing_is_told():
    mean, covariance = np.ones((2, 3)), np.tile(np.eye(3), (2, 1, 1))
    log, after, left = Used(3).told(mean, covariance, np.ones((2, 3)))
    assert not log.any()
    assert after is mean
    assert left is covariance


def test_an_exact_return_settles_its_policy():
    used = Used(2)
    used.add(1, 3.0)
    _, after, left = used.told(np.zeros((1, 2)), np.eye(2)[None], np.full((1, 2), 1e-12))
    assert after[0] == pytest.approx([0.0, 3.0])
    np.testing.assert_allclose(left[0], np.diag([1.0, 0.0]), atol=1e-9)
