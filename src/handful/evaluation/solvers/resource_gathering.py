"""Resource Gathering: the best tours, exactly."""

from collections.abc import Callable
from functools import partial

import numpy as np

from handful.envs.resource_gathering import ResourceGathering, TileRewards
from handful.exact.optimum import Optimum
from handful.exact.tours import resource_gathering_optimum
from handful.problem import RMDP


def solver(problem: RMDP) -> Callable[[int], Optimum] | None:
    """The exact solver, where the users are the tiles' owners; None of another problem."""
    environment, population = problem.environment, problem.population
    if (
        not isinstance(environment, ResourceGathering)
        or population.features != TileRewards(environment.open_cells)
        or population.reward_fn is not None
        or not np.array_equal(population.coefficients, np.eye(len(environment.open_cells)))
    ):
        return None
    return partial(_solve, environment)


def _solve(environment: ResourceGathering, num_policies: int) -> Optimum:
    return resource_gathering_optimum(
        height=environment.height,
        width=environment.width,
        start=environment.start,  # type: ignore[arg-type]
        blocked=environment.blocked,
        time_limit=environment.time_limit,
        num_policies=num_policies,
    )
