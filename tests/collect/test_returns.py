import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.returns import Discounted, FinishedEpisodes, Running, advance

DISCOUNT = 0.5


def play(features, ended, counted=None, discounted=True):
    """One policy, one environment, one feature: what is finished and what is running after it."""
    kept = Discounted.start((1, 1, 1)) if discounted else None
    running = Running(jnp.zeros((1, 1, 1)), kept)
    finished = FinishedEpisodes.none_yet(running)
    counted = ended if counted is None else counted
    for feature, end, count in zip(features, ended, counted, strict=True):
        running, finished = advance(
            running,
            finished,
            jnp.full((1, 1, 1), float(feature)),
            jnp.array([[end]]),
            jnp.array([[count]]),
            DISCOUNT,
        )
    return running, finished


def test_episodes_are_summed_with_and_without_discount():
    """Two episodes: 1, 2, 4 and 8, 16; and one that still runs."""
    ends = [False, False, True, False, True, False, False]
    running, finished = play([1.0, 2, 4, 8, 16, 32, 64], ends)
    assert finished.count.tolist() == [2]
    assert finished.total_return.tolist() == [[7 + 24]]
    assert finished.discounted_return.tolist() == [[(1 + 1 + 1) + (8 + 8)]]
    assert running.episode_return.item() == 96
    assert running.discounted.episode_return.item() == 32 + 32
    assert running.discounted.weight.item() == DISCOUNT**2


def test_an_end_that_does_not_count_leaves_nothing():
    running, finished = play([1.0, 2, 4], [False, True, True], [False, False, True])
    assert finished.count.tolist() == [1]
    assert finished.total_return.tolist() == [[4]]
    assert finished.discounted_return.tolist() == [[4]]
    assert running.discounted.weight.item() == 1


def test_without_a_request_there_is_no_discounted_return():
    running, finished = play([1.0, 2], [False, True], discounted=False)
    assert finished.total_return.tolist() == [[3]]
    assert finished.discounted_return is None
    assert running.discounted is None


@pytest.mark.parametrize("size", [(2, 3, 4)])
def test_nothing_finished_yet(size):
    running = Running(jnp.ones(size), Discounted.start(size))
    finished = FinishedEpisodes.none_yet(running)
    np.testing.assert_array_equal(finished.total_return, np.zeros((2, 4)))
    np.testing.assert_array_equal(finished.discounted_return, np.zeros((2, 4)))
    assert finished.count.tolist() == [0, 0]
