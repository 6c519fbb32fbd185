"""A look at rewards: which problems a universal policy explores."""

import numpy as np
import pytest

import handful
from handful.training.universal.rewards import shows_rare_rewards
from tests.environments import ContextualBandit, problem_of
from tests.training.universal.test_exploring import Ledge

USERS = handful.Population(np.array([[1.0, 1.0], [1.0, 0.5]]))


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (handful.RMDP(Ledge(), USERS, discount=0.99), True),
        (problem_of(ContextualBandit()), False),
        (handful.make("market", users=2), False),
        (handful.make("glide", users=2), False),
    ],
    ids=[
        "a prize far away",
        "half of the actions pay",
        "features that vary",
        "outcomes that have names",
    ],
)
def test_which_problems_show_rare_rewards(problem, expected):
    assert shows_rare_rewards(problem) is expected
