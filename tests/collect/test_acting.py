import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.acting import NOISE_STEPS, Chooser
from handful.environment import Box, Discrete
from handful.learner.distributions import Categorical, Gaussian
from tests.host_environments import FixedPolicies

K, B, STEPS = 2, 4, 5
BOX = Box((-1.0,), (1.0,))


class FixedLogits:
    log_std = None
    is_squashed = False
    logits = np.float32([[0.0, 1.0, 2.0], [3.0, 0.0, -3.0]])

    def __call__(self, observations):
        return np.broadcast_to(self.logits[:, None], (*observations.shape[:2], 3))


def choices(policies, space, keys, num_steps=STEPS, envs=B):
    choose = Chooser(policies, space, keys, (K, envs), num_steps)
    observations = np.zeros((K, envs, 3), np.float32)
    return [choose(observations) for _ in range(num_steps)], choose.keys


def keys(seed=0):
    return jax.random.split(jax.random.key(seed), K)


def test_normal_actions_are_clipped_for_the_environment_and_not_for_learning():
    steps, _ = choices(FixedPolicies([-0.9, 0.9], 0.0), BOX, keys())
    raw, actions, log_probs = (np.stack(leaf) for leaf in zip(*steps, strict=True))
    assert raw.shape == actions.shape == (STEPS, K, B, 1)
    assert (np.abs(raw) > 1).any()
    np.testing.assert_array_equal(actions, np.clip(raw, -1, 1))
    means = jnp.broadcast_to(jnp.array([-0.9, 0.9])[None, :, None, None], raw.shape)
    expected = Gaussian(means, jnp.zeros_like(means)).log_prob(jnp.asarray(raw))
    np.testing.assert_allclose(log_probs, expected, rtol=1e-5)


def test_normal_actions_have_the_mean_and_the_spread():
    steps, _ = choices(FixedPolicies([-0.9, 0.9], -1.0), BOX, keys(), num_steps=300, envs=50)
    raw = np.stack([step.raw for step in steps])
    np.testing.assert_allclose(raw.mean(axis=(0, 2, 3)), [-0.9, 0.9], atol=0.01)
    np.testing.assert_allclose(raw.std(axis=(0, 2, 3)), np.exp(-1.0), rtol=0.02)


def test_discrete_actions_come_as_often_as_the_logits_say():
    steps, _ = choices(FixedLogits(), Discrete(3), keys(), num_steps=300, envs=50)
    raw = np.stack([step.raw for step in steps])
    assert raw.dtype == np.int32
    probabilities = np.exp(FixedLogits.logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    for policy in range(K):
        shares = np.bincount(raw[:, policy].ravel(), minlength=3) / raw[:, policy].size
        np.testing.assert_allclose(shares, probabilities[policy], atol=0.015)
    logits = jnp.asarray(FixedLogits.logits)[:, None] * jnp.ones((K, 50, 3))
    expected = Categorical(logits).log_prob(jnp.asarray(raw[7]))
    np.testing.assert_allclose(steps[7].log_probs, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("policies", "space", "likeliest"),
    [(FixedPolicies([-0.4, 1.4], -1.0), BOX, [-0.4, 1.4]), (FixedLogits(), Discrete(3), [2, 0])],
)
def test_without_chance_the_likeliest_action_is_taken(policies, space, likeliest):
    steps, after = choices(policies, space, None)
    assert after is None
    for step in steps:
        np.testing.assert_allclose(step.raw.reshape(K, B), np.float32([likeliest] * B).T)
        np.testing.assert_array_equal(step.log_probs, 0.0)


def test_noise_never_repeats_across_its_blocks_nor_from_call_to_call():
    policies = FixedPolicies([0.0, 0.0], 0.0)
    steps, after = choices(policies, BOX, keys(), num_steps=2 * NOISE_STEPS + 3)
    more, _ = choices(policies, BOX, after)
    values = np.concatenate([step.raw.ravel() for step in (*steps, *more)])
    assert len(np.unique(values)) > 0.99 * values.size  # two of 4,000 may be equal by chance
    again, _ = choices(policies, BOX, keys(), num_steps=2 * NOISE_STEPS + 3)
    np.testing.assert_array_equal(steps[-1].raw, again[-1].raw)


def test_a_policys_chance_is_that_of_its_key_alone():
    policies = FixedPolicies([0.0, 0.0], 0.0)
    (one, *_), _ = choices(policies, BOX, keys())
    (swapped, *_), _ = choices(policies, BOX, keys()[::-1])
    np.testing.assert_array_equal(one.raw, swapped.raw[::-1])
