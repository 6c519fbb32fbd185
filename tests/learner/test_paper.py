"""One update beside the paper's equations, written out again in NumPy, and eq. 10 and 11 by hand.

The reference knows users where the learner knows features, has every sum where the equations have
one, and takes its gradients by differences. Adam's epsilon is so large here that a step follows
the gradient itself, so that a wrong factor in a loss shows.
"""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from handful.collect.returns import FinishedEpisodes
from handful.environment import Box
from handful.learner.base import Objective
from handful.learner.normalize import Normalizer
from handful.learner.ppo import PPO, Rates, init_learner, update
from handful.methods import EndToEnd, em
from handful.mix import Mix
from handful.training.state import ReturnTable
from handful.transitions import Transitions

N, K, D, T, B, O, H, A = 4, 2, 3, 3, 2, 2, 3, 2  # noqa: E741
M = T * B
DISCOUNT, GAE_LAMBDA, CLIP, ENTROPY = 0.9, 0.8, 0.2, 0.03
RATE, ASSIGNMENT_RATE, EPSILON = 100.0, 300.0, 1e3
GENERATOR = np.random.default_rng(7)
COEFFICIENTS = GENERATOR.normal(size=(N, D))
LOGITS = GENERATOR.normal(size=(N, K))
ONE_HOT = np.eye(K)[[0, 1, 1, 0]]
MEAN, VARIANCE = GENERATOR.normal(size=(K, O)), GENERATOR.uniform(0.5, 2.0, (K, O))
METHOD = EndToEnd()


def make_batch():
    """Numbers of no meaning; one episode terminates in mid-batch, another one is truncated."""
    shape = (K, T, B)
    terminated, truncated = np.zeros(shape, bool), np.zeros(shape, bool)
    terminated[0, 1, 0] = truncated[1, 0, 1] = True
    return SimpleNamespace(
        observations=GENERATOR.normal(size=(*shape, O)),
        actions=GENERATOR.normal(size=(*shape, A)),
        features=GENERATOR.normal(size=(*shape, D)),
        next_observations=GENERATOR.normal(size=(*shape, O)),
        terminated=terminated,
        truncated=truncated,
    )


BATCH = make_batch()
RATIOS = GENERATOR.uniform(0.6, 1.5, (K, M))
"""How much likelier the actions are now than when they were taken."""


def make_learner(share_hidden, max_grad_norm, parameters):
    """A learner none of whose numbers is zero, and its settings."""
    config = PPO(
        gae_lambda=GAE_LAMBDA,
        clip_range=CLIP,
        minibatch_size=M,
        num_epochs=1,
        hidden_sizes=(H,),
        share_hidden=share_hidden,
        max_grad_norm=max_grad_norm,
        adam_epsilon=EPSILON,
    )
    key, space = jax.random.key(0), Box((-1.0,) * A, (1.0,) * A)
    learner = init_learner(key, config, K, O, space, D, parameters)
    noise = np.random.default_rng(8)
    actor, critic = jax.tree.map(
        lambda leaf: jnp.asarray(noise.normal(scale=0.5, size=leaf.shape), jnp.float32),
        (learner.actor, learner.critic),
    )
    normalizer = Normalizer(
        jnp.full(K, 5.0), *(jnp.asarray(x, "float32") for x in (MEAN, VARIANCE))
    )
    return dataclasses.replace(learner, actor=actor, critic=critic, normalizer=normalizer), config


def forward(weights, inputs):
    """One hidden tanh layer of each policy, on its own row of [K, M, O]."""
    first, bias, head, head_bias = weights
    hidden = np.tanh(inputs @ first + bias)
    return hidden @ head + head_bias


def seen(observations):
    """Normalised observations [K, M, O]."""
    flat = observations.reshape(K, M, O)
    return np.clip((flat - MEAN[:, None]) / np.sqrt(VARIANCE + 1e-8)[:, None], -10, 10)


def user_advantages(critic_weights):
    """Advantages of every user [N, K, M] and values of every feature [K, M, D], by definition."""
    values = forward(critic_weights, seen(BATCH.observations)).reshape(K, T, B, D)
    following = forward(critic_weights, seen(BATCH.next_observations)).reshape(K, T, B, D)
    advantages = np.zeros((N, K, T, B))
    for i, j, t, b in np.ndindex(N, K, T, B):
        for later in range(t, T):
            at = (j, later, b)
            reward, value = BATCH.features[at] @ COEFFICIENTS[i], values[at] @ COEFFICIENTS[i]
            after = 0.0 if BATCH.terminated[at] else following[at] @ COEFFICIENTS[i]
            delta = reward + DISCOUNT * after - value
            advantages[i, j, t, b] += (DISCOUNT * GAE_LAMBDA) ** (later - t) * delta
            if BATCH.terminated[at] or BATCH.truncated[at]:
                break
    return advantages.reshape(N, K, M), values.reshape(K, M, D)


def equation_8(weights, targets):
    """Summed over features and transitions; the learner takes half the mean of each policy."""
    return np.sum((targets - forward(weights, seen(BATCH.observations))) ** 2)


def equations_9_and_12(actor, taken, alpha, advantages, scale):
    """Appendix B's equation 3 for every policy, with standardised advantages, and the bonus.

    Args:
        taken: log-probabilities [K, M] of the actions when they were taken.
    """
    ratio, total = np.exp(log_probs_of(actor) - taken), 0.0
    clipped = np.minimum(np.maximum(ratio, 1 - CLIP), 1 + CLIP)
    for j in range(K):
        marginal = sum(alpha[i, j] * advantages[i, j] for i in range(N))
        standard = (marginal - scale[0][j]) / scale[1][j]
        total -= np.mean(np.minimum(ratio[j] * standard, clipped[j] * standard))
        total -= ENTROPY * scipy.stats.norm(0.0, np.exp(actor[-1][j])).entropy().sum()
    return total


def log_probs_of(actor):
    """Log-densities [K, M] of the batch's actions, which were never clipped."""
    *weights, log_std = actor
    normal = scipy.stats.norm(forward(weights, seen(BATCH.observations)), np.exp(log_std)[:, None])
    return normal.logpdf(BATCH.actions.reshape(K, M, A)).sum(axis=2)


def slopes(function, arrays):
    """Central differences of ``function(arrays)`` by every entry of every array."""
    found = [np.zeros_like(array) for array in arrays]
    for array, slope in zip(arrays, found, strict=True):
        for index in np.ndindex(array.shape):
            kept, ends = array[index], []
            for step in (1e-5, -1e-5):
                array[index] = kept + step
                ends.append(function(arrays))
            array[index] = kept
            slope[index] = (ends[0] - ends[1]) / 2e-5
    return found


def double(tree):
    return [np.asarray(leaf, np.float64).copy() for leaf in jax.tree.leaves(tree)]


def stepped(arrays, gradients, rate):
    """Adam's first step, with the large epsilon."""
    return [a - rate * g / (np.abs(g) + EPSILON) for a, g in zip(arrays, gradients, strict=True)]


def run(learner, config, parameters, mix_fn):
    rates = Rates(jnp.array(RATE), jnp.array(ENTROPY))
    taken = log_probs_of(double(learner.actor)) - np.log(RATIOS)
    arrays = {
        name: jnp.asarray(leaf, bool if leaf.dtype == bool else jnp.float32)
        for name, leaf in vars(BATCH).items()
    }
    log_probs = jnp.asarray(taken.reshape(K, T, B), jnp.float32)
    batch = Transitions(log_probs=log_probs, **arrays)
    return jax.jit(
        lambda learner, parameters: update(
            jax.random.key(1),
            learner,
            batch,
            Objective(lambda p: Mix(mix_fn(p), jnp.ones(K)), parameters, ASSIGNMENT_RATE),
            rates,
            config,
            DISCOUNT,
            None,
        )[:3]
    )(learner, parameters)


def assert_close(tree, arrays, before):
    """As far as float32 goes; and every entry has moved by more than that."""
    for new, expected, old in zip(jax.tree.leaves(tree), arrays, before, strict=True):
        np.testing.assert_allclose(new, expected, rtol=1e-3, atol=2e-6)
        assert np.abs(expected - old).max() > 1e-4


@pytest.mark.parametrize("share_hidden", [False, True])
def test_an_update_follows_equations_8_9_and_12(share_hidden):
    """Hidden layers that are shared get the sum of all policies' gradients."""
    logits = jnp.asarray(LOGITS, jnp.float32)
    learner, config = make_learner(share_hidden, 1e6, logits)
    weights = jnp.asarray(COEFFICIENTS, jnp.float32)
    after, psi, metrics = run(learner, config, logits, lambda p: METHOD.weights(p).T @ weights)

    alpha = scipy.special.softmax(LOGITS, axis=1)
    advantages, values = user_advantages(double(learner.critic))
    marginal = np.einsum("nk,nkm->km", alpha, advantages)
    scale = (marginal.mean(axis=1), marginal.std(axis=1))

    # Equation 8. The target of a feature is its advantage and its value.
    of_features = np.einsum("dn,nkm->kmd", np.linalg.pinv(COEFFICIENTS), advantages)
    targets = of_features + values
    before = double(learner.critic)

    def half_mean_square(arrays):
        return equation_8(arrays, targets) / (2 * M * D)

    assert_close(after.critic, stepped(before, slopes(half_mean_square, before), RATE), before)
    assert float(metrics["critic_loss"].sum()) == pytest.approx(half_mean_square(before), rel=1e-4)

    # Equation 9, and 12 in the same breath: the scale is a constant.
    actor = double(learner.actor)
    taken = log_probs_of(actor) - np.log(RATIOS)

    def of_actors(arrays):
        return equations_9_and_12(arrays, taken, alpha, advantages, scale)

    def of_logits(arrays):
        soft = scipy.special.softmax(arrays[0], axis=1)
        return equations_9_and_12(actor, taken, soft, advantages, scale)

    assert 0.2 < float(metrics["clip_fraction"].mean()) < 0.8
    assert_close(after.actor, stepped(actor, slopes(of_actors, actor), RATE), actor)
    expected = stepped([LOGITS], slopes(of_logits, [LOGITS.copy()]), ASSIGNMENT_RATE)
    assert_close(psi, expected, [LOGITS])


def test_gradients_are_clipped_but_those_of_the_logits_are_not():
    """Policies that share nothing: each actor's gradient by its own norm, each critic's too."""
    limit, logits = 0.05, jnp.asarray(LOGITS, jnp.float32)
    weights = jnp.asarray(COEFFICIENTS, jnp.float32)
    steps = {}
    for norm in (1e6, limit):
        learner, config = make_learner(False, norm, logits)
        after, psi, _ = run(learner, config, logits, lambda p: METHOD.weights(p).T @ weights)
        moved = [
            [new - old for new, old in zip(double(one), double(other), strict=True)]
            for one, other in ((after.actor, learner.actor), (after.critic, learner.critic))
        ]
        steps[norm] = (*moved, double(psi))
    np.testing.assert_array_equal(steps[1e6][2], steps[limit][2])
    for part in range(2):
        free, clipped = (
            np.concatenate([leaf.reshape(K, -1) for leaf in steps[norm][part]], axis=1)
            for norm in (1e6, limit)
        )
        norms = np.linalg.norm(free, axis=1, keepdims=True) * EPSILON / RATE
        assert (norms > 2 * limit).all()
        np.testing.assert_allclose(clipped, free * limit / norms, rtol=5e-3, atol=1e-6)


def test_hard_assignments_train_each_policy_for_the_sum_of_its_users():
    """Equation 9 with one-hot rows: users of the other policy change nothing."""
    learner, config = make_learner(False, 1e6, ())
    mix = jnp.asarray(ONE_HOT.T @ COEFFICIENTS, jnp.float32)
    after, _, _ = run(learner, config, (), lambda _: mix)
    advantages, _ = user_advantages(double(learner.critic))
    own = np.stack([advantages[[0, 3], 0].sum(axis=0), advantages[[1, 2], 1].sum(axis=0)])
    scale, before = (own.mean(axis=1), own.std(axis=1)), double(learner.actor)
    taken = log_probs_of(before) - np.log(RATIOS)

    def loss(arrays):
        return equations_9_and_12(arrays, taken, ONE_HOT, advantages, scale)

    assert_close(after.actor, stepped(before, slopes(loss, before), RATE), before)


def test_a_table_in_features_is_equation_10_for_every_user_and_equation_11_follows_it():
    """Two users want one feature each, a third one both; policy 0 earns (4, 0), then (0, 8)."""
    users = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    table, by_hand = ReturnTable.empty(2, 2), np.array([[4.0, 3.0], [0.0, 3.0], [4.0, 6.0]])
    batches = [[[4.0, 0.0], [3.0, 3.0]], [[0.0, 8.0], [3.0, 3.0]], [[0.0, 8.0], [3.0, 3.0]]]
    current = jnp.array([1, 0, 0])
    for number, returns in enumerate(batches):
        table = table.update(FinishedEpisodes(jnp.array(returns), jnp.ones(2, int)), 0.5)
        if number:
            by_hand = 0.5 * by_hand + 0.5 * users @ np.array(returns).T
        np.testing.assert_allclose(users @ np.asarray(table.mean).T, by_hand, rtol=1e-6)
        current = em.greedy(jnp.asarray(by_hand), current)
        # Means of policy 0: (4, 0), (2, 4), (1, 6). The third user ties at 6 and then gains.
        assert current.tolist() == [[0, 1, 1], [1, 0, 1], [1, 0, 0]][number]
