"""How many users may be drawn, and with which seeds, in every task that draws them."""

import pytest

from handful.domains import icu_sepsis
from handful.domains.glucose import task as glucose
from handful.domains.highway import sample_drivers
from handful.domains.market import task as market
from handful.domains.speeds.targets import sample_targets
from handful.envs.gym.problem import sample_weights
from handful.errors import HandfulError
from handful.users.draws import check_draw

DRAWS = [
    check_draw,
    lambda users, seed: glucose.make_glucose(users, seed),
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
