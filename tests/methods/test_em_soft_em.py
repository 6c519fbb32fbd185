import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.errors import HandfulError
from handful.methods import Feedback, SoftEM, make_method

KEY = jax.random.key(0)
NUM_UPDATES = 2000


def step(method, returns, update=100):
    returns = jnp.asarray(returns, jnp.float32)
    state = method.init(KEY, *returns.shape)
    return state, method.reassign(KEY, state, Feedback(returns, jnp.asarray(update), NUM_UPDATES))


def test_users_train_policies_by_how_little_these_are_behind():
    _, state = step(SoftEM(temperature=0.02), [[100, 98, 50], [10, 10, 10]])
    weights = np.array([1.0, np.exp(-1.0), np.exp(-25.0)])
    np.testing.assert_allclose(state.trained[0], weights / weights.sum(), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(state.trained[1], 1 / 3, rtol=1e-5)


def test_the_unit_of_returns_does_not_matter():
    returns = np.array([[3.0, 1.0], [0.0, 0.5]])
    method = SoftEM(temperature=0.1)
    soft, same = (step(method, unit * returns)[1].trained for unit in (1, 1000))
    np.testing.assert_allclose(soft, same, 1e-5)


def test_users_are_served_by_the_best_policy_alone():
    method = SoftEM(temperature=0.5)
    _, state = step(method, [[1, 2], [5, 4], [0, 3]])
    np.testing.assert_array_equal(method.weights(state), [1, 0, 1])


def test_users_whom_nobody_serves_train_all_alike_and_stay():
    before, state = step(SoftEM(), np.zeros((6, 3)))
    np.testing.assert_allclose(state.trained, 1 / 3, rtol=1e-6)
    np.testing.assert_array_equal(state.served, before.served)


def test_the_warm_up_is_waited_for():
    method = SoftEM(warm_up=10)
    before, state = step(method, [[1, 2], [1, 2]], update=9)
    np.testing.assert_array_equal(state.trained, before.trained)
    assert not np.allclose(step(method, [[1, 2], [1, 2]], update=10)[1].trained, before.trained)


@pytest.mark.parametrize(
    ("temperature", "sentence"),
    [
        (0.0, r"The temperature must be positive, not 0\.0\."),
        (-1.0, r"The temperature must be positive, not -1\.0\."),
        (float("nan"), r"temperature must be finite, not nan\."),
    ],
)
def test_a_temperature_that_is_none(temperature, sentence):
    """The sentence says what is wrong with the number, and not that there is no such setting."""
    with pytest.raises(HandfulError, match=f"^{sentence}$"):
        make_method("soft-em", temperature=temperature)
    assert make_method("soft-em", temperature=1e-9).temperature == 1e-9
