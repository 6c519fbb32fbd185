import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from handful.learner.gae import Scale
from handful.learner.losses import ActorBatch, actor_loss
from handful.learner.networks import Actor, Layer, NetworkStack
from handful.methods import EndToEnd

N, K, M, D = 3, 2, 4, 2
CLIP = 0.2
COEFFICIENTS = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, -1.0]], np.float32)
LOGITS = np.array([[0.0, 1.0], [-0.5, 0.5], [2.0, 0.0]], np.float32)
METHOD = EndToEnd()


def softmax(logits):
    return scipy.special.softmax(logits.astype(np.float64), axis=1)


def test_weights_are_the_softmax_over_policies():
    np.testing.assert_allclose(METHOD.weights(jnp.asarray(LOGITS)), softmax(LOGITS), rtol=1e-5)


def test_logits_start_different_for_every_user_and_policy():
    logits = METHOD.init(jax.random.key(0), 50, 4)
    assert len(np.unique(logits)) == 200
    assert abs(float(logits.std()) - 1.0) < 0.15


@pytest.fixture
def actor():
    return Actor(NetworkStack((), Layer(jnp.zeros((K, 1, 2)), jnp.zeros((K, 1, 2)))), None)


def gradient_of_logits(actor, ratios, advantages, scale=None):
    """Through the actors' own loss, as training does it."""
    ratios = jnp.asarray(ratios, jnp.float32)
    log_probs = jnp.log(0.5) - jnp.log(ratios)
    batch = ActorBatch(
        jnp.zeros((*ratios.shape, 1)),
        jnp.zeros(ratios.shape, jnp.int32),
        log_probs,
        jnp.asarray(advantages, jnp.float32),
    )
    scale = scale or Scale(jnp.zeros(K), jnp.ones(K))

    def loss(logits):
        mix_fn = lambda logits: METHOD.weights(logits).T @ COEFFICIENTS  # noqa: E731
        return actor_loss((actor, logits), batch, mix_fn, scale, CLIP, 0.01)[0]

    return jax.grad(loss)(jnp.asarray(LOGITS))


def equation_12(ratios, advantages, spread):
    """Minus the softmax's Jacobian times the mean of clip(ratio) times each user's advantage."""
    ratios, alpha = np.asarray(ratios, np.float64), softmax(LOGITS)
    per_user = np.einsum("kmd,nd->nkm", advantages, COEFFICIENTS)
    mixed = np.einsum("nk,nkm->km", alpha, per_user)
    clipped = np.clip(ratios, 1 - CLIP, 1 + CLIP)
    factor = np.where(ratios * mixed <= clipped * mixed, ratios, clipped)
    for_alpha = -(factor[None] * per_user).mean(axis=2) / spread
    return alpha * (for_alpha - (alpha * for_alpha).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_gradient_of_the_logits_is_equation_12(actor, spread):
    generator = np.random.default_rng(0)
    ratios = generator.uniform(0.5, 1.6, (K, M))
    assert (np.abs(ratios - 1) > CLIP).any()
    advantages = generator.normal(size=(K, M, D))
    scale = Scale(jnp.zeros(K), jnp.full(K, spread))
    found = gradient_of_logits(actor, ratios, advantages, scale)
    assert np.abs(found).max() > 0.01
    np.testing.assert_allclose(found, equation_12(ratios, advantages, spread), rtol=1e-3, atol=1e-5)


def test_gradient_reaches_every_logit(actor):
    generator = np.random.default_rng(1)
    ratios = generator.uniform(0.9, 1.1, (K, M))
    gradient = gradient_of_logits(actor, ratios, generator.normal(size=(K, M, D)))
    assert (np.abs(gradient) > 1e-6).all()
    np.testing.assert_allclose(gradient.sum(axis=1), 0.0, atol=1e-6)


def test_logits_move_towards_policies_that_do_better_for_a_user_than_their_critic_expected(actor):
    """User 0 wants feature 0, of which policy 0 got more than usual and policy 1 less."""
    advantages = np.stack([np.full((M, D), 1.0), np.full((M, D), -1.0)])
    gradient = gradient_of_logits(actor, np.ones((K, M)), advantages)
    assert gradient[0, 0] < 0 < gradient[0, 1]


def test_centred_advantages_give_the_assignment_no_gradient_on_policy(actor):
    """The finding of the design notes: equation 12 follows who improves, not who is best.

    At ratio 1 every user's mean advantage is that of features that were centred: nothing. However
    well a policy serves a user, their logits feel none of it until the policy has moved.
    """
    generator = np.random.default_rng(2)
    advantages = 10.0 * generator.normal(size=(K, M, D))
    advantages -= advantages.mean(axis=1, keepdims=True)
    gradient = gradient_of_logits(actor, np.ones((K, M)), advantages)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
    moved = gradient_of_logits(actor, generator.uniform(0.9, 1.1, (K, M)), advantages)
    assert np.abs(moved).max() > 1e-2
