"""The artificial pancreas: perfect glucose as an upper bound, if all users are its wearers.

The most that k policies can earn users who each want one number kept: an upper bound.

User i earns `height * (1 - (z - t_i)^2)`, or less, from a step at z. By Jensen's inequality a
policy that spends its time at any mixture of z earns no user more than one that keeps to their
mean, so k constants bound any k policies. A group of users is best served at the mean of its
targets, where it loses its variance; users prefer the nearest constant, so the groups are
neighbours on the line of targets, and dynamic programming over the sorted targets finds the best:
K-means on a line, exactly. What the n users of a group gain over the constant 0 is n times their
squared mean, a convex function of the mean, which gives the inverse Monge property (the argument
is in `domains/market/optimum`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handful.domains.glucose.environment import USUAL_LEVEL, ArtificialPancreas
from handful.domains.glucose.users import FULL_RETURN, GlucoseFeatures
from handful.exact.bound import Optimum, nothing_known
from handful.exact.reachable import ListedPolicies
from handful.exact.segments import best_segments
from handful.problem import RMDP

RANGES = 250
"""The ranges of levels whose promises bound all policies; each is about 0.3 mg/dl wide."""


def constant_bound(targets: np.ndarray, height: float, num_policies: int) -> Optimum:
    """Find the best `num_policies` constants for the users' targets.

    Args:
        targets: the glucose target of each user [N].
        height: the reward of a user at their target.
        num_policies: the budget k, from 1 to N.

    Returns:
        an upper bound; constants ascend, and are in the certificate.

    Raises:
        ValueError: if an argument is out of range.
    """
    targets = np.asarray(targets, dtype=np.float64)
    if targets.ndim != 1 or not len(targets) or not np.isfinite(targets).all():
        raise ValueError(f"The targets must be finite [N], got shape {targets.shape}.")
    if not 0 < height < np.inf:
        raise ValueError(f"The height must be positive, got {height}.")
    # From the middle of the line, where rounding costs least.
    offset = np.sort(targets) - targets.mean()
    sums = np.append(0.0, np.cumsum(offset))

    def gain(starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        return (sums[stops] - sums[starts]) ** 2 / (stops - starts)

    firsts = best_segments(gain, len(targets), num_policies)
    stops = np.append(firsts[1:], len(targets))
    constants = (sums[stops] - sums[firsts]) / (stops - firsts) + targets.mean()
    returns = height * (1.0 - (constants[:, None] - targets) ** 2)
    return Optimum(
        welfare=float(returns.max(axis=0).mean()),
        kind="upper bound",
        num_policies=num_policies,
        returns=returns,
        assignment=returns.argmax(axis=0),
        certificate=tuple((float(constant),) for constant in constants),
        explanation=(
            "What users earn is concave in the level, so no policy earns them more than one that "
            f"keeps the level constant; of all choices of {num_policies} constants, dynamic "
            "programming over the sorted targets proves these the best."
        ),
    )


def reachable(problem: RMDP) -> ListedPolicies:
    """Bound what policies earn wearers who judge whole days; :func:`solve` says for which problems.

    No policy earns anybody more than one that keeps the level constant, between the lowest and the
    highest target. The list has levels at the middles of narrow ranges, and a promise is the most
    that a level within the range earns each user.

    Raises:
        ValueError: if no optimum is known for the problem; see :func:`solve`.
    """
    targets = _checked_targets(problem)
    edges = np.linspace(targets.min(), targets.max(), RANGES + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    nearest = np.clip(targets, edges[:-1, None], edges[1:, None])

    def earned(levels: np.ndarray) -> np.ndarray:
        return FULL_RETURN * (1.0 - (levels - targets) ** 2)

    return ListedPolicies(
        earned(middles[:, None]),
        lambda row: (float(USUAL_LEVEL * 2.0 ** middles[row]),),
        "constant levels (mg/dl)",
        earned(nearest),
    )


def solve(problem: RMDP, num_policies: int) -> Optimum:
    """Bound the welfare of wearers who judge whole days; the certificate has levels in mg/dl.

    Args:
        problem: a problem whose environment is
            :class:`~handful.domains.glucose.environment.ArtificialPancreas`.
        num_policies: the budget k.

    Raises:
        ValueError: if the problem has another environment or other users, for whom no bound is
            known.
    """
    best = constant_bound(_checked_targets(problem), FULL_RETURN, num_policies)
    levels = tuple((USUAL_LEVEL * 2.0**level,) for (level,) in best.certificate)
    return replace(best, certificate=levels, unit="mg/dl")


def _checked_targets(problem: RMDP) -> np.ndarray:
    """Return the users' targets [N], in doublings over the usual level."""
    environment, population = problem.environment, problem.population
    if (
        not isinstance(environment, ArtificialPancreas)
        or population.reward_fn is not None
        or population.features != GlucoseFeatures(environment.time_limit)
    ):
        raise ValueError(nothing_known(problem.name, "wearers who judge whole days"))
    constant, linear, square, low = population.coefficients.T
    targets = np.asarray(linear, dtype=np.float64) / 2
    if not (np.allclose(constant, 1 - targets**2) and (square == -1).all() and (low <= 0).all()):
        raise ValueError(nothing_known(problem.name, "wearers with a target and a fear of lows"))
    return targets
