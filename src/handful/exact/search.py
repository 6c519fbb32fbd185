"""The best k policies of a tabular r-MDP, proven if possible, and else found and bounded.

For a small r-MDP every deterministic policy is tried. For a fixed assignment some deterministic
policy earns each group the most, so no other policies are needed. Which k of them serve the users
best is the problem of :mod:`~handful.exact.facility`, solved with a proof.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from handful.exact.bound import Optimum
from handful.exact.coverage import can_cover, cover
from handful.exact.em import pooled_em
from handful.exact.facility import choose
from handful.exact.tabular import TabularRMDP

MAX_POLICIES = 100_000
"""The most deterministic policies that are enumerated: A to the power of S."""


def enumerated_optimum(rmdp: TabularRMDP, num_policies: int) -> Optimum:
    """Find the best ``num_policies`` policies for the users, with a proof.

    Returns:
        The optimum; each policy's certificate is its action in every state.

    Raises:
        ValueError: if there are more than :data:`MAX_POLICIES` deterministic policies, or episodes
            are cut, so that the best policies depend on the time.
    """
    if rmdp.horizon is not None:
        raise ValueError("Where episodes are cut, the best policies depend on the time, too.")
    num_states, num_actions = rmdp.features.shape[:2]
    if num_actions**num_states > MAX_POLICIES:
        raise ValueError(
            f"{num_actions} actions in {num_states} states make more than {MAX_POLICIES:,} "
            f"deterministic policies: too many to try."
        )
    policies = np.array(list(itertools.product(range(num_actions), repeat=num_states)))
    returns = np.array([rmdp.returns(policy) for policy in policies])
    choice = choose(returns, num_policies)
    return Optimum(
        welfare=choice.welfare,
        kind="exact",
        num_policies=num_policies,
        returns=returns[choice.indices],
        assignment=choice.assignment,
        certificate=tuple(tuple(policies[j].tolist()) for j in choice.indices),
        explanation=(
            f"Some deterministic policy is best for each group of users; of all {len(policies):,} "
            f"of them, a proven choice of {num_policies} serves the users best."
        ),
    )


_STARTS = 10  # the starts of EM, if there is no better way
_MEETS = 1e-6
"""The gap to the bound, as a share of the returns, below which a choice is the optimum."""


def tabular_optimum(rmdp: TabularRMDP, num_policies: int) -> Optimum:
    """Find the best ``num_policies`` policies, or an upper bound and the best policies found.

    If the users differ in few ways, :func:`~handful.exact.coverage.cover` solves the problem. If
    the problem is small, every policy is tried. For other problems EM finds a good choice, and the
    bound is each user's return from a policy of their own.
    """
    if can_cover(rmdp):
        return _covered(rmdp, num_policies)
    if _is_small(rmdp):
        return enumerated_optimum(rmdp, num_policies)
    return _searched(rmdp, num_policies)


def _covered(rmdp: TabularRMDP, num_policies: int) -> Optimum:
    cover_ = cover(rmdp, num_policies)
    explanation = (
        f"Every group of users is worth at most what {cover_.evaluations} best policies, found for "
        f"weights between the users', allow by convexity, and a proven choice of {num_policies} "
        f"within that is worth no more than {cover_.upper_bound:.6g}"
    )
    if cover_.is_proven:
        short = max(cover_.upper_bound - cover_.welfare, 0.0)
        explanation += f", which these policies attain to within {short:.1g}."
    else:
        explanation += f"; the best policies found are worth {cover_.welfare:.6g}."
    return Optimum(
        welfare=cover_.welfare if cover_.is_proven else cover_.upper_bound,
        kind="exact" if cover_.is_proven else "upper bound",
        num_policies=num_policies,
        returns=cover_.returns,
        assignment=cover_.returns.argmax(axis=0),
        certificate=tuple(_actions(policy) for policy in cover_.policies),
        explanation=explanation,
        attained=cover_.welfare,
    )


def _searched(rmdp: TabularRMDP, num_policies: int) -> Optimum:
    best = pooled_em(rmdp, num_policies, seed=0, starts=_STARTS)
    # One policy for everybody is a single mix of rewards, whose best policy is known exactly.
    bound = best.welfare if num_policies == 1 else float(rmdp.own_optima.mean())
    is_exact = bound - best.welfare <= _MEETS * float(np.abs(best.returns).max())
    reason = (
        "One policy for everybody is the best for their mean reward, found exactly."
        if num_policies == 1
        else (
            f"No user can have more than from the policy that is best for them alone; the best "
            f"{num_policies} policies found are worth {best.welfare:.6g}."
        )
    )
    return Optimum(
        welfare=best.welfare if is_exact else bound,
        kind="exact" if is_exact else "upper bound",
        num_policies=num_policies,
        returns=best.returns.T,
        assignment=best.assignment,
        certificate=tuple(_actions(policy) for policy in best.policies),
        explanation=reason,
        attained=best.welfare,
    )


def _is_small(rmdp: TabularRMDP) -> bool:
    num_states, num_actions = rmdp.features.shape[:2]
    return rmdp.horizon is None and num_states * math.log(num_actions) <= math.log(MAX_POLICIES)


def _actions(policy: np.ndarray) -> tuple[int, ...]:
    """Return the action in each state; if actions depend on the time, step by step."""
    return tuple(policy.ravel().tolist())
