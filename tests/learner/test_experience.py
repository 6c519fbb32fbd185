"""Counts of a batch written down by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from handful.learner.experience import Experience, symbols
from handful.transitions import Transitions

S, A, D = 3, 2, 2


def observed(numbers):
    """[K, T, B] numbers as observations."""
    return jnp.asarray(numbers, jnp.float32)[..., None] / S


def batch():
    """Two policies, three steps of one environment each.

    Policy 0: 0 -a1-> 1 -a0-> end; then from 2 -a0-> 0, cut. Policy 1: 1 -a1-> 1 -a1-> 1 -a1-> end.
    """
    terminated = [[False, True, False], [False, False, True]]
    return Transitions(
        observations=observed([[[0], [1], [2]], [[1], [1], [1]]]),
        actions=jnp.array([[[1], [0], [0]], [[1], [1], [1]]]),
        log_probs=jnp.zeros((2, 3, 1)),
        features=jnp.array([[[[1, 0]], [[0, 2]], [[5, 5]]], [[[1, 1]]] * 3], jnp.float32),
        next_observations=observed([[[1], [0], [0]], [[1], [1], [0]]]),
        terminated=jnp.array(terminated)[..., None],
        truncated=jnp.array([[False, False, True], [False] * 3])[..., None],
    )


def test_a_batch_is_counted_over_all_policies():
    seen = Experience.empty(S, A, D).begin(observed([[0, 2], [2, 2]])).add(batch())
    np.testing.assert_array_equal(seen.visits, [[0, 1], [1, 3], [1, 0]])
    followed = np.zeros((S, A, S))
    followed[0, 1, 1] = 1  # the end of an episode is followed by nothing
    followed[1, 1, 1] = 2
    followed[2, 0, 0] = 1  # a cut one goes on
    np.testing.assert_array_equal(seen.followed, followed)
    features = np.zeros((S, A, D))
    features[0, 1], features[1, 0], features[2, 0], features[1, 1] = [1, 0], [0, 2], [5, 5], [3, 3]
    np.testing.assert_array_equal(seen.features, features)
    # Four began before the batch, three of them in 2; and one within it, in 2.
    np.testing.assert_array_equal(seen.starts, [1, 0, 4])


def test_batches_add_up():
    once = Experience.empty(S, A, D).add(batch())
    twice = once.add(batch())
    np.testing.assert_array_equal(twice.visits, 2 * once.visits)
    np.testing.assert_array_equal(twice.followed, 2 * once.followed)
    np.testing.assert_array_equal(twice.features, 2 * once.features)


def test_the_order_of_policies_does_not_matter():
    one = Experience.empty(S, A, D).add(batch())
    other = Experience.empty(S, A, D).add(jax.tree.map(lambda leaf: leaf[::-1], batch()))
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(left, right)


def test_numbers_survive_being_divided():
    numbers = jnp.arange(10_007)
    np.testing.assert_array_equal(symbols((numbers / 10_007)[:, None], 10_007), numbers)
