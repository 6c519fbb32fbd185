import jax.numpy as jnp
import numpy as np
import pytest

from handful.welfare import user_weights, utilitarian


def test_utilitarian_welfare_is_the_mean_user():
    assert utilitarian(jnp.array([0.0, 30.0, 90.0])) == pytest.approx(40.0)


def test_every_user_weighs_one_under_utilitarian_welfare():
    np.testing.assert_allclose(user_weights(utilitarian, jnp.array([0.0, 30.0, -9.0])), 1.0)


def test_user_weighs_more_the_worse_off_they_are_under_nash_welfare():
    weights = user_weights(lambda u: jnp.mean(jnp.log(u)), jnp.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(weights, [1.0, 0.5, 0.25], rtol=1e-6)


def test_only_the_worst_off_user_weighs_under_egalitarian_welfare():
    weights = user_weights(jnp.min, jnp.array([3.0, 1.0, 2.0]))
    np.testing.assert_allclose(weights, [0.0, 3.0, 0.0])
