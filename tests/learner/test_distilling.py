"""Networks that take the actions of tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Discrete
from handful.learner.base import Networks
from handful.learner.distilling import distilled
from handful.learner.networks import Sharing, init_actor
from handful.learner.normalize import Normalizer


def networks(num_policies, size, num_actions, num_symbols=None, hidden=(32, 32)):
    actor = init_actor(
        jax.random.key(0),
        num_policies,
        size,
        Discrete(num_actions),
        hidden,
        Sharing.NOTHING,
        num_symbols=num_symbols,
    )
    return Networks(actor, None, Normalizer.identity(num_policies, size))


@pytest.mark.parametrize("hidden", [(32, 32), ()], ids=["hidden layers", "a table"])
def test_numbered_observations(hidden):
    rng, number = np.random.default_rng(0), 20
    wanted = rng.integers(3, size=(2, number))
    seen = np.arange(number)[:, None] / number
    made = distilled(networks(2, 1, 3, number, hidden), seen, wanted, np.ones((2, number), bool))
    everyone = jnp.broadcast_to(jnp.asarray(seen), (2, number, 1))
    np.testing.assert_array_equal(made.actor(everyone).mode(), wanted)


def test_what_a_policy_comes_to_is_learnt_first():
    """Two observations are the same, and ask for different actions; one of them is never met."""
    seen, wanted = np.zeros((2, 2)), np.array([[1, 0], [1, 0]])
    reached = np.array([[True, False], [False, True]])
    made = distilled(networks(2, 2, 2), seen, wanted, reached)
    assert made.actor(jnp.zeros((2, 1, 2))).mode().tolist() == [[1], [0]]
