"""EM for tabular r-MDPs with an exact M-step: Theorem 1 of the paper in practice.

Welfare never falls from one step to the next: the M-step gives every group of users the policy that
earns them the most together, and the E-step moves users only to policies that serve them better.
There are finitely many assignments, so EM ends. Its end depends on its start. For this reason
:func:`annealed_em` starts with soft assignments, and :func:`pooled_em` and :func:`elite_em` start
many times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from handful.exact.facility import choose
from handful.exact.tabular import TabularRMDP, margin


@dataclass(frozen=True, eq=False)
class Solution:
    """Policies and their users.

    Attributes:
        policies: the action in each state, int64 [K, S].
        returns: every user's return from every policy, [N, K].
        assignment: each user's policy, int64 [N].
        history: the welfare after every E-step and every M-step, in order.
    """

    policies: np.ndarray
    returns: np.ndarray
    assignment: np.ndarray
    history: tuple[float, ...]

    @property
    def welfare(self) -> float:
        """The mean over users of the return from their policy."""
        return _welfare(self.returns, self.assignment)


def exact_em(rmdp: TabularRMDP, assignment: np.ndarray, num_policies: int) -> Solution:
    """Run EM (equations 10 and 11) from an assignment [N] until no user moves.

    An empty policy takes the user who would gain most from a policy of their own. So no policy
    stays empty while a user can be served better.
    """
    assignment, history = np.array(assignment), []
    while True:
        policies = np.array(
            [rmdp.best_policy(assignment == policy) for policy in range(num_policies)]
        )
        returns = np.array([rmdp.returns(policy) for policy in policies]).T
        history.append(_welfare(returns, assignment))
        nothing = margin(returns, rmdp.largest_reward)
        moved = _greedy(returns, assignment, nothing)
        history.append(_welfare(returns, moved))
        regret = rmdp.own_optima - returns[np.arange(len(moved)), moved]
        moved = _revive(moved, regret, num_policies, nothing)
        if (moved == assignment).all():
            return Solution(policies, returns, assignment, tuple(history))
        assignment = moved


def annealed_em(
    rmdp: TabularRMDP,
    num_policies: int,
    seed: int,
    start: float = 0.3,
    end: float = 0.005,
    cooling: float = 0.8,
) -> Solution:
    """Run EM with deterministic annealing (Rose, 1998), and at last :func:`exact_em`.

    The first assignments are soft: their weights are a softmax of the returns over a temperature,
    which falls from ``start`` to ``end`` by the factor ``cooling``; temperatures are shares of the
    spread between the users' best and worst returns.
    """
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(num_policies, 10.0), size=rmdp.num_users)
    temperature = start
    while temperature > end:
        policies = [rmdp.best_policy(column) for column in weights.T]
        returns = np.array([rmdp.returns(policy) for policy in policies]).T
        spread = max(float(np.ptp(returns)), margin(returns, rmdp.largest_reward)) or 1.0
        logits = (returns - returns.max(axis=1, keepdims=True)) / (temperature * spread)
        # Policies that have become equal stay equal unless noise separates them.
        logits += rng.normal(scale=0.1, size=logits.shape)
        weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        temperature *= cooling
    return exact_em(rmdp, weights.argmax(axis=1), num_policies)


def pooled_em(rmdp: TabularRMDP, num_policies: int, seed: int, starts: int = 100) -> Solution:
    """Run EM from many random starts, and again from the best choice of all policies found.

    The policies from all starts form one pool. The best ``num_policies`` of the pool, from
    whichever starts, are chosen exactly (:func:`~handful.exact.facility.choose`). EM continues from
    them, and the policies that it finds join the pool, until this improves nothing.

    Raises:
        ValueError: if the number of starts is below 1.
    """
    return _from_pool(rmdp, num_policies, seed, starts, lambda policy: [policy])


def elite_em(rmdp: TabularRMDP, num_policies: int, seed: int, starts: int = 20) -> Solution:
    """Run :func:`pooled_em` with a pool that also has every policy found with one action changed.

    This is the exact counterpart of :mod:`handful.methods.elite_em`, whose policies act a little at
    random and learn from the best of these random acts. With every policy found, all policies join
    the pool that take another action in one state (or, if episodes are cut, in one state at one
    time).

    Raises:
        ValueError: if the number of starts is below 1.
    """

    def variants(policy: np.ndarray) -> list[np.ndarray]:
        place, action = np.indices((policy.size, rmdp.features.shape[1])).reshape(2, -1)
        others = np.repeat(policy.reshape(1, -1), len(place), axis=0)
        others[np.arange(len(place)), place] = action
        return list(others.reshape(-1, *policy.shape))

    return _from_pool(rmdp, num_policies, seed, starts, variants)


def _from_pool(
    rmdp: TabularRMDP,
    num_policies: int,
    seed: int,
    starts: int,
    joins: Callable[[np.ndarray], list[np.ndarray]],
) -> Solution:
    """Run EM from random starts, then from the best choice of the pool, until nothing improves.

    Args:
        joins: a function that gives the policies that join the pool with a policy found.
    """
    if starts < 1:
        raise ValueError(f"There must be at least one start, not {starts}.")
    rng = np.random.default_rng(seed)
    pool: dict[bytes, np.ndarray] = {}
    best: Solution | None = None
    assignments = [rng.permutation(rmdp.num_users) % num_policies for _ in range(starts)]
    while True:
        found = [exact_em(rmdp, assignment, num_policies) for assignment in assignments]
        leader = max(found, key=lambda solution: solution.welfare)
        for solution in found:
            for policy in solution.policies:
                pool |= {variant.tobytes(): variant for variant in joins(policy)}
        if best is not None and leader.welfare <= best.welfare + margin(
            leader.returns, rmdp.largest_reward
        ):
            return best
        best = leader
        returns = np.array([rmdp.returns(policy) for policy in pool.values()])
        assignments = [choose(returns, num_policies).assignment]


def _greedy(returns: np.ndarray, assignment: np.ndarray, nothing: float) -> np.ndarray:
    """Return the assignment of equation 11; a user leaves a policy only for a better one."""
    own = returns[np.arange(len(assignment)), assignment]
    leaves = returns.max(axis=1) > own + nothing
    return np.where(leaves, returns.argmax(axis=1), assignment)


def _revive(
    assignment: np.ndarray, regret: np.ndarray, num_policies: int, nothing: float
) -> np.ndarray:
    """Give each empty policy the user with the most regret, whose old policy keeps a user."""
    assignment = assignment.copy()
    for empty in np.flatnonzero(np.bincount(assignment, minlength=num_policies) == 0):
        can_leave = np.bincount(assignment)[assignment] > 1
        user = np.argmax(np.where(can_leave, regret, -np.inf))
        if can_leave[user] and regret[user] > nothing:
            assignment[user] = empty
    return assignment


def _welfare(returns: np.ndarray, assignment: np.ndarray) -> float:
    return float(returns[np.arange(len(assignment)), assignment].mean())
