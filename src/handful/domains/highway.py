"""Highway: a simulator that one did not write (highway-env), for drivers who want different things.

A car drives for a while on a road of three lanes among slower ones; once a second it goes faster
or slower, changes lane, or stays as it is. The features of a second are highway-env's own: how fast
the car is (0 at 20 m/s or less, 1 at 30 m/s or more), how far to the right its lane is (0 to 1),
and whether it crashed (0 or 1), which ends the episode.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from handful._support.installing import install_command
from handful.envs.gym.problem import open_environment, pose
from handful.errors import HandfulError
from handful.problem import RMDP
from handful.types import NumpyArray, Preset
from handful.users.draws import check_draw

FEATURES = ("rewards.high_speed_reward", "rewards.right_lane_reward", "rewards.collision_reward")

CRASH_COST = (1.0, 10.0)
"""The cost of a crash to the least and the most careful driver, in seconds of perfect driving."""

DISCOUNT = 0.95


def sample_drivers(num_users: int, seed: int) -> NumpyArray:
    """Draw drivers, as weights [N, 3] of speed, lane and crash.

    A driver splits 1 between speed and the right lane, uniformly (highway-env's own reward gives
    0.8 of it to speed), and fears a crash with a cost between 1 and 10, uniform in its logarithm
    (highway-env: 2).

    Raises:
        HandfulError: if there are no users, or the seed is negative.
    """
    check_draw(num_users, seed)
    rng = np.random.default_rng(seed)
    speed = rng.uniform(size=num_users)
    crash = np.exp(rng.uniform(*np.log(CRASH_COST), size=num_users))
    return np.stack([speed, 1.0 - speed, -crash], axis=1)


def make_highway(**parameters: Any) -> RMDP:
    """Make the task; the parameters are those of :func:`highway_task`."""
    return replace(highway_task(**parameters), name="highway", parameters=parameters)


def highway_task(
    *,
    users: int = 100,
    population_seed: int = 0,
    population: Any = None,
    weights: Sequence[Sequence[float]] | None = None,
    user_ids: Sequence[str] = (),
    vehicles: int = 10,
    duration: int = 20,
    processes: int | None = None,
) -> RMDP:
    """Make the problem of a road and its drivers.

    Args:
        users: how many to draw, as :func:`sample_drivers` says.
        population_seed: the seed of the draw of the users.
        population: a table of users instead, with a column for each of the features:
            rewards.high_speed_reward, rewards.right_lane_reward, rewards.collision_reward.
        weights: an array of users instead, [N, 3]: of speed, lane and crash.
        user_ids: their names, if ``weights`` are given.
        vehicles: other cars; the simulator's time grows with them.
        duration: the length of an episode in seconds, each of which is a step.
        processes: the number of processes that step the simulator; by default one for each core.

    Raises:
        HandfulError: if highway-env is not installed, or something does not fit.
    """
    try:
        import highway_env  # noqa: F401
    except ImportError:
        raise HandfulError(
            f"The task 'highway' needs highway-env: {install_command('highway')}."
        ) from None
    for name, value in (("vehicles", vehicles), ("duration", duration)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise HandfulError(f"{name} must be a whole number from 1, not {value!r}.")
    environment = open_environment(
        "highway-fast-v0",
        FEATURES,
        time_limit=duration,
        processes=processes,
        options={"config": {"vehicles_count": vehicles, "duration": duration}},
        registry="highway_env",
    )
    if population is None and weights is None:
        population = sample_drivers(users, population_seed)
    elif population is None:
        population = weights
    problem = pose(environment, population, DISCOUNT, return_scale=None, user_ids=user_ids)
    return replace(problem, learner_settings=_learner_settings, method_settings=_method_settings)


def _learner_settings(num_policies: int, preset: Preset) -> dict[str, Any]:
    """Take small batches and large steps, as a simulator this slow gives few transitions."""
    del num_policies, preset
    return {
        "num_envs": 8,
        "batch_size": 256,
        "minibatch_size": 64,
        "num_epochs": 10,
        "learning_rate": 1e-3,
    }


def _method_settings(method: str, preset: Preset) -> dict[str, Any]:
    """Give ``em`` a warm-up of four of the small batches."""
    del preset
    return {"warm_up": 4} if method == "em" else {}
