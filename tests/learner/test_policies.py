import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.errors import HandfulError
from handful.learner import PPO
from handful.learner.networks import Actor, Layer, NetworkStack, Sharing
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from handful.learner.ppo import init_learner

MEANS = jnp.array([0.0, 10.0, 0.0])
KEY = jax.random.key(0)


def linear_policies(space, log_std=None):
    """Outputs are the normalised observation, negated for policy 1; policy 1 is used to 10."""
    weight = jnp.stack([jnp.eye(2), -jnp.eye(2), 3 * jnp.eye(2)])
    actor = Actor(NetworkStack((), Layer(weight, jnp.zeros((3, 1, 2)))), log_std)
    normalizer = Normalizer(jnp.ones(3), jnp.broadcast_to(MEANS[:, None], (3, 2)), jnp.ones((3, 2)))
    return Policies(actor, normalizer, space)


@pytest.fixture
def discrete():
    return linear_policies(Discrete(2))


@pytest.fixture
def continuous():
    return linear_policies(Box((-1.0, -1.0), (1.0, 1.0)), jnp.full((3, 2), -1.0))


def test_each_policy_acts_with_its_own_network_and_statistics(discrete):
    observation = jnp.array([8.0, 9.0])
    assert [int(discrete.act(observation, policy=k)) for k in range(3)] == [1, 0, 1]


def test_act_without_a_key_is_the_mode_clipped_to_the_action_space(continuous):
    observation = jnp.array([0.25, 7.0])
    np.testing.assert_allclose(continuous.act(observation, policy=0), [0.25, 1.0], rtol=1e-6)
    np.testing.assert_allclose(continuous.act(observation, policy=2), [0.75, 1.0], rtol=1e-6)


def test_act_with_a_key_samples_and_clips(continuous):
    actions = np.array(
        [continuous.act(jnp.zeros(2), policy=0, key=key) for key in jax.random.split(KEY, 30)]
    )
    assert len(np.unique(actions[:, 0])) > 20
    assert np.abs(actions).max() <= 1.0
    wide = linear_policies(Box((-1.0, -1.0), (1.0, 1.0)), jnp.full((3, 2), 3.0))
    assert np.abs(wide.act(jnp.zeros(2), policy=0, key=KEY)).max() <= 1.0


def test_call_gives_raw_distributions(continuous):
    distribution = continuous(jnp.full((3, 1, 2), 7.0))
    np.testing.assert_allclose(distribution.mean[:, 0, 0], [7.0, 3.0, 21.0], rtol=1e-5)


def test_numpy_observations_are_taken(discrete):
    assert discrete.act(np.array([3.0, 1.0], np.float64), policy=0) == 0


@pytest.mark.parametrize("policy", [-1, 3])
def test_policy_that_does_not_exist_is_refused(discrete, policy):
    with pytest.raises(HandfulError, match=f"no policy {policy}: choose from 0 to 2"):
        discrete.act(jnp.zeros(2), policy=policy)


@pytest.mark.parametrize("shape", [(3,), (2, 1), ()])
def test_observation_of_another_size_is_refused(discrete, shape):
    with pytest.raises(HandfulError, match=r"observation has shape \[2\], and a batch of them"):
        discrete.act(jnp.zeros(shape), policy=0)


def test_sizes_are_known(discrete):
    assert (discrete.num_policies, discrete.observation_size) == (3, 2)


@pytest.mark.parametrize("normalises", [True, False])
def test_raw_observations_are_clipped_only_where_they_are_normalised(normalises):
    """The same in JAX and on the host, at the first update too."""
    config = PPO(normalize_observations=normalises)
    learner = init_learner(jax.random.key(0), config, 1, 1, Discrete(2), 1, ())
    policies = Policies(learner.actor, learner.normalizer, Discrete(2))
    near, far = jnp.full((1, 1, 1), 11.0), jnp.full((1, 1, 1), 25.0)
    here, there = policies.on_host(), policies
    assert np.array_equal(here(np.array(near)), here(np.array(far))) == normalises
    assert np.array_equal(there(near).logits, there(far).logits) == normalises


def test_batches_and_a_policy_for_each_observation(discrete, continuous):
    batch = np.array([[[0.2, 0.1], [8.0, 9.0]], [[1.0, 0.0], [0.0, 1.0]]])
    actions = discrete.act(batch, policy=0)
    np.testing.assert_array_equal(actions, [[0, 1], [0, 1]])
    moves = continuous.act(batch, policy=2)
    assert moves.shape == (2, 2, 2)
    np.testing.assert_allclose(moves[0, 0], [0.6, 0.3], rtol=1e-6)
    each = continuous.act(batch[0], policy=np.array([2, 0]))
    np.testing.assert_allclose(each, [[0.6, 0.3], [1.0, 1.0]], rtol=1e-6)


@pytest.mark.parametrize("policy", [1.0, "0", [0, 1, 2], [[0]], None])
def test_what_is_no_policy(discrete, policy, as_users_call):
    with pytest.raises(HandfulError, match="A policy is a whole number, or one for each"):
        discrete.act(np.zeros((2, 2)), policy=policy)


def test_chance_of_numpy_is_the_same_distribution(continuous, discrete):
    rng = np.random.default_rng(0)
    means = np.full((20_000, 2), 0.1)
    moves = linear_policies(Box((-9.0, -9.0), (9.0, 9.0)), jnp.full((3, 2), -1.0)).act(
        means, policy=0, rng=rng
    )
    np.testing.assert_allclose(moves.mean(axis=0), 0.1, atol=0.01)
    np.testing.assert_allclose(moves.std(axis=0), np.exp(-1.0), rtol=0.03)
    assert np.abs(continuous.act(np.full((50, 2), 5.0), policy=0, rng=rng)).max() <= 1.0
    drawn = discrete.act(np.tile([0.0, 1.0], (20_000, 1)), policy=0, rng=rng)
    assert drawn.mean() == pytest.approx(1 / (1 + np.exp(-1.0)), abs=0.015)


@pytest.mark.parametrize("space", [Discrete(3), Box((-1.0,) * 3, (1.0,) * 3)])
@pytest.mark.parametrize("symbols", [None, 5])
@pytest.mark.parametrize("sharing", list(Sharing))
def test_one_policy_alone_computes_what_all_do_together(space, symbols, sharing):
    size = 1 if symbols else 4
    shared = {"share_hidden": sharing is Sharing.HIDDEN, "family": sharing is Sharing.FAMILY}
    config = PPO(hidden_sizes=(8, 8), normalize_observations=not symbols, **shared)
    learner = init_learner(KEY, config, 3, size, space, 2, None, symbols)
    policies = Policies(learner.actor, learner.normalizer, space)
    if symbols:
        seen = np.arange(5, dtype=np.float32)[:, None] / symbols
    else:
        seen = np.random.default_rng(0).normal(size=(5, size)).astype(np.float32)
    together = policies(jnp.broadcast_to(seen, (3, 5, size))).mode()
    for policy in range(3):
        expected = np.asarray(together[policy])
        if isinstance(space, Box):
            expected = expected.clip(-1, 1)
        np.testing.assert_allclose(policies.act(seen, policy), expected, atol=1e-5)


def test_policies_act_within_a_compiled_program_too(continuous):
    observation = jnp.array([0.25, 2.0])
    here = jax.jit(lambda policies, seen: policies.act(seen, policy=0))(continuous, observation)
    closed = jax.jit(lambda seen: continuous.act(seen, policy=0))(observation)
    np.testing.assert_allclose(here, [0.25, 1.0])
    np.testing.assert_allclose(closed, [0.25, 1.0])


def test_the_environments_own_observations_are_read(discrete):
    reads = Policies(
        discrete.actor, discrete.normalizer, discrete.action_space, lambda seen: seen["where"]
    )
    assert reads.act({"where": np.array([8.0, 9.0])}, policy=0) == 1
    assert reads.take(jnp.array([1])).act({"where": np.array([8.0, 9.0])}, policy=0) == 0
