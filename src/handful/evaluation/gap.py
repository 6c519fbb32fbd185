"""How far from the best possible: the optimum, or an upper bound on it, of a problem."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from handful.envs.resource_gathering import ResourceGathering
from handful.errors import HandfulError
from handful.exact.optimum import Optimum, resource_gathering_optimum
from handful.problem import RMDP


@dataclass(frozen=True)
class Gap:
    """A welfare beside the best that any ``K`` policies can reach.

    Attributes:
        welfare: what was measured.
        optimum: the best possible, or an upper bound on it.
    """

    welfare: float
    optimum: Optimum

    @property
    def percent(self) -> float:
        """The welfare in percent of the optimum."""
        return 100.0 * self.welfare / self.optimum.welfare


def optimum(problem: RMDP, num_policies: int) -> Optimum:
    """The highest welfare that any ``num_policies`` policies can reach, with its proof.

    Raises:
        HandfulError: if the budget does not fit the population, or nothing is known of a problem
            of this kind.
    """
    problem.check_budget(num_policies)
    if not has_optimum(problem):
        raise HandfulError(
            f"Neither an exact optimum nor a bound is known for the problem '{problem.name}'."
        )
    try:
        return _SOLVERS[type(problem.environment)](problem.environment, num_policies)
    except ValueError as error:  # the solvers know nothing of our own exception
        raise HandfulError(str(error)) from None


def measure_gap(problem: RMDP, num_policies: int, welfare: float) -> Gap | None:
    """The gap of a measured welfare, or None where no optimum or bound can be had."""
    try:
        return Gap(welfare, optimum(problem, num_policies))
    except HandfulError:  # a problem of another kind, or too large to solve
        return None


def has_optimum(problem: RMDP) -> bool:
    """Whether :func:`optimum` has an answer for problems of this kind.

    A problem that the caller put together may pair a known environment with other users.
    """
    return type(problem.environment) in _SOLVERS and problem.name != "custom"


def _resource_gathering(environment: ResourceGathering, num_policies: int) -> Optimum:
    return resource_gathering_optimum(
        height=environment.height,
        width=environment.width,
        start=environment.start,  # type: ignore[arg-type]
        blocked=environment.blocked,
        time_limit=environment.time_limit,
        num_policies=num_policies,
    )


_SOLVERS: dict[type, Callable[[Any, int], Optimum]] = {ResourceGathering: _resource_gathering}
