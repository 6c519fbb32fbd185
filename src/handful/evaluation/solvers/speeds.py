"""Users who each want a velocity: the best constant velocities bound what policies earn them."""

from collections.abc import Callable
from functools import partial

import numpy as np

from handful.envs.mujoco.targets import SpeedReward
from handful.exact.optimum import Optimum
from handful.exact.velocities import velocity_bound
from handful.population import Population
from handful.problem import RMDP


def solver(problem: RMDP) -> Callable[[int], Optimum] | None:
    """The solver for users who want velocities; None of others."""
    reward = _speed_reward(problem.population)
    if reward is None:
        return None
    # Rewards are never negative, so no episode of any environment earns more than its longest.
    height = reward.peak * problem.environment.time_limit
    return partial(velocity_bound, reward.targets, reward.half_width, height)


def _speed_reward(population: Population) -> SpeedReward | None:
    """The users' exact rewards, where each of them wants a velocity."""
    if isinstance(population.reward_fn, SpeedReward):
        return population.reward_fn
    if population.reward_fn is None and isinstance(population.features, SpeedReward):
        # A caller may give other users mixtures of these rewards: nothing is known of them.
        identity = np.eye(len(population.features.targets))
        if np.array_equal(population.coefficients, identity):
            return population.features
    return None
