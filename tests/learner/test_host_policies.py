import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.learner.builders import name_of
from handful.learner.host_policies import CompiledPolicies, HostPolicies
from handful.learner.networks import Sharing, init_actor
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from tests.networks import Wave

K, O = 3, 5  # noqa: E741
SPACES = [Discrete(4), Box((-1.0, -2.0), (1.0, 2.0))]


def policies_of(space, network=None):
    actor = init_actor(jax.random.key(3), K, O, space, (8,), Sharing.NOTHING, -0.5, network=network)
    seen = 4.0 + 2.0 * jax.random.normal(jax.random.key(4), (K, 50, O))
    return Policies(actor, Normalizer.identity(K, O).update(seen), space)


@pytest.fixture(params=SPACES, ids=["discrete", "box"])
def own(request):
    return policies_of(request.param, name_of(Wave))


def outputs(distribution):
    return distribution.logits if hasattr(distribution, "logits") else distribution.mean


def test_modules_are_called_through_a_compiled_program(own):
    here = own.on_host()
    assert isinstance(here, CompiledPolicies)
    assert isinstance(policies_of(SPACES[0]).on_host(), HostPolicies)
    assert (here.num_policies, here.observation_size) == (K, O)
    rows = np.random.default_rng(0).normal(4.0, 9.0, (K, 7, O))
    there = outputs(own(jnp.asarray(rows, jnp.float32)))
    found = here(rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, there, rtol=1e-4, atol=1e-5)
    for policy in range(K):
        for number in (0, 1, 5, 7):
            alone = here.outputs_of(policy, rows[policy, :number].astype(np.float32))
            np.testing.assert_allclose(alone, there[policy, :number], rtol=1e-4, atol=1e-5)


def test_policies_of_modules_act_as_others_do(own):
    rows = np.random.default_rng(0).normal(4.0, 2.0, (6, O)).astype(np.float32)
    together = np.asarray(own(jnp.broadcast_to(rows, (K, 6, O))).mode())
    if isinstance(own.action_space, Box):
        together = together.clip([-1.0, -2.0], [1.0, 2.0])
    for policy in range(K):
        np.testing.assert_allclose(own.act(rows, policy), together[policy], atol=1e-5)
    each = own.act(rows, policy=np.array([2, 0, 1, 1, 0, 2]))
    np.testing.assert_allclose(each[1], together[0, 1], atol=1e-5)
    assert own.act(rows[0], policy=1, key=jax.random.key(0)).shape == together.shape[2:]
    assert own.act(rows[0], policy=1, rng=np.random.default_rng(0)).shape == together.shape[2:]


def test_copies_of_modules_stay_as_they_were_taken(own):
    here, rows = own.on_host(), np.ones((K, 2, O), np.float32)
    before = here(rows)
    consume = jax.jit(lambda p: jax.tree.map(jnp.zeros_like, p), donate_argnums=0)
    jax.block_until_ready(jax.tree.leaves(consume(own)))
    np.testing.assert_array_equal(here(rows), before)
