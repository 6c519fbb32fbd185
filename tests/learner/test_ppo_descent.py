import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.learner.losses import clip_gradients
from handful.learner.networks import Layer, NetworkStack


def stack_of(*weights, biases):
    hidden = Layer(jnp.asarray(weights[0]), jnp.asarray(biases[0]))
    return NetworkStack((hidden,), Layer(jnp.asarray(weights[1]), jnp.asarray(biases[1])))


def norms(gradients):
    leaves = [np.asarray(leaf).reshape(2, -1) for leaf in jax.tree.leaves(gradients)]
    return np.linalg.norm(np.concatenate(leaves, axis=1), axis=1)


def test_gradients_of_separate_networks_are_clipped_policy_by_policy():
    ones = np.ones((2, 1, 1))
    scale = np.array([3.0, 0.01]).reshape(2, 1, 1)
    gradients = stack_of(ones * scale, ones * scale, biases=(ones * scale, ones * scale))
    np.testing.assert_allclose(norms(gradients), [6.0, 0.02])
    clipped = clip_gradients(gradients, 0.5)
    np.testing.assert_allclose(norms(clipped), [0.5, 0.02], rtol=1e-5)
    np.testing.assert_allclose(clipped.hidden[0].weight[0], 0.25, rtol=1e-5)


@pytest.mark.parametrize(("size", "factor"), [(3.0, 0.5 * 2**0.5 / (3 * 6**0.5)), (0.1, 1.0)])
def test_gradients_of_shared_networks_are_clipped_together(size, factor):
    """To the norm times the square root of the number of policies: 6 equal entries, 2 policies."""
    own = np.full((2, 1, 1), size)
    shared = (np.full((1, 1), size), np.full(1, size))
    gradients = stack_of(shared[0], own, biases=(shared[1], own))
    clipped = clip_gradients(gradients, 0.5)
    for before, after in zip(*map(jax.tree.leaves, (gradients, clipped)), strict=True):
        np.testing.assert_allclose(after, before * factor, rtol=1e-5)
