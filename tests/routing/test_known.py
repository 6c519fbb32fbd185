"""Users with known weights get the policy that earns them most, with an honest confidence."""

import math

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.routing import Returns, route
from handful.routing.known import HEADER, normal_cdf

VARIANCE = 0.08


def returns(mean=((2.0, 0.0), (0.0, 3.0)), variance=VARIANCE, joint=None):
    mean = np.array(mean)
    own = np.stack([variance * np.eye(mean.shape[1])] * len(mean))
    return Returns("bundle", ("speed", "care"), mean, own, joint, 4)


def test_users_get_the_policy_that_earns_them_most_with_margin_and_errors():
    routes = route(returns(), [[1.0, 0.0], [1.0, 1.0]], users=["ann", "cyd"])
    assert routes.policy.tolist() == [0, 1]
    assert routes.second.tolist() == [1, 0]
    # Measured so well, the policies' differences stay what they are.
    exact = route(returns(variance=1e-6), [[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(exact.value, [2.0, 3.0], atol=1e-5)
    np.testing.assert_allclose(exact.margin, [2.0, 1.0], atol=1e-5)
    np.testing.assert_allclose(exact.stderr, np.sqrt([1e-6, 2e-6]), rtol=1e-3)
    np.testing.assert_allclose(exact.margin_stderr, np.sqrt([2e-6, 4e-6]), rtol=1e-3)


def test_measured_differences_that_errors_explain_are_taken_for_luck():
    """A margin of one standard error is hardly any; one of twenty stays."""
    error = 0.1
    for apart, low, high in ((1.0, 0.0, 0.5), (20.0, 0.97, 1.0)):
        far = apart * error * np.sqrt(2.0)
        seen = returns(mean=((far, 0.0), (0.0, 0.0)), variance=error**2)
        routes = route(seen, [1.0, 0.0])
        assert low * far < routes.margin[0] < high * far
        assert routes.margin_stderr[0] < 1.01 * error * np.sqrt(2.0)
    lucky = route(returns(mean=((far / 20, 0.0), (0.0, 0.0)), variance=error**2), [1.0, 0.0])
    assert 0.55 < lucky.confidence[0] < 0.75  # without a prior it would be 0.84


def test_the_confidence_is_the_normal_probability_that_the_margin_is_above_zero():
    routes = route(returns(), [1.0, 0.8])
    z = routes.margin[0] / routes.margin_stderr[0]
    assert 0.2 < z < 1.0
    exact = 0.5 * (1 + math.erf(z / math.sqrt(2)))
    assert routes.confidence[0] == pytest.approx(exact, abs=0.015)
    assert routes.probabilities.sum() == pytest.approx(1.0)


def test_chance_that_policies_share_does_not_count():
    joint = np.einsum("kj,df->kdjf", np.ones((2, 2)), VARIANCE * np.eye(2))
    routes = route(returns(joint=joint), [1.0, 0.8])
    assert routes.confidence[0] == 1.0
    assert routes.margin_stderr[0] == 0.0
    assert routes.stderr[0] > 0.0


def test_no_policy_fits_below_the_least_that_is_asked_for():
    routes = route(returns(), [[1.0, 0.0], [0.0, 1.0]], users=["ann", "bob"], least=2.5)
    assert routes.policy.tolist() == [-1, 1]
    assert routes.best.tolist() == [0, 1]
    assert routes.unserved == ("ann",)
    below, above = routes.least_probability
    z = (routes.value - 2.5)[0] / routes.stderr[0]
    assert below == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))), abs=1e-6)
    assert below < 0.05 < 0.9 < above
    assert next(routes.rows())[1] is None
    assert len(next(routes.rows())) == len(HEADER)
    assert route(returns(), [1.0, 0.0], least=[1.0]).unserved == ()


def test_one_policy_has_no_second():
    routes = route(returns(mean=((2.0, 0.0),)), [1.0, 0.0])
    assert (routes.policy[0], routes.second[0], routes.confidence[0]) == (0, -1, 1.0)
    assert math.isnan(routes.margin[0])


def test_confidence_is_the_frequency_of_being_right():
    """Where policies differ by their errors, or by less or more: about as the prior supposes."""
    rng, hits, said = np.random.default_rng(100), [], []
    weights = rng.normal(size=(20, 2))
    own = np.stack([np.eye(2)] * 4)
    for spread in np.geomspace(0.1, 10.0, 100):
        truth = spread * rng.normal(size=(4, 2))
        seen = Returns("b", ("x", "y"), truth + rng.normal(size=(4, 2)), own, None, 9)
        routes = route(seen, weights)
        hits.append(routes.best == (weights @ truth.T).argmax(axis=1))
        said.append(routes.confidence)
    # Without a prior over the policies the confidence is 12 points too high.
    assert np.mean(said) == pytest.approx(np.mean(hits), abs=0.05)


def test_the_normal_distribution_function_is_that_of_the_standard_library():
    values = np.linspace(-8, 8, 101)
    exact = [0.5 * (1 + math.erf(v / math.sqrt(2))) for v in values]
    np.testing.assert_allclose(normal_cdf(values), exact, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([1.0],), r"each of the 2 reward features of 'bundle' \(speed, care\)"),
        ((["a", "b"],), "must have a number"),
        (([1.0, np.nan],), "finite"),
        (([[1.0, 0.0]], ["a", "b"]), "1 distinct name"),
        (([[1.0, 0.0]], None, np.nan), "least must be a finite number"),
    ],
)
def test_what_does_not_fit_is_one_sentence(arguments, sentence):
    with pytest.raises(HandfulError, match=sentence):
        route(returns(), *arguments)


def test_returns_are_read_from_the_content_of_features_json():
    policies = [
        {"mean": [2.0, 0.0], "stderr": [0.1, 0.2], "covariance": None},
        {"mean": [0.0, 3.0], "stderr": [0.1, 0.2], "covariance": None},
    ]
    content = {"names": ["speed", "care"], "episodes": 4, "policies": policies}
    found = Returns.read(content, "b")
    np.testing.assert_allclose(found.covariance[0], [[0.01, 0.0], [0.0, 0.04]])
    np.testing.assert_allclose(found.of_an_episode[0], [[0.04, 0.0], [0.0, 0.16]])
    assert found.joint[0, 0, 1, 0] == 0.0
    joint = np.eye(4).tolist()
    assert Returns.read({**content, "joint_covariance": joint}, "b").joint[1, 1, 1, 1] == 1.0
    with pytest.raises(HandfulError, match="joint_covariance must have 4 x 4"):
        Returns.read({**content, "joint_covariance": [[1.0]]}, "b")
    with pytest.raises(HandfulError, match="not linear"):
        Returns.read({**content, "policies": [], "why_no_policies": "not linear."}, "b")


def test_equal_policies_are_the_best_together():
    joint = np.einsum("kj,df->kdjf", np.ones((2, 2)), VARIANCE * np.eye(2))
    routes = route(returns(mean=((2.0, 1.0), (2.0, 1.0)), joint=joint), [1.0, 0.8])
    assert routes.probabilities.tolist() == [[1.0, 1.0]]
