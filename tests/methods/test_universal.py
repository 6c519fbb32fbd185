"""The method that goes on from a universal policy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.errors import HandfulError
from handful.methods import Feedback, make_method
from handful.methods.universal import Trials


@pytest.mark.parametrize(
    "settings",
    [
        {"own_share": 0.0},
        {"candidate_share": 1.0},
        {"own_share": 0.6, "candidate_share": 0.5},
        {"context_size": 0},
        {"group_share": -0.1},
    ],
)
def test_shares_that_leave_nothing_are_refused(settings):
    with pytest.raises(HandfulError, match=next(reversed(settings)).replace("_", ".")):
        make_method("universal", **settings)


def test_it_begins_with_the_policies_that_users_have():
    method = make_method("universal")
    state = method.started(jnp.array([1, 0, 1]), 3)
    np.testing.assert_array_equal(method.weights(state), [1, 0, 1])
    # There is no warm-up: the first E-step already follows the returns.
    returns = jnp.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    after = method.reassign(jax.random.key(0), state, Feedback(returns, jnp.asarray(0), 5))
    np.testing.assert_array_equal(method.weights(after), [0, 2, 1])


def test_users_of_trials_have_the_best_of_the_latest():
    method = Trials()
    state = method.init(jax.random.key(0), 2, 3)
    feedback = Feedback(jnp.array([[0.0, 5.0, 1.0], [2.0, 1.0, 3.0]]), jnp.asarray(0), 5)
    after = method.reassign(jax.random.key(0), state, feedback)
    np.testing.assert_array_equal(method.weights(after), [1, 2])
