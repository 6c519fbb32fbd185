"""The task ``resource-gathering``: the grid, its users, and what suits the learner on it."""

from typing import Any

from handful.domains.resource_gathering.environment import (
    FULL_REWARD,
    ResourceGathering,
    tile_owners,
)
from handful.domains.resource_gathering.optimum import reachable, solve
from handful.problem import RMDP
from handful.types import Preset


def make_resource_gathering(**parameters: Any) -> RMDP:
    """Make the paper's task; the parameters are those of :class:`ResourceGathering`.

    The discount is 1: an episode is at most ``time_limit`` steps long and the reward itself falls
    with every step, so a discount would count time twice.
    """
    environment = ResourceGathering(**parameters)
    return RMDP(
        environment,
        tile_owners(environment),
        discount=1.0,
        return_scale=FULL_REWARD,
        learner_settings=_settings_by_budget,
        solver=solve,
        reachable=reachable,
        name="resource-gathering",
        parameters=parameters,
    )


def _settings_by_budget(num_policies: int, preset: Preset) -> dict[str, float]:
    """Return an entropy bonus that starts at 0.05 / K and falls to the paper's 0.001.

    The fewer the policies, the more tiles each must gather, and the more tours it has to choose
    among: with little entropy a single policy settles on one before it has seen better ones, and
    with much, policies that gather few tiles lose what they have found.

    A single policy's tours have 26 steps. ``fast`` has batches of 32, in which few of them lie
    whole, as episodes must to be remembered; here they have 64. With twice the learning rate of
    ``fast`` it finds the one best tour nearly always, rather than three times of four.
    """
    settings: dict[str, float] = {"entropy_coefficient": max(0.05 / num_policies, 0.001)}
    if num_policies == 1 and preset.is_fast:
        settings |= {"num_envs": 32, "learning_rate": 2e-3}
    return settings
