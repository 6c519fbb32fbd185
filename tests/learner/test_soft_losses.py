import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.learner.critics import NormalizedStack, TwinCritics, init_twins, normalized
from handful.learner.networks import Actor, Layer, NetworkStack
from handful.learner.soft_losses import Learnt, Sample, losses_for
from handful.learner.squashed import squashed_actor

K = 2
KEY = jax.random.key(0)
COLD = jnp.full(K, -100.0)
"""The logarithm of a temperature of nothing."""


def affine(weight, bias):
    """One affine map for each of two policies, without hidden layers."""
    weight, bias = jnp.array(weight, jnp.float32), jnp.array(bias, jnp.float32)
    return (), Layer(weight, bias[:, None])


def twins(*maps):
    return TwinCritics(tuple(NormalizedStack(*affine(*one)) for one in maps))


def sample_of(actions, terminated=False):
    """One transition from 1 to 2 that pays policy 0 three and policy 1 five."""
    each = jnp.ones((K, 1, 1))
    goes_on = jnp.full((K, 1), 0.0 if terminated else 1.0)
    return Sample(each, actions, jnp.array([[3.0], [5.0]]), 2 * each, goes_on)


def loss_of(space, learnt, target, sample, entropy=0.0, discount=0.5):
    return losses_for(space)(learnt, target, sample, KEY, discount, entropy)


def finite_policies(logits):
    """The same logits whatever is observed."""
    return Actor(NetworkStack(*affine(np.zeros((K, 1, 2)), [logits, logits])), None)


VALUES = ([[[1.0, 2.0]], [[0.0, 1.0]]], [[0.0, 0.0], [0.0, 0.0]])
OTHERS = ([[[3.0, 1.0]], [[1.0, 0.5]]], [[0.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize(("terminated", "after"), [(False, [2.0, 0.5]), (True, [0.0, 0.0])])
def test_targets_of_finite_actions_by_hand(terminated, after):
    """At 2 the lesser twins are worth (2, 2) and (0, 1): each of two actions is half as likely."""
    learnt = Learnt(finite_policies([0.0, 0.0]), twins(VALUES, OTHERS), COLD)
    sample = sample_of(jnp.zeros((K, 1), jnp.int32), terminated)
    target = learnt.critic
    _, metrics = loss_of(Discrete(2), learnt, target, sample)
    expected = np.array([3.0, 5.0]) + 0.5 * np.array(after)
    np.testing.assert_allclose(metrics.value, expected, rtol=1e-5)
    # The twins say (1, 3) and (0, 1) of action 0 at 1.
    said = np.array([[1.0, 3.0], [0.0, 1.0]])
    errors = ((said - expected[:, None]) ** 2).mean(axis=1)
    np.testing.assert_allclose(metrics.critic_loss, errors, rtol=1e-5)
    np.testing.assert_allclose(metrics.entropy, [np.log(2.0)] * 2, rtol=1e-6)


def test_entropy_counts_at_the_temperature():
    hot = jnp.log(jnp.array([2.0, 4.0]))
    learnt = Learnt(finite_policies([0.0, 0.0]), twins(VALUES, OTHERS), hot)
    sample = sample_of(jnp.zeros((K, 1), jnp.int32))
    _, metrics = loss_of(Discrete(2), learnt, learnt.critic, sample)
    bonus = 0.5 * np.array([2.0, 4.0]) * np.log(2.0)
    np.testing.assert_allclose(metrics.value, np.array([4.0, 5.25]) + bonus, rtol=1e-5)


def test_targets_are_those_of_the_slow_critics():
    learnt = Learnt(finite_policies([0.0, 0.0]), twins(OTHERS, OTHERS), COLD)
    sample = sample_of(jnp.zeros((K, 1), jnp.int32))
    _, metrics = loss_of(Discrete(2), learnt, twins(VALUES, VALUES), sample)
    np.testing.assert_allclose(metrics.value, [3.0 + 0.5 * 3.0, 5.0 + 0.5 * 1.0], rtol=1e-5)


@pytest.mark.parametrize(("aim", "sign"), [(0.0, 1.0), (2.0, -1.0)])
def test_the_temperature_falls_while_policies_are_more_random_than_they_shall_be(aim, sign):
    learnt = Learnt(finite_policies([0.0, 0.0]), twins(VALUES, OTHERS), COLD)
    sample = sample_of(jnp.zeros((K, 1), jnp.int32))
    slope = jax.grad(lambda x: loss_of(Discrete(2), x, x.critic, sample, aim)[0])(learnt)
    np.testing.assert_array_equal(np.sign(slope.log_temperature), [sign, sign])


def test_finite_policies_are_drawn_to_what_the_lesser_twin_says_is_better():
    """Of two actions at 1: (1, 1) and (0, 0.5), so that policy 1 prefers the second one."""
    learnt = Learnt(finite_policies([0.0, 0.0]), twins(VALUES, OTHERS), COLD)
    sample = sample_of(jnp.zeros((K, 1), jnp.int32))
    slope = jax.grad(lambda x: loss_of(Discrete(2), x, x.critic, sample)[0])(learnt)
    # From half of the time each to the better one always; policy 0 finds both alike.
    towards = -slope.actor.stack.head.bias[:, 0]
    np.testing.assert_allclose(towards, [[0.0, 0.0], [-0.5, 0.5]], atol=1e-6)


def test_finite_policies_learn_the_best_softmax_even_from_the_wrong_one():
    """At temperature 0.5, of (0, 0.5): exp(0) to exp(1). It was all but sure of the other one."""
    warm = jnp.log(jnp.array([0.5, 0.5]))
    learnt = Learnt(finite_policies([30.0, 0.0]), twins(VALUES, OTHERS), warm)
    sample = sample_of(jnp.zeros((K, 1), jnp.int32))
    slope = jax.grad(lambda x: loss_of(Discrete(2), x, x.critic, sample)[0])(learnt)
    share = np.e / (1 + np.e)
    towards = -slope.actor.stack.head.bias[1, 0]
    np.testing.assert_allclose(towards, [-share, share], rtol=1e-5)


BOX = Box((-1.0,), (1.0,))
# What an observation and an action add to the estimates of the twins.
UPWARD = ([[[1.0], [2.0]], [[1.0], [-2.0]]], [[0.0], [0.0]])
HIGHER = ([[[1.0], [2.0]], [[1.0], [-2.0]]], [[1.0], [1.0]])


def still_policies(mean):
    """Policies that do almost the same, whatever they observe."""
    return squashed_actor(
        NetworkStack(*affine(np.zeros((K, 1, 2)), [[mean, -9.0], [mean, -9.0]])), BOX
    )


@pytest.mark.parametrize(("terminated", "counts"), [(False, 0.5), (True, 0.0)])
def test_targets_of_continuous_actions_by_hand(terminated, counts):
    """The policies do 0.5: at 2 the lesser twin says 2 + 2 * 0.5 and 2 - 2 * 0.5."""
    learnt = Learnt(still_policies(np.arctanh(0.5)), twins(UPWARD, HIGHER), COLD)
    sample = sample_of(jnp.full((K, 1, 1), 0.25), terminated)
    _, metrics = loss_of(BOX, learnt, learnt.critic, sample)
    expected = np.array([3.0, 5.0]) + counts * np.array([3.0, 1.0])
    np.testing.assert_allclose(metrics.value, expected, atol=0.02)
    # Of doing 0.25 at 1 the twins say 1.5 and 2.5, and 0.5 and 1.5.
    errors = ((np.array([[1.5, 2.5], [0.5, 1.5]]) - expected[:, None]) ** 2).mean(axis=1)
    np.testing.assert_allclose(metrics.critic_loss, errors, atol=0.1)


def test_continuous_policies_are_drawn_along_the_critics_slope():
    learnt = Learnt(still_policies(0.0), twins(UPWARD, HIGHER), COLD)
    sample = sample_of(jnp.zeros((K, 1, 1)))
    slope = jax.grad(lambda x: loss_of(BOX, x, x.critic, sample)[0])(learnt)
    means = -slope.actor.stack.head.bias[:, 0, 0]
    np.testing.assert_allclose(means, [2.0, -2.0], rtol=0.01)


def test_the_actors_gradient_leaves_the_critics_alone():
    learnt = Learnt(still_policies(0.0), twins(UPWARD, HIGHER), COLD)
    sample = sample_of(jnp.zeros((K, 1, 1)))
    told = jax.grad(lambda x: loss_of(BOX, x, x.critic, sample)[0])(learnt).critic
    alone = jax.grad(
        lambda c: jnp.sum(
            loss_of(BOX, learnt._replace(critic=c), learnt.critic, sample)[1].critic_loss
        )
    )(learnt.critic)
    for one, other in zip(jax.tree.leaves(told), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_hidden_layers_of_critics_are_normalised():
    values = jnp.array([[[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]]])
    found = normalized(values)
    np.testing.assert_allclose(found[0, 0], np.array([-1.5, -0.5, 0.5, 1.5]) / np.sqrt(1.25), 1e-4)
    np.testing.assert_allclose(found[0, 1], found[0, 0], rtol=1e-4)
    critics = init_twins(KEY, K, 3, BOX, (8, 8))
    rows, actions = jnp.ones((K, 4, 3)), jnp.zeros((K, 4, 1))
    one, other = critics.of_actions(rows, actions)
    assert one.shape == (K, 4)
    assert not np.allclose(one, other)
    # However far away an observation is, the estimate stays near.
    assert float(jnp.abs(critics.of_actions(1e6 * rows, actions)).max()) < 3.0
