import jax.numpy as jnp
import numpy as np
import pytest

from handful.domains.resource_gathering.environment import ResourceGathering
from handful.environment import Box, Discrete, Environment
from handful.errors import HandfulError
from tests.environments import ContextualBandit, Countdown, Push, TwoRooms


def test_box_clips_each_dimension_to_its_own_bounds():
    box = Box(low=(-1.0, 0.0), high=(1.0, 5.0))
    clipped = box.clip(jnp.array([[-2.0, -2.0], [0.5, 6.0]]))
    np.testing.assert_array_equal(clipped, [[-1.0, 0.0], [0.5, 5.0]])
    assert box.size == 2


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        ((0.0,), (1.0, 2.0), "same length"),
        ((), (), "at least 1"),
        ((0.0, 1.0), (1.0, 1.0), "must be below"),
        ((float("nan"),), (1.0,), "must be below"),
    ],
)
def test_box_without_an_inside_is_refused(low, high, sentence):
    with pytest.raises(HandfulError, match=sentence):
        Box(low, high)


def test_discrete_space_without_actions_is_refused():
    with pytest.raises(HandfulError, match="at least one action"):
        Discrete(0)


@pytest.mark.parametrize(
    "environment",
    [ResourceGathering(), ContextualBandit(), Countdown(2, True), TwoRooms(), Push()],
    ids=lambda environment: type(environment).__name__,
)
def test_environments_are_hashable_and_follow_the_protocol(environment):
    assert isinstance(environment, Environment)
    assert hash(environment) == hash(type(environment)(**vars(environment)))
