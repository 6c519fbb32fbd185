import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.errors import HandfulError
from handful.learner.replay import Replay, check_size
from handful.transitions import Transitions

K, T, B = 2, 1, 3
FINITE = Discrete(4)


def batch_of(first, space=FINITE):
    """Six transitions whose numbers begin at ``first``; the number is in every array."""
    numbers = first + jnp.arange(K * T * B, dtype=jnp.float32).reshape(K, T, B)
    actions = numbers.astype(jnp.int32) if isinstance(space, Discrete) else numbers[..., None]
    return Transitions(
        observations=jnp.stack([numbers, 10 * numbers], axis=-1),
        actions=actions,
        log_probs=numbers,
        features=jnp.stack([numbers, -numbers], axis=-1),
        next_observations=jnp.stack([numbers + 0.5, 10 * numbers], axis=-1),
        terminated=numbers % 2 == 0,
        truncated=numbers % 2 == 1,
    )


def numbers_in(replay):
    return replay.stored.observations[:, 0].tolist()


@pytest.mark.parametrize("space", [FINITE, Box((-1.0,), (99.0,))])
def test_a_transition_comes_back_whole(space):
    replay = Replay.empty(10, 2, space, 2).add(batch_of(1, space))
    assert int(replay.size) == 6
    taken = replay.take(jnp.array([2, 3]))
    np.testing.assert_array_equal(taken.observations, [[3, 30], [4, 40]])
    np.testing.assert_array_equal(taken.actions.ravel(), [3, 4])
    np.testing.assert_array_equal(taken.features, [[3, -3], [4, -4]])
    np.testing.assert_array_equal(taken.next_observations, [[3.5, 30], [4.5, 40]])
    # An episode that is cut goes on as far as learning is concerned.
    np.testing.assert_array_equal(taken.terminated, [False, True])


def test_the_newest_takes_the_place_of_the_oldest():
    replay = Replay.empty(10, 2, FINITE, 2)
    for first in (1, 7):
        replay = replay.add(batch_of(first))
    assert numbers_in(replay) == [11, 12, 3, 4, 5, 6, 7, 8, 9, 10]
    assert int(replay.size) == 10
    for first in (13, 19, 25, 31):
        replay = replay.add(batch_of(first))
    assert sorted(numbers_in(replay)) == list(range(27, 37))
    assert int(replay.size) == 10


def test_of_a_batch_that_is_too_large_the_end_stays():
    replay = Replay.empty(4, 2, FINITE, 2).add(batch_of(1))
    assert sorted(numbers_in(replay)) == [3, 4, 5, 6]


def test_the_count_of_a_long_run_does_not_overflow():
    replay = Replay.empty(4, 2, FINITE, 2)
    add = jax.jit(lambda replay: replay.add(batch_of(1)))
    for _ in range(20):
        replay = add(replay)
        assert int(replay.size) == 4
        assert int(replay.added) < 12


def test_a_buffer_that_no_memory_holds_is_refused():
    space = Box((-1.0,) * 6, (1.0,) * 6)
    check_size(300_000, 17, space, 100)
    with pytest.raises(HandfulError, match=r"of 100,000,000 transitions .* would take 5\d\.\d GiB"):
        check_size(100_000_000, 17, space, 100)
    with pytest.raises(HandfulError, match="setting capacity to at most 15311826"):
        check_size(100_000_000, 17, space, 100)
