"""What the policies of a problem can earn its users, as solvers for every welfare need it.

The returns that policies can earn the users form a convex set: a policy may draw one of several at
the start of an episode, and then expects the mean of theirs. (Where episodes are not cut, some
policy that draws each action by itself earns the same.) A welfare that is not the mean may be
highest within this set and not at a corner. Three things are known of it here: policies at its
corners, one that is best for any weights of the users, and *promises*, which no policy exceeds.

For any weights that are not negative, the best promise is worth no less than the best policy. So
each policy's returns lie below a mixture of promises, and what holds for the best mixtures of
promises bounds those of policies. Where a list of all policies that matter is known, the promises
are the list.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.exact.budgets import choose_budgets
from handful.exact.coverage import Support, can_cover
from handful.exact.facility import choose
from handful.exact.tabular import TabularRMDP

MOST_LISTED = 20_000
"""The most deterministic policies of a table that are listed: A to the power of S."""


@dataclass(frozen=True, eq=False)
class BestFew:
    """The best few promises for users who count differently.

    Attributes:
        utilities: what each user has from the best of them, or outside, [N].
        bound: a number that the weighted sum of what any so many policies earn never exceeds.
    """

    utilities: np.ndarray
    bound: float


class Reachable(ABC):
    """What policies can earn ``N`` users.

    Attributes:
        is_listed: whether :attr:`returns` has all deterministic policies that matter.
        is_attained: whether the policies can be played; if not, they bound those that can.
        what: what the policies are, in the plural, for a sentence.
    """

    is_listed: bool
    is_attained: bool
    what: str

    @property
    @abstractmethod
    def returns(self) -> np.ndarray:
        """The returns of the policies that are known, [M, N]; more may become known later."""

    @abstractmethod
    def certificate(self, row: int) -> tuple[Any, ...]:
        """Give the numbers that a policy's returns come from, such as its actions."""

    @abstractmethod
    def best(self, weights: np.ndarray) -> int:
        """Give the row of a policy whose returns' sum with these weights [N] >= 0 is highest."""

    @abstractmethod
    def best_few(
        self, weights: np.ndarray, num_policies: int, outside: np.ndarray | None, seconds: float
    ) -> BestFew:
        """Find the best few promises.

        Args:
            weights: how much each user counts, not negative, [N].
            num_policies: the budget k.
            outside: what each user has without a policy [N]; None if everybody takes one.
            seconds: about how long to look for a proof.
        """

    def earned_by_best(self, weights: np.ndarray) -> np.ndarray:
        """Give what each user earns from the policy that is best for these weights [N]."""
        row = self.best(weights)
        return self.returns[row]

    @property
    def num_users(self) -> int:
        """``N``."""
        return self.returns.shape[1]


class ListedPolicies(Reachable):
    """A list of all policies that matter: no policy exceeds all their mixtures.

    Args:
        returns: the returns of the policies, [M, N].
        certificate: gives the certificate of each, by its row.
        what: what they are, in the plural.
        promises: if the list is not of policies that can be played: numbers [M, N] such that each
            policy, whatever it draws, earns nobody more than some single row of them.
    """

    def __init__(
        self,
        returns: np.ndarray,
        certificate: Callable[[int], tuple[Any, ...]],
        what: str,
        promises: np.ndarray | None = None,
    ) -> None:
        self._returns = np.asarray(returns, np.float64)
        self.promises = promises
        self._certificate = certificate
        self.is_listed = promises is None
        self.is_attained = promises is None
        self.what = what

    @property
    def returns(self) -> np.ndarray:
        """The returns of all policies, [M, N]."""
        return self._returns

    def certificate(self, row: int) -> tuple[Any, ...]:
        """Give a policy's certificate."""
        return self._certificate(row)

    def best(self, weights: np.ndarray) -> int:
        """Give the row of the best policy for these weights [N]."""
        return int((self._returns @ weights).argmax())

    def best_few(
        self, weights: np.ndarray, num_policies: int, outside: np.ndarray | None, seconds: float
    ) -> BestFew:
        """Find the best few promises; see :class:`Reachable`."""
        return _best_rows(self._returns, weights, num_policies, outside, seconds)


class TabularPolicies(Reachable):
    """The policies of a tabular problem, of which the best for any weights can be computed.

    If users differ in few ways, faces of the hull over their weights are promises
    (:mod:`handful.exact.coverage`). Else what is promised to a user is the return of the policy
    that is best for this user alone, which few policies come near.
    """

    is_listed = False
    is_attained = True
    what = "policies"

    def __init__(self, rmdp: TabularRMDP) -> None:
        self._rmdp = rmdp
        self._support = Support.of(rmdp) if can_cover(rmdp) else None
        self._policies: list[np.ndarray] = []
        self._features: list[np.ndarray] = []
        self._rows: dict[bytes, int] = {}
        self._taken = 0  # of the policies that the hull was made of

    @property
    def returns(self) -> np.ndarray:
        """The returns of all policies that were computed, [M, N]."""
        if self._support is not None:
            for policy in self._support.policies[self._taken :]:
                self._keep(policy)
            self._taken = len(self._support.policies)
        if not self._features:
            self.best(np.ones(self._rmdp.num_users))
        return np.array(self._features) @ self._rmdp.coefficients.T

    def certificate(self, row: int) -> tuple[Any, ...]:
        """Give the action in each state; if actions depend on the time, step by step."""
        return tuple(self._policies[row].ravel().tolist())

    def best(self, weights: np.ndarray) -> int:
        """Compute the best policy for these weights [N]."""
        last = self._policies[-1] if self._policies else None
        first = None if self._rmdp.horizon is not None else last
        return self._keep(self._rmdp.best_policy(weights, first))

    def best_few(
        self, weights: np.ndarray, num_policies: int, outside: np.ndarray | None, seconds: float
    ) -> BestFew:
        """Find the best few promises; see :class:`Reachable`."""
        total = float(weights.sum())
        if num_policies == 1 and outside is None:
            utilities = self.earned_by_best(weights)
            return BestFew(utilities, float(weights @ utilities))
        if self._support is None or total <= 0.0:
            own = self._rmdp.own_optima
            utilities = own if outside is None else np.maximum(own, outside)
            return BestFew(utilities, float(weights @ utilities))
        shares = weights / total * len(weights)
        found = self._support.best_few(num_policies, shares, outside, seconds)
        returns = self._support.returns()[found.rows]
        utilities = returns.max(axis=0)
        if outside is not None:
            utilities = np.maximum(utilities, outside)
        return BestFew(utilities, found.upper_bound * total)

    def _keep(self, policy: np.ndarray) -> int:
        key = policy.tobytes()
        if key not in self._rows:
            self._rows[key] = len(self._policies)
            self._policies.append(policy)
            self._features.append(self._rmdp.feature_returns(policy))
        return self._rows[key]


def reachable_by(rmdp: TabularRMDP) -> Reachable:
    """Give what the policies of a tabular problem can earn: a list if the problem is small."""
    num_states, num_actions = rmdp.features.shape[:2]
    is_small = num_states * math.log(max(num_actions, 1)) <= math.log(MOST_LISTED)
    if rmdp.horizon is not None or not is_small:
        return TabularPolicies(rmdp)
    policies = np.array(list(itertools.product(range(num_actions), repeat=num_states)))
    returns = np.array([rmdp.returns(policy) for policy in policies])
    kept = undominated(returns)
    return ListedPolicies(
        returns[kept],
        lambda row: tuple(policies[kept[row]].tolist()),
        "deterministic policies that no other exceeds for all users",
    )


def undominated(returns: np.ndarray) -> np.ndarray:
    """Give the rows [M'] of which no other row is as good for every user; one of equal rows."""
    kept: list[int] = []
    for row in np.argsort(-returns.sum(axis=1), kind="stable"):
        if not kept or not (returns[kept] >= returns[row]).all(axis=1).any():
            kept.append(int(row))
    return np.array(sorted(kept))


def _best_rows(
    table: np.ndarray,
    weights: np.ndarray,
    num_policies: int,
    outside: np.ndarray | None,
    seconds: float,
) -> BestFew:
    lifted = table if outside is None else np.maximum(table, outside)
    counts = weights > 0.0
    if not counts.any():
        return BestFew(lifted.max(axis=0), 0.0)
    worth = lifted[:, counts] * weights[counts]
    try:
        found = choose(worth, num_policies, time_limit=seconds)
    except RuntimeError:  # not proven in time: a bound by prices
        found = choose_budgets(worth, [num_policies])[num_policies]
    bound = min(found.upper_bound, float(worth.max(axis=0).mean())) * worth.shape[1]
    return BestFew(lifted[found.indices].max(axis=0), bound)
