import numpy as np
import pytest

from handful.choice.errors import ReturnErrors, at
from handful.errors import HandfulError


def test_independent_errors_have_the_size_that_was_given():
    errors = ReturnErrors.of([[0.5, 0.0, 2.0]], None, (1, 3))
    drawn = np.array([errors.draw(np.random.default_rng(seed)) for seed in range(2000)])
    np.testing.assert_allclose(drawn.std(axis=0), [[0.5, 0.0, 2.0]], rtol=0.06)
    np.testing.assert_allclose(drawn.mean(axis=0), np.zeros((1, 3)), atol=0.15)
    assert ReturnErrors.of(0.3, None, (2, 3)).stderrs.tolist() == [[0.3] * 3] * 2


def test_users_of_one_policy_may_err_together():
    covariance = np.array([[[4.0, 4.0], [4.0, 4.0]], [[1.0, -0.5], [-0.5, 1.0]]])
    errors = ReturnErrors.of(None, covariance, (2, 2))
    drawn = np.array([errors.draw(np.random.default_rng(seed)) for seed in range(4000)])
    np.testing.assert_allclose(drawn[:, 0, 0], drawn[:, 0, 1])
    np.testing.assert_allclose(np.cov(drawn[:, 1].T), covariance[1], atol=0.08)
    np.testing.assert_allclose(np.cov(drawn[:, :, 0].T), [[4.0, 0.0], [0.0, 1.0]], atol=0.25)
    np.testing.assert_allclose(errors.stderrs, [[2.0, 2.0], [1.0, 1.0]])
    np.testing.assert_allclose(errors.at(np.array([1, -1])), [1.0, 0.0])


def test_what_is_assigned_is_looked_up_and_nobody_has_zero():
    assert at(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, -1])).tolist() == [3.0, 0.0]


@pytest.mark.parametrize(
    ("standard_errors", "covariance", "sentence"),
    [
        (None, None, "either"),
        (1.0, np.zeros((2, 2, 2)), "either"),
        ([1.0, 2.0], None, "2 policies × 2 users"),
        (-1.0, None, "negative"),
        (np.nan, None, "finite"),
        ("much", None, "must be numbers"),
        (None, np.zeros((2, 2)), r"shape \[2, 2, 2\]"),
        (None, np.array([[[1.0, 2.0], [2.0, 1.0]]] * 2), "negative variance"),
        (None, np.array([[[1.0, 0.5], [0.0, 1.0]]] * 2), "symmetric"),
    ],
)
def test_errors_that_are_none_are_refused_in_one_sentence(standard_errors, covariance, sentence):
    with pytest.raises(HandfulError, match=sentence):
        ReturnErrors.of(standard_errors, covariance, (2, 2))
