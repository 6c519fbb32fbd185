"""How far from the best possible: the optimum, or an upper bound on it, of a problem."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from handful.envs.mujoco.targets import SpeedReward
from handful.envs.resource_gathering import ResourceGathering
from handful.errors import HandfulError
from handful.evaluation.tabular import tabular_rmdp
from handful.exact.optimum import Optimum
from handful.exact.search import tabular_optimum
from handful.exact.tabular import TabularRMDP
from handful.exact.tours import resource_gathering_optimum
from handful.exact.velocities import velocity_bound
from handful.population import Population
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
    def percent(self) -> float | None:
        """The welfare in percent of the optimum; None where that is not positive."""
        best = self.optimum.welfare
        return 100.0 * self.welfare / best if best > 0 else None


def optimum(problem: RMDP, num_policies: int) -> Optimum:
    """The highest welfare that any ``num_policies`` policies can reach, with its proof.

    Raises:
        HandfulError: if the budget does not fit the population, or nothing is known of a problem
            of this kind.
    """
    problem.check_budget(num_policies)
    solver = _solver(problem)
    if solver is None:
        raise HandfulError(
            f"Neither an exact optimum nor a bound is known for the problem '{problem.name}'."
        )
    try:
        return solver(num_policies)
    except (ValueError, RuntimeError) as error:  # solvers know nothing of our own exception
        raise HandfulError(str(error)) from None


def measure_gap(problem: RMDP, num_policies: int, welfare: float) -> Gap | None:
    """The gap of a measured welfare, or None where no optimum or bound can be had."""
    try:
        return Gap(welfare, optimum(problem, num_policies))
    except HandfulError:  # a problem of another kind, or too large to solve
        return None


def _solver(problem: RMDP) -> Callable[[int], Optimum] | None:
    """What answers for a problem, given the number of policies; None where nothing does."""
    environment = problem.environment
    # A problem that the caller put together may pair the grid with other users.
    if isinstance(environment, ResourceGathering) and problem.name != "custom":
        return partial(_resource_gathering, environment)
    rmdp = tabular_rmdp(problem)
    if rmdp is not None:
        return partial(_tabular, problem, rmdp)
    reward = _speed_reward(problem.population)
    if reward is not None:
        # Rewards are never negative, so no episode of any environment earns more than its longest.
        height = reward.peak * environment.time_limit
        return partial(velocity_bound, reward.targets, reward.half_width, height)
    return None


def _tabular(problem: RMDP, rmdp: TabularRMDP, num_policies: int) -> Optimum:
    best = tabular_optimum(rmdp, num_policies)
    if rmdp.horizon is None or getattr(problem.environment, "observe_time", False):
        return best
    blind = (
        f"The time limit of {rmdp.horizon} steps cuts episodes and the policies do not see the "
        f"time; this is what policies that see it could reach. {best.explanation}"
    )
    return replace(best, kind="upper bound", explanation=blind, attained=None)


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


def _resource_gathering(environment: ResourceGathering, num_policies: int) -> Optimum:
    return resource_gathering_optimum(
        height=environment.height,
        width=environment.width,
        start=environment.start,  # type: ignore[arg-type]
        blocked=environment.blocked,
        time_limit=environment.time_limit,
        num_policies=num_policies,
    )
