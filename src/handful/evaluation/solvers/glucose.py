"""The artificial pancreas: perfect glucose as an upper bound, where all users are its wearers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from handful.envs.glucose import USUAL_LEVEL, ArtificialPancreas
from handful.envs.glucose_users import FULL_RETURN, GlucoseFeatures
from handful.exact.constants import constant_bound
from handful.exact.optimum import Optimum
from handful.problem import RMDP


def solver(problem: RMDP) -> Callable[[int], Optimum] | None:
    """The solver for wearers who judge the environment's whole days; None of others."""
    environment, population = problem.environment, problem.population
    if not isinstance(environment, ArtificialPancreas) or population.reward_fn is not None:
        return None
    if population.features != GlucoseFeatures(environment.time_limit):
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
