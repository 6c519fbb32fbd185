"""The market: the best funds in closed form, where all users are its investors."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from handful.envs.market import FundFeatures, Market, best_shares, can_hold, sharpe_and_taste
from handful.exact.funds import FundMarket, best_funds
from handful.exact.optimum import Optimum
from handful.problem import RMDP


def solver(problem: RMDP) -> Callable[[int], Optimum] | None:
    """The solver for investors who judge the environment's whole episodes; None of others."""
    environment, population = problem.environment, problem.population
    if not isinstance(environment, Market) or population.reward_fn is not None:
        return None
    coefficients = population.coefficients.astype(np.float64)
    if (
        population.features != FundFeatures(environment.time_limit)
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
