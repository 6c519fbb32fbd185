"""How many users may be drawn, and with which seeds, in every task that draws them."""

import pytest

from handful.draws import check_draw
from handful.envs import glucose_users, icu_sepsis, market
from handful.envs.gym.highway import sample_drivers
from handful.envs.gym.users import sample_weights
from handful.envs.mujoco.targets import sample_targets
from handful.errors import HandfulError

DRAWS = [
    check_draw,
    lambda users, seed: glucose_users.make_glucose(users, seed),
    lambda users, seed: icu_sepsis.sample_users(users, seed),
    lambda users, seed: market.make_market(users, seed),
    lambda users, seed: sample_drivers(users, seed),
    lambda users, seed: sample_weights(users, 2, seed),
    lambda users, seed: sample_targets(users, 4.0, seed),
]


@pytest.mark.parametrize("draw", DRAWS)
def test_no_users_and_negative_seeds_are_refused(draw):
    draw(1, 0)
    with pytest.raises(HandfulError, match="A population needs at least one user, not 0"):
        draw(0, 0)
    with pytest.raises(HandfulError, match="The population's seed must be 0 or more, not -1"):
        draw(1, -1)
