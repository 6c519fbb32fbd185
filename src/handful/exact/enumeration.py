"""The global optimum of a small tabular r-MDP, from every deterministic policy that there is.

For a fixed assignment some deterministic policy earns each group the most, so nothing is lost by
looking at these alone; which k of them serve the users best is the problem of
:mod:`~handful.exact.facility`, solved with a proof.
"""

from __future__ import annotations

import itertools

import numpy as np

from handful.exact.facility import choose
from handful.exact.optimum import Optimum
from handful.exact.tabular import TabularRMDP

MAX_POLICIES = 100_000
"""Deterministic policies that are still enumerated: A to the power of S."""


def enumerated_optimum(rmdp: TabularRMDP, num_policies: int) -> Optimum:
    """The best ``num_policies`` policies for the users, exactly.

    Returns:
        The optimum; each policy's certificate is its action in every state.

    Raises:
        ValueError: if there are more than :data:`MAX_POLICIES` deterministic policies, or episodes
            are cut, where the best policies depend on the time.
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
