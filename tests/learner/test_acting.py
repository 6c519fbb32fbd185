import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.learner.networks import Actor, Sharing, init_actor
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies

K, M, O = 3, 7, 5  # noqa: E741


def some_policies(space, sharing):
    key = jax.random.key(3)
    actor = init_actor(key, K, O, space, (16, 8), sharing, initial_log_std=-0.5)
    actor = jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(key, leaf.shape), actor)
    seen = 4.0 + 2.0 * jax.random.normal(key, (K, 200, O))
    return Policies(actor, Normalizer.identity(K, O).update(seen), space)


@pytest.mark.parametrize("sharing", Sharing)
@pytest.mark.parametrize("space", [Discrete(4), Box((-1.0, -2.0), (1.0, 2.0))])
def test_host_policies_compute_what_the_policies_do(space, sharing):
    policies = some_policies(space, sharing)
    observations = 4.0 + 30.0 * jax.random.normal(jax.random.key(9), (K, M, O))  # some are clipped
    here = policies.on_host()
    there = policies(observations)
    outputs = here(np.asarray(observations))
    assert outputs.dtype == np.float32
    if isinstance(space, Discrete):
        assert here.log_std is None
        np.testing.assert_allclose(outputs, there.logits, rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_allclose(outputs, there.mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(here.log_std, there.log_std[:, 0])


def test_random_actions_are_as_probable_on_the_host():
    space = Discrete(4)
    policies = some_policies(space, Sharing.NOTHING)
    policies = eqx.tree_at(lambda p: p.actor, policies, Actor(policies.actor.stack, None, 0.2))
    observations = jax.random.normal(jax.random.key(9), (K, M, O))
    here = jax.nn.log_softmax(policies.on_host()(np.asarray(observations)))
    there = jax.nn.log_softmax(policies(observations).logits)
    np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-5)
    assert np.exp(here).min() >= 0.2 / 4 - 1e-6


def test_host_policies_stay_as_they_were_taken():
    policies = some_policies(Discrete(4), Sharing.NOTHING)
    here = policies.on_host()
    observations = np.ones((K, M, O), np.float32)
    before = here(observations)
    consume = jax.jit(lambda p: jax.tree.map(jnp.zeros_like, p), donate_argnums=0)
    jax.block_until_ready(jax.tree.leaves(consume(policies)))
    np.testing.assert_array_equal(here(observations), before)
