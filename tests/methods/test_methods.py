"""What holds for every assignment method."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.errors import HandfulError
from handful.methods import METHODS, Feedback, RememberedEpisodes, make_method
from handful.methods.base import split_trainable
from handful.methods.weights import weight_table

NUM_USERS = 7
NUM_UPDATES = 2000
EPISODES = RememberedEpisodes(
    returns=jax.random.normal(jax.random.key(3), (20, 4)),
    is_filled=jnp.arange(20) < 15,
    born=jnp.full(20, 900),
    coefficients=jax.random.normal(jax.random.key(4), (NUM_USERS, 4)),
)
BUDGETS = pytest.mark.parametrize("num_policies", [1, 3, NUM_USERS], ids=lambda k: f"k={k}")


def settings_for(name, num_policies):
    return {"policy": tuple(i % num_policies for i in range(NUM_USERS))} if name == "fixed" else {}


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


@BUDGETS
def test_every_user_has_a_distribution_over_policies_before_and_after_a_step(name, num_policies):
    method = make_method(name, **settings_for(name, num_policies))
    state = method.init(jax.random.key(0), NUM_USERS, num_policies)
    returns = jax.random.normal(jax.random.key(1), (NUM_USERS, num_policies))
    feedback = Feedback(returns, jnp.array(1000), NUM_UPDATES, EPISODES)
    later = method.reassign(jax.random.key(2), state, feedback)
    for weights in (method.weights(state), method.weights(later)):
        alpha = weight_table(weights, num_policies)
        assert alpha.shape == (NUM_USERS, num_policies)
        assert (alpha >= 0).all()
        np.testing.assert_allclose(alpha.sum(axis=1), 1.0, rtol=1e-6)


@BUDGETS
def test_no_policy_starts_without_users(name, num_policies):
    method = make_method(name, **settings_for(name, num_policies))
    weights = method.weights(method.init(jax.random.key(0), NUM_USERS, num_policies))
    assert (weight_table(weights, num_policies).sum(axis=0) > 0).all()


def test_same_key_gives_the_same_start_and_methods_are_hashable(name):
    method = make_method(name, **settings_for(name, 3))
    assert hash(method) == hash(make_method(name, **settings_for(name, 3)))
    first, second = (method.init(jax.random.key(5), NUM_USERS, 3) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_only_end_to_end_learns_by_gradient(name):
    method = make_method(name, **settings_for(name, 3))
    state = method.init(jax.random.key(0), NUM_USERS, 3)
    learnt, rest = split_trainable(method, state)
    assert (method.trainable is not None) == (name == "end-to-end")
    assert len(jax.tree.leaves(learnt)) == (name == "end-to-end")
    jax.tree.map(np.testing.assert_array_equal, eqx.combine(learnt, rest), state)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("e2e", {}, r"no assignment method named 'e2e'.*em, end-to-end, cluster, random, fixed"),
        ("end_to_end", {}, r"did you mean 'end-to-end'\?"),
        ("em", {"warmup": 3}, "'em' has no setting 'warmup' .*it has e_step_every, warm_up"),
        ("random", {"seed": 3}, "'random' has no setting 'seed': it has none"),
        ("fixed", {}, "needs an assignment"),
        ("em", {"warm_up": -1}, "warm_up must be 0 or more"),
        ("cluster", {"pretraining": 1.0}, "above 0 and below 1"),
        ("cluster", {"pretraining": float("nan")}, "pretraining must be finite, not nan"),
        ("cluster", {"num_episodes": 0}, "at least 1 episode"),
    ],
)
def test_method_that_cannot_be_made_is_refused(name, settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        make_method(name, **settings)
