import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.learner.distributions import Categorical, Gaussian

LOGITS = arrays(np.float32, (3, 4), elements=st.floats(-20, 20, width=32))
MEANS = arrays(np.float32, (3, 2), elements=st.floats(-5, 5, width=32))
LOG_STDS = arrays(np.float32, (3, 2), elements=st.floats(-3, 2, width=32))
SAMPLES = 20_000


def softmax(logits):
    return scipy.special.softmax(np.asarray(logits, np.float64), axis=-1)


@settings(max_examples=25)
@given(LOGITS, st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_categorical_agrees_with_scipy(logits, actions):
    distribution = Categorical(jnp.asarray(logits))
    log_probs = scipy.special.log_softmax(logits.astype(np.float64), axis=-1)
    expected = log_probs[np.arange(3), actions]
    np.testing.assert_allclose(
        distribution.log_prob(jnp.array(actions)), expected, rtol=1e-4, atol=1e-5
    )
    entropy = scipy.stats.entropy(softmax(logits), axis=-1)
    np.testing.assert_allclose(distribution.entropy(), entropy, rtol=1e-4, atol=1e-5)


@settings(max_examples=25)
@given(LOGITS, st.floats(0.01, 0.9))
def test_softened_categorical_is_a_mixture_with_all_actions_alike(logits, share):
    softened = Categorical(jnp.asarray(logits)).softened(share)
    expected = (1 - share) * softmax(logits) + share / 4
    np.testing.assert_allclose(softmax(softened.logits), expected, rtol=1e-4)


def test_softened_by_nothing_is_the_same():
    distribution = Categorical(jnp.array([1.0, 2.0]))
    assert distribution.softened(0.0) is distribution


@settings(max_examples=25)
@given(MEANS, LOG_STDS, MEANS)
def test_gaussian_agrees_with_scipy(mean, log_std, action):
    distribution = Gaussian(jnp.asarray(mean), jnp.asarray(log_std))
    model = scipy.stats.norm(mean.astype(np.float64), np.exp(log_std.astype(np.float64)))
    expected = model.logpdf(action).sum(axis=-1)
    np.testing.assert_allclose(
        distribution.log_prob(jnp.asarray(action)), expected, rtol=1e-3, atol=1e-3
    )
    entropy = model.entropy().sum(axis=-1)
    np.testing.assert_allclose(distribution.entropy(), entropy, rtol=1e-4, atol=1e-4)


def test_gradient_of_categorical_entropy_is_in_closed_form():
    logits = jnp.array([0.3, -1.0, 2.0])
    gradient = jax.grad(lambda x: Categorical(x).entropy())(logits)
    p = softmax(logits)
    expected = -p * (np.log(p) + scipy.stats.entropy(p))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_gradient_of_gaussian_entropy_is_one_for_each_log_std_and_none_for_means():
    to_entropy = jax.grad(lambda mean, log_std: Gaussian(mean, log_std).entropy(), argnums=(0, 1))
    for_mean, for_log_std = to_entropy(jnp.array([0.5, 3.0]), jnp.array([-1.0, 2.0]))
    np.testing.assert_array_equal(for_mean, 0.0)
    np.testing.assert_array_equal(for_log_std, 1.0)


def test_gradient_of_categorical_log_prob_is_one_hot_less_probabilities():
    logits = jnp.array([0.3, -1.0, 2.0])
    gradient = jax.grad(lambda x: Categorical(x).log_prob(jnp.array(1)))(logits)
    np.testing.assert_allclose(gradient, np.eye(3)[1] - softmax(logits), rtol=1e-5)


def test_gradients_stay_finite_where_an_action_is_impossible():
    logits = jnp.array([0.0, -1e5, 0.0])
    assert jnp.isfinite(jax.grad(lambda x: Categorical(x).entropy())(logits)).all()


def test_modes_are_the_likeliest_action_and_the_mean():
    logits = jnp.array([[0.0, 2.0, 1.0], [5.0, 5.0, 0.0]])
    np.testing.assert_array_equal(Categorical(logits).mode(), [1, 0])
    mean = jnp.array([[0.5, -2.0]])
    np.testing.assert_array_equal(Gaussian(mean, jnp.zeros((1, 2))).mode(), mean)


def test_categorical_samples_follow_the_probabilities():
    logits = jnp.array([0.0, 1.0, -2.0])
    batch = Categorical(jnp.broadcast_to(logits, (SAMPLES, 3)))
    counts = np.bincount(np.asarray(batch.sample(jax.random.key(0))), minlength=3)
    assert scipy.stats.chisquare(counts, SAMPLES * softmax(logits)).pvalue > 1e-3


@pytest.mark.parametrize("dimension", [0, 1])
def test_gaussian_samples_follow_the_density(dimension):
    mean, log_std = jnp.array([1.0, -3.0]), jnp.array([0.5, -1.0])
    batch = Gaussian(*(jnp.broadcast_to(x, (SAMPLES, 2)) for x in (mean, log_std)))
    samples = np.asarray(batch.sample(jax.random.key(0)), np.float64)
    assert abs(np.corrcoef(samples.T)[0, 1]) < 0.03
    model = scipy.stats.norm(float(mean[dimension]), float(np.exp(log_std[dimension])))
    assert scipy.stats.kstest(samples[:, dimension], model.cdf).pvalue > 1e-3
