"""Resource Gathering: the best tours, exactly."""

from collections.abc import Callable
from functools import partial

from handful.envs.resource_gathering import ResourceGathering
from handful.exact.optimum import Optimum
from handful.exact.tours import resource_gathering_optimum
from handful.problem import RMDP


def solver(problem: RMDP) -> Callable[[int], Optimum] | None:
    """The exact solver; None of another problem."""
    environment = problem.environment
    # A problem that the caller put together may pair the grid with other users.
    if not isinstance(environment, ResourceGathering) or problem.name == "custom":
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
