"""What the policies earn in truth, given measurements that are partly luck."""

import numpy as np
import pytest

from handful.routing import Returns
from handful.routing.posterior import SPREADS, best_probabilities, posterior, roots

RNG = np.random.default_rng(100)


def measured(mean, covariance, joint=None):
    names = tuple("abcdefgh"[: mean.shape[1]])
    return Returns("b", names, mean, covariance, joint, 10)


def test_one_feature_agrees_with_the_integral_over_its_spread():
    mean, error = np.array([[1.0], [0.2], [-0.5], [0.1]]), 0.4
    found = posterior(measured(mean, np.full((4, 1, 1), error**2)))
    # The errors are independent, so that each policy is drawn to the common mean by itself.
    apart = mean[:, 0] - mean.mean()
    variance = (SPREADS * error) ** 2 + error**2
    chances = variance ** (-3 / 2) * np.exp(-(apart**2).sum() / (2 * variance))
    chances /= chances.sum()
    left = 1.0 - error**2 / variance
    expected = mean.mean() + (chances * left).sum() * apart
    np.testing.assert_allclose(found.mean[:, 0], expected, atol=0.02)
    # The common mean is known as the mean of four; the rest by its spread.
    own = error**2 * (0.25 + 0.75 * (chances * left).sum())
    spread = (chances * left**2).sum() - (chances * left).sum() ** 2
    np.testing.assert_allclose(found.covariance[:, 0, 0], own + spread * apart**2, rtol=0.03)


def test_features_without_errors_and_single_policies_stay_as_measured():
    mean = np.array([[1.0, 5.0], [1.1, 0.0]])
    covariance = np.zeros((2, 2, 2))
    assert posterior(measured(mean, covariance)).mean is mean
    covariance[:, 0, 0] = 1.0
    found = posterior(measured(mean, covariance))
    np.testing.assert_array_equal(found.mean[:, 1], mean[:, 1])
    assert abs(found.mean[1, 0] - found.mean[0, 0]) < 0.05
    one = posterior(measured(mean[:1], covariance[:1]))
    np.testing.assert_array_equal(one.mean, mean[:1])


def test_errors_that_all_policies_share_are_no_reason_to_draw_them_together():
    mean = np.array([[1.0], [2.0], [4.0]])
    joint = np.full((3, 1, 3, 1), 9.0)
    found = posterior(measured(mean, np.full((3, 1, 1), 9.0), joint))
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)


def test_correlated_errors_of_features_inform_each_other():
    """Policies are alike in one feature, so what it shows is luck, and so is as much of another."""
    luck, truth = np.array([1.0, -1.0, 0.5, -0.5]), np.array([3.0, 0.0, -3.0, 0.5])
    mean = np.column_stack([truth + luck, luck])
    covariance = np.tile(np.array([[1.0, 0.99], [0.99, 1.0]]), (4, 1, 1))
    found = posterior(measured(mean, covariance)).mean
    before, after = (np.ptp(one[:, 0] - truth) for one in (mean, found))
    assert after < 0.6 * before


def test_returns_of_users_have_the_covariance_of_their_features():
    mean, root = RNG.normal(size=(3, 2)), RNG.normal(size=(6, 6))
    joint = (root @ root.T).reshape(3, 2, 3, 2)
    found = posterior(measured(mean, np.stack([joint[k, :, k] for k in range(3)]), joint))
    assert found.joint_covariance is not None
    weights = RNG.normal(size=(5, 2))
    expected, covariance = found.of_users(weights)
    np.testing.assert_allclose(expected, weights @ found.mean.T)
    for n, own in enumerate(weights):
        lift = np.kron(np.eye(3), own)
        table = lift @ np.reshape(found.joint_covariance, (6, 6)) @ lift.T
        np.testing.assert_allclose(covariance[n], table)
    np.testing.assert_allclose(roots(covariance) @ roots(covariance), covariance, atol=1e-9)


def test_the_best_is_counted_with_its_equals_and_within_the_tolerance():
    mean, none = np.array([[1.0, 1.0, 0.5]]), np.zeros((1, 3, 3))
    assert best_probabilities(mean, none).tolist() == [[1.0, 1.0, 0.0]]
    assert best_probabilities(mean, none, tolerance=0.6).tolist() == [[1.0, 1.0, 1.0]]
    even = best_probabilities(np.zeros((1, 2)), np.eye(2)[None])
    assert even[0] == pytest.approx([0.5, 0.5], abs=1e-9)


def test_too_many_returns_stay_as_measured():
    mean = RNG.normal(size=(2, 600))
    kept = posterior(Returns("b", ("x",) * 600, mean, np.ones((2, 1, 1)) * np.eye(600), None, 4))
    assert kept.mean is mean
    _, covariance = kept.of_users(np.ones((1, 600)))
    np.testing.assert_allclose(covariance, [np.diag([600.0, 600.0])])
