from functools import partial

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from handful.envs.gym.spaces import Choices, Flattener, Interval, read_action_space
from handful.errors import HandfulError
from tests.bundles import NESTED

FINITE = [
    (spaces.Discrete(4), 4),
    (spaces.Discrete(3, start=-1), 3),
    (spaces.MultiDiscrete([2, 3]), 6),
    (spaces.MultiDiscrete([[2, 2], [3, 1]], start=[[5, 6], [7, 8]]), 12),
    (spaces.MultiBinary(3), 8),
    (spaces.Box(-1, 1, (2,), np.int64), 9),
    (spaces.Box(0, 3, (), np.uint8), 4),
]


@pytest.mark.parametrize(("space", "count"), FINITE)
def test_every_combination_of_a_finite_space_is_an_action_of_its_own(space, count):
    actions = read_action_space(space)
    assert isinstance(actions, Choices)
    assert actions.count == count
    decoded = [actions.decode(np.int32(index)) for index in range(count)]
    assert all(space.contains(action) for action in decoded)
    assert len({np.asarray(action).tobytes() for action in decoded}) == count


def test_a_box_is_seen_from_minus_one_to_one_and_unbounded_entries_as_they_are():
    low = np.array([[0.0, -2.0], [-np.inf, 5.0]], np.float32)
    high = np.array([[10.0, 2.0], [np.inf, np.inf]], np.float32)
    actions = read_action_space(spaces.Box(low, high))
    assert isinstance(actions, Interval)
    assert actions.low == (-1.0, -1.0, -np.inf, 5.0)
    assert actions.high == (1.0, 1.0, np.inf, np.inf)
    decoded = actions.decode(np.array([-1.0, 0.5, 3.5, 6.0], np.float32))
    np.testing.assert_allclose(decoded, [[0.0, 1.0], [3.5, 6.0]])
    assert decoded.dtype == np.float32


@given(
    low=st.floats(-1e6, 1e6, width=32),
    width=st.floats(0.015625, 1e6, width=32),
    action=st.floats(-1, 1, width=32),
)
def test_a_decoded_action_is_always_inside_the_box(low, width, action):
    space = spaces.Box(np.float32(low), np.float32(low) + np.float32(width), (1,), np.float32)
    if not (space.low < space.high).all():
        return
    assert space.contains(read_action_space(space).decode(np.array([action], np.float32)))


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (spaces.Text(3), "cannot act in a Text space"),
        (spaces.Dict({"a": spaces.Discrete(2)}), "cannot act in a Dict space"),
        (spaces.MultiDiscrete([100, 100]), r"100 x 100 combinations.* at most 1,024"),
        (spaces.Box(0, 2**40, (1,), np.int64), "combinations"),
        (spaces.Box(1.0, 1.0, (2,)), "Entry 0 .* cannot vary"),
        (spaces.Box(0, 1, (0,)), "without entries"),
    ],
)
def test_what_cannot_be_acted_in_is_refused_with_a_reason(space, sentence):
    with pytest.raises(HandfulError, match=sentence):
        read_action_space(space)


OBSERVATIONS = [
    spaces.Box(0, 255, (2, 3), np.uint8),
    spaces.Box(-1, 1, (4,), np.float64),
    spaces.Discrete(5, start=2),
    spaces.MultiBinary([2, 2]),
    spaces.MultiDiscrete([2, 3]),
    spaces.Dict({"b": spaces.Discrete(2), "a": spaces.Box(-1, 1, (2,))}),
    spaces.Tuple([spaces.Discrete(3), spaces.Tuple([spaces.Box(-1, 1, ())])]),
]


@pytest.mark.parametrize("space", OBSERVATIONS)
def test_observations_become_what_gymnasium_flattens_them_to(space):
    space.seed(0)
    flattener = Flattener(space)
    for _ in range(5):
        observation = space.sample()
        expected = gymnasium.spaces.flatten(space, observation)
        np.testing.assert_allclose(flattener(observation), expected, rtol=1e-6)
        assert flattener(observation).shape == (flattener.size,)
        assert flattener(observation).dtype == np.float32


@pytest.mark.parametrize("space", [*OBSERVATIONS, NESTED])
def test_vectors_become_the_observations_that_they_were_made_from(space):
    space.seed(0)
    flattener, each = Flattener(space), [space.sample() for _ in range(4)]
    found = flattener.originals(np.stack([flattener(one) for one in each]))
    for row, observation in enumerate(each):
        again = jax.tree.map(lambda leaf, row=row: leaf[row], found)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), again, observation)


def test_an_offset_is_added_to_vectors_again():
    flattener = Flattener(spaces.Box(0, 1e9, (2,), np.float64), {1: 1e8})
    vectors = np.stack([flattener(np.array([3.0, 1e8 + 5.0]))])
    np.testing.assert_array_equal(flattener.originals(vectors), [[3.0, 1e8 + 5.0]])


def test_an_observation_of_another_shape_is_refused():
    with pytest.raises(HandfulError, match=r"of shape \[3\], but its observation space is Box"):
        Flattener(spaces.Box(-1, 1, (4,)))(np.zeros(3))
    with pytest.raises(HandfulError, match="does not fit its observation space"):
        Flattener(spaces.Dict({"a": spaces.Discrete(2)}))({"b": 1})
    with pytest.raises(HandfulError, match="no fixed length"):
        Flattener(spaces.Sequence(spaces.Discrete(2)))


def test_a_part_of_a_box_is_seen_from_minus_one_to_one():
    space = spaces.Box(np.float32([0, -5]), np.float32([3200, 5]), dtype=np.float32)
    actions = read_action_space(space, [[0, 40], None])
    assert (actions.low, actions.high) == ((-1.0, -1.0), (1.0, 1.0))
    np.testing.assert_allclose(actions.decode([-1.0, -1.0]), [0.0, -5.0])
    np.testing.assert_allclose(actions.decode([1.0, 1.0]), [40.0, 5.0])
    np.testing.assert_allclose(actions.decode([9.0, 0.0]), [40.0, 0.0])
    whole = read_action_space(spaces.Box(0.0, 3200.0, (2, 2)), [0, 40])
    np.testing.assert_allclose(whole.decode(np.zeros(4)), np.full((2, 2), 20.0))


def test_a_part_of_whole_numbers_and_of_unbounded_ones():
    assert read_action_space(spaces.Box(0, 3200, (1,), np.int64), [10, 12]).count == 3
    unbounded = read_action_space(spaces.Box(-np.inf, np.inf, (1,)), [-2, 6])
    np.testing.assert_allclose(unbounded.decode([0.0]), [2.0])


@pytest.mark.parametrize(
    ("space", "action_range", "sentence"),
    [
        (spaces.Discrete(3), [0, 1], "narrows actions that are a Box"),
        (spaces.Box(0.0, 1.0, (1,)), [0, 2], "asks for 0 to 2 in entry 0 .* takes 0 to 1 there"),
        (spaces.Box(0.0, 1.0, (1,)), [1, 0], "a lower and a higher number"),
        (spaces.Box(0.0, 1.0, (2,)), [[0, 1]], "for each of its 2 entries"),
        (spaces.Box(0.0, 1.0, (2,)), ["a", "b"], "for each of its 2 entries"),
    ],
)
def test_parts_that_do_not_fit(space, action_range, sentence):
    with pytest.raises(HandfulError, match=sentence):
        read_action_space(space, action_range)
