"""How far from the best possible: the optimum, or an upper bound on it, of a problem."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from handful.envs.glucose import USUAL_LEVEL, ArtificialPancreas
from handful.envs.glucose_users import FULL_RETURN, GlucoseFeatures
from handful.envs.market import FundFeatures, Market, best_shares, can_hold, sharpe_and_taste
from handful.envs.mujoco.targets import SpeedReward
from handful.envs.resource_gathering import ResourceGathering
from handful.errors import HandfulError
from handful.exact.constants import constant_bound
from handful.exact.funds import FundMarket, best_funds
from handful.exact.optimum import Optimum
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
    solver = _solver(problem)
    if solver is None:
        raise HandfulError(
            f"Neither an exact optimum nor a bound is known for the problem '{problem.name}'."
        )
    try:
        return solver(num_policies)
    except ValueError as error:  # the solvers know nothing of our own exception
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
    if isinstance(environment, Market):
        return _market(environment, problem.population)
    if isinstance(environment, ArtificialPancreas):
        return _glucose(environment, problem.population)
    reward = _speed_reward(problem.population)
    if reward is not None:
        # Rewards are never negative, so no episode of any environment earns more than its longest.
        height = reward.peak * environment.time_limit
        return partial(velocity_bound, reward.targets, reward.half_width, height)
    return None


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


def _market(environment: Market, population: Population) -> Callable[[int], Optimum] | None:
    """The best funds, where all users are investors who judge the environment's whole episodes."""
    features, coefficients = population.features, population.coefficients.astype(np.float64)
    if (
        population.reward_fn is not None
        or features != FundFeatures(environment.time_limit)
        or not (coefficients[:, 0] == 1.0).all()
        or not (coefficients[:, 1] < 0.0).all()
    ):
        return None
    risk_aversion, taste = -coefficients[:, 1], coefficients[:, 2]

    def solve(num_policies: int) -> Optimum:
        best = best_funds(FundMarket(*sharpe_and_taste()), risk_aversion, taste, num_policies)
        made_for = np.array([(*part, 0.0)[:2] for part in best.certificate])
        fits = all(can_hold(best_shares(aversion, liking)) for aversion, liking in made_for)
        if fits or best.kind == "upper bound":
            return best
        excess = " Some of these funds hold more than the task allows: this is an upper bound."
        return replace(best, kind="upper bound", explanation=best.explanation + excess)

    return solve


def _glucose(
    environment: ArtificialPancreas, population: Population
) -> Callable[[int], Optimum] | None:
    """Perfect glucose, where all users are wearers who judge the environment's whole days."""
    if population.reward_fn is not None or population.features != GlucoseFeatures(
        environment.time_limit
    ):
        return None
    constant, linear, square, low = population.coefficients.T
    targets = np.asarray(linear, dtype=np.float64) / 2
    is_wearer = np.allclose(constant, 1 - targets**2) and (square == -1).all() and (low <= 0).all()
    if not is_wearer:
        return None

    def solve(num_policies: int) -> Optimum:
        best = constant_bound(targets, FULL_RETURN, num_policies)
        levels = tuple((USUAL_LEVEL * 2.0**level,) for (level,) in best.certificate)
        return replace(best, certificate=levels, unit="mg/dl")

    return solve


def _resource_gathering(environment: ResourceGathering, num_policies: int) -> Optimum:
    return resource_gathering_optimum(
        height=environment.height,
        width=environment.width,
        start=environment.start,  # type: ignore[arg-type]
        blocked=environment.blocked,
        time_limit=environment.time_limit,
        num_policies=num_policies,
    )
