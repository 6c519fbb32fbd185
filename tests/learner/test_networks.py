import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.learner.distributions import Categorical, Gaussian
from handful.learner.networks import (
    HIDDEN_GAIN,
    ORIGIN_SPREAD,
    Sharing,
    has_policy_axis,
    init_actor,
    init_critic,
    take_policies,
)

K, O, A, D, M = 3, 5, 4, 6, 7  # noqa: E741
HIDDEN = (8, 8)
SPACES = {"discrete": Discrete(A), "box": Box((-1.0,) * A, (1.0,) * A)}


@pytest.fixture(params=Sharing, ids=lambda sharing: sharing.value)
def sharing(request):
    return request.param


@pytest.fixture(params=SPACES.values(), ids=SPACES)
def actor(request, sharing):
    return init_actor(jax.random.key(0), K, O, request.param, HIDDEN, sharing)


@pytest.fixture
def critic(sharing):
    return init_critic(jax.random.key(1), K, O, D, HIDDEN, sharing)


@pytest.fixture
def observations():
    return jax.random.normal(jax.random.key(2), (K, M, O))


def assert_orthogonal(weight, gain):
    rows, columns = weight.shape
    gram = weight @ weight.T if rows <= columns else weight.T @ weight
    np.testing.assert_allclose(gram, gain**2 * np.eye(min(rows, columns)), atol=1e-5)


def test_weights_start_orthogonal_with_the_gain_of_their_place(actor, critic, sharing):
    for stack, head_gain in ((actor.stack, 0.01), (critic, 1.0)):
        for layer, gain in [(layer, HIDDEN_GAIN) for layer in stack.hidden] + [
            (stack.head, head_gain)
        ]:
            for weight in np.reshape(layer.weight, (-1, *layer.weight.shape[-2:])):
                assert_orthogonal(weight, gain)
        biases = [layer.bias for layer in (*stack.hidden, stack.head)]
        for bias in biases[1:] if sharing is Sharing.FAMILY else biases:
            np.testing.assert_array_equal(bias, 0.0)
    assert pytest.approx(2.0) == HIDDEN_GAIN**2


def test_layers_are_one_for_all_or_one_for_each(critic, sharing):
    hidden, head = {
        Sharing.NOTHING: ((K,), (K,)),
        Sharing.HIDDEN: ((), (K,)),
        Sharing.FAMILY: ((), ()),
        Sharing.CONDITIONED: ((), ()),
    }[sharing]
    assert [layer.weight.shape for layer in critic.hidden] == [(*hidden, O, 8), (*hidden, 8, 8)]
    assert critic.head.weight.shape == (*head, 8, D)
    marks = has_policy_axis(critic)
    is_family = sharing is Sharing.FAMILY
    assert [layer.weight for layer in marks.hidden] == [bool(hidden)] * 2
    assert [layer.bias for layer in marks.hidden] == [bool(hidden) or is_family, bool(hidden)]
    assert (marks.head.weight, marks.head.bias) == (bool(head), bool(head))


def test_networks_start_different_from_each_other(critic, actor, sharing):
    for stack in (critic, actor.stack):
        own = [leaf for leaf in jax.tree.leaves(stack) if leaf.ndim == 3 and leaf.any()]
        # Conditioned networks are one network until they have contexts.
        assert bool(own) == (sharing is not Sharing.CONDITIONED)
        for leaf in own:
            assert np.abs(np.diff(leaf, axis=0)).max(axis=(1, 2)).min() > 1e-4


def test_members_of_a_family_differ_by_the_bias_of_the_first_layer():
    family = init_critic(jax.random.key(1), 400, O, D, HIDDEN, Sharing.FAMILY)
    origins = family.hidden[0].bias
    assert origins.shape == (400, 1, 8)
    assert np.std(origins) == pytest.approx(ORIGIN_SPREAD, rel=0.05)
    observations = jax.random.normal(jax.random.key(2), (1, M, O))
    values = family(jnp.broadcast_to(observations, (400, M, O)))
    assert np.abs(values[0] - values[1]).max() > 0.01
    # The same network, asked with another member's bias, is that member.
    stripped = jax.tree.map(
        lambda leaf, own: leaf[7:8] if own else leaf, family, has_policy_axis(family)
    )
    np.testing.assert_allclose(stripped(observations)[0], values[7], atol=1e-5)


def test_actor_gives_the_distribution_of_its_action_space(actor, observations):
    distribution = actor(observations)
    if isinstance(distribution, Categorical):
        np.testing.assert_allclose(jax.nn.softmax(distribution.logits), 1 / A, atol=0.02)
    else:
        assert isinstance(distribution, Gaussian)
        np.testing.assert_array_equal(distribution.log_std, 0.0)
        np.testing.assert_allclose(distribution.mean, 0.0, atol=0.1)


def test_log_stds_are_parameters_of_each_policy_and_the_same_everywhere(observations):
    actor = init_actor(jax.random.key(0), K, O, SPACES["box"], HIDDEN, Sharing.HIDDEN)
    assert actor.log_std.shape == (K, A)
    assert any(leaf is actor.log_std for leaf in jax.tree.leaves(actor))
    log_std = actor(observations).log_std
    np.testing.assert_array_equal(log_std, np.broadcast_to(log_std[:, :1], (K, M, A)))


def test_critic_computes_tanh_layers_and_a_linear_head(critic, observations):
    def layer_of(layer, k):
        leaves = jax.tree.map(
            lambda leaf, own: leaf[k] if own else leaf, layer, has_policy_axis(layer)
        )
        return np.asarray(leaves.weight, np.float64), np.asarray(leaves.bias, np.float64)

    critic = jax.tree.map(lambda leaf: leaf + 0.1, critic)  # biases count too
    for k in range(K):
        x = np.asarray(observations[k], np.float64)
        for layer in critic.hidden:
            weight, bias = layer_of(layer, k)
            x = np.tanh(x @ weight + bias)
        weight, bias = layer_of(critic.head, k)
        np.testing.assert_allclose(critic(observations)[k], x @ weight + bias, atol=1e-5)


def test_policy_axis_is_kept_apart(critic, observations):
    values = critic(observations)
    assert values.shape == (K, M, D)
    other = critic(observations.at[1].add(1.0))
    np.testing.assert_array_equal(other[0], values[0])
    np.testing.assert_array_equal(other[2], values[2])
    assert np.abs(other[1] - values[1]).max() > 0.01


def test_taking_policies_copies_what_is_their_own(actor, sharing, observations):
    source = jnp.array([2, 1, 1])
    taken = take_policies(actor, source)
    same_everywhere = jnp.broadcast_to(observations[:1], observations.shape)
    before, after = actor(same_everywhere), taken(same_everywhere)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(new, old[source])
    if sharing is not Sharing.NOTHING:
        for old, new in zip(actor.stack.hidden, taken.stack.hidden, strict=True):
            np.testing.assert_array_equal(new.weight, old.weight)


@pytest.mark.parametrize(
    ("hidden_sizes", "sharing"),
    [((6,), sharing) for sharing in Sharing]
    + [((), Sharing.HIDDEN), ((), Sharing.NOTHING)],  # a family has a hidden layer
)
def test_a_looked_up_symbol_is_a_one_hot_observation(hidden_sizes, sharing):
    """The same weights, fed the number of a symbol or the vector that is 1 at it."""
    symbols = 5
    shape = (D, hidden_sizes, sharing)
    looked_up = init_critic(jax.random.key(0), K, 1, *shape, num_symbols=symbols)
    multiplied = init_critic(jax.random.key(0), K, symbols, *shape)
    numbers = jnp.array([[0, 3, 4, 1]] * K)
    np.testing.assert_allclose(
        looked_up(numbers[..., None] / symbols),
        multiplied(jax.nn.one_hot(numbers, symbols)),
        rtol=1e-5,
    )


def test_many_large_layers_are_made_before_the_clock_runs_out():
    """Decomposing batches of matrices side by side once stood still for ever, on two cores."""
    program = """
import jax
from handful.environment import Box
from handful.learner.networks import Sharing, init_actor, init_critic
@jax.jit
def init(key):
    actor = init_actor(key, 5, 20, Box((-1.0,), (1.0,)), (64, 64, 64), Sharing.NOTHING)
    return actor, init_critic(key, 5, 20, 50, (64, 64, 64), Sharing.NOTHING)
jax.block_until_ready(init(jax.random.key(0)))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
