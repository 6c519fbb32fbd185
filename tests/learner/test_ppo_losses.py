import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.learner.gae import Scale
from handful.learner.losses import ActorBatch, CriticBatch, actor_loss, critic_loss
from handful.learner.networks import Actor, Layer, NetworkStack

CLIP = 0.2


@pytest.fixture
def actor():
    """Two linear policies over two actions: logits are observations, or twice them."""
    weight = jnp.stack([jnp.eye(2), 2 * jnp.eye(2)])
    return Actor(NetworkStack((), Layer(weight, jnp.zeros((2, 1, 2)))), None)


def batch_with(actor, ratios, advantages):
    """A batch whose actions are now ``ratios`` times as likely as when they were taken."""
    ratios = jnp.asarray(ratios, jnp.float32)
    observations = jax.random.normal(jax.random.key(0), (*ratios.shape, 2))
    actions = jnp.zeros(ratios.shape, jnp.int32)
    log_probs = actor(observations).log_prob(actions) - jnp.log(ratios)
    return ActorBatch(observations, actions, log_probs, jnp.asarray(advantages, jnp.float32))


def loss_of(actor, batch, mix, scale=None, entropy=0.0):
    scale = scale or Scale(jnp.zeros(2), jnp.ones(2))
    return actor_loss((actor, ()), batch, lambda _: jnp.asarray(mix), scale, CLIP, entropy)


RATIOS = [[1.0, 1.5, 0.5], [1.5, 0.5, 1.1]]
# Columns: kept, clipped from above, clipped from below only where the advantage is negative.
ADVANTAGES = [[2.0, 1.0, 3.0], [-1.0, -2.0, 1.0]]
SURROGATE = [(2.0 + 1.2 + 1.5) / 3, (-1.5 - 1.6 + 1.1) / 3]


def test_surrogate_is_clipped_towards_caution_and_summed_over_policies(actor):
    batch = batch_with(actor, RATIOS, np.array(ADVANTAGES)[..., None])
    loss, metrics = loss_of(actor, batch, [[1.0], [1.0]])
    assert loss == pytest.approx(-sum(SURROGATE), rel=1e-5)
    np.testing.assert_allclose(metrics.clip_fraction, [2 / 3, 2 / 3], rtol=1e-6)
    kl = np.mean(np.array(RATIOS) - 1 - np.log(RATIOS), axis=1)
    np.testing.assert_allclose(metrics.approx_kl, kl, rtol=1e-4)


def test_features_are_mixed_by_each_policys_row_before_clipping(actor):
    features = np.stack([ADVANTAGES, np.full((2, 3), 7.0)], axis=-1)
    loss, _ = loss_of(actor, batch_with(actor, RATIOS, features), [[1.0, 0.0], [1.0, 0.0]])
    assert loss == pytest.approx(-sum(SURROGATE), rel=1e-5)


def test_advantages_are_standardised_by_the_given_scale(actor):
    shifted = 5.0 + 10.0 * np.array(ADVANTAGES)[..., None]
    scale = Scale(jnp.full(2, 5.0), jnp.full(2, 10.0))
    loss, _ = loss_of(actor, batch_with(actor, RATIOS, shifted), [[1.0], [1.0]], scale)
    assert loss == pytest.approx(-sum(SURROGATE), rel=1e-4)


def test_entropy_bonus_is_the_closed_form_of_the_policy_as_it_is(actor):
    """Not minus the log-probability of the old action, which can have any value."""
    batch = batch_with(actor, RATIOS, np.zeros((2, 3, 1)))
    batch = batch._replace(log_probs=batch.log_probs - 3.0)
    loss, metrics = loss_of(actor, batch, [[1.0], [1.0]], entropy=0.5)
    logits = np.asarray(batch.observations, np.float64) * np.array([1.0, 2.0])[:, None, None]
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = -(p * np.log(p)).sum(axis=-1).mean(axis=1)
    np.testing.assert_allclose(metrics.entropy, expected, rtol=1e-5)
    assert loss == pytest.approx(-0.5 * expected.sum(), rel=1e-5)


def test_clipped_sample_has_no_gradient(actor):
    batch = batch_with(actor, [[1.5, 1.5], [0.5, 0.5]], [[[1.0]] * 2, [[-1.0]] * 2])
    gradient = jax.grad(lambda a: loss_of(a, batch, [[1.0], [1.0]])[0])(actor)
    np.testing.assert_array_equal(gradient.stack.head.weight, 0.0)


def test_gradient_makes_actions_that_went_well_likelier(actor):
    batch = batch_with(actor, np.ones((2, 4)), [[[1.0]] * 4, [[-1.0]] * 4])
    gradient = jax.grad(lambda a: loss_of(a, batch, [[1.0], [1.0]])[0])(actor)
    bias = gradient.stack.head.bias[:, 0]
    assert bias[0, 0] < 0 < bias[0, 1]
    assert bias[1, 1] < 0 < bias[1, 0]


def test_critic_loss_is_half_the_mean_square_over_samples_and_features():
    biases = jnp.array([[[1.0, 0.0, 0.0]], [[2.0] * 3]])
    critic = NetworkStack((), Layer(jnp.zeros((2, 1, 3)), biases))
    targets = jnp.stack([jnp.zeros((4, 3)), jnp.array([[0.0, 2.0, 2.0]] * 4)])
    total, per_policy = critic_loss(critic, CriticBatch(jnp.zeros((2, 4, 1)), targets))
    np.testing.assert_allclose(per_policy, [0.5 / 3, 0.5 * 4 / 3], rtol=1e-6)
    assert total == pytest.approx(0.5 * 5 / 3, rel=1e-6)


def test_the_value_of_the_own_mix_counts_besides_the_mean_over_features():
    critic = NetworkStack(
        (), Layer(jnp.zeros((2, 1, 3)), jnp.array([[[1.0, 0.0, 0.0]], [[2.0] * 3]]))
    )
    batch = CriticBatch(jnp.zeros((2, 4, 1)), jnp.zeros((2, 4, 3)))
    mix = jnp.array([[3.0, 4.0, 0.0], [0.0, 1.0, 0.0]])  # norms 5 and 1: together the size √13
    total, per_policy = critic_loss(critic, batch, mix, mix_weight=0.5)
    np.testing.assert_allclose(per_policy, [0.5 / 3, 0.5 * 4], rtol=1e-6)
    mixed = 0.5 * (3.0**2 + 2.0**2) / 13.0  # errors of the mixes 3 and 2
    assert total == pytest.approx(0.5 / 3 + 0.5 * 4 + 0.5 * mixed, rel=1e-6)


def test_a_mix_of_nothing_leaves_the_critics_loss_as_it_is():
    critic = NetworkStack((), Layer(jnp.zeros((1, 1, 3)), jnp.ones((1, 1, 3))))
    batch = CriticBatch(jnp.zeros((1, 4, 1)), jnp.zeros((1, 4, 3)))
    total, _ = critic_loss(critic, batch, jnp.zeros((1, 3)), mix_weight=1.0)
    assert total == pytest.approx(0.5, rel=1e-6)
