"""The best k policies of a problem under any welfare, with a bound on all others.

For the mean, deterministic policies are enough: it is linear in what a policy earns, so a corner of
the set of all policies is best. For a concave welfare a policy that draws one of several at the
start of an episode may be better, and so both are looked at:

1. *Deterministic.* The best choice from the policies that are known (:mod:`handful.choice`). Where
   all that matter are listed, nothing deterministic is better.
2. *Drawn.* For given groups of users the best mixtures are a concave program
   (:mod:`handful.optima.mixtures`). Users then move to the policy that earns them most, which no
   welfare likes less, and so on until nothing improves. One policy has one group: the result is
   then the optimum. For several it depends on the start.
3. *From above.* Suppose that one could draw a whole set of k policies at the start of an episode,
   and assign the users anew. What users can then expect contains all that k policies can give, and
   it is convex: its best point is a concave program again, in which the column for users' weights
   c is the best set of k for the weighted mean, a choice that is proven deterministically. For one
   policy this is no more than a policy; for several the bound may lie above all choices.
4. *Group by group.* Where there is a gap left and time, groups of users are searched by branch and
   bound (:mod:`handful.optima.branch`). It closes the gap where there are few users.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful._support.text import count
from handful.choice.choose import Selection, bound_welfare, choose_from
from handful.choice.floors import Floor, checked_floors
from handful.choice.infeasible import FloorsNotMet
from handful.choice.pool import Pool
from handful.errors import HandfulError
from handful.exact.bound import Optimum
from handful.exact.reachable import ListedPolicies, Reachable
from handful.optima.branch import OPEN, OUTSIDE, search_groups
from handful.optima.goal import Goal
from handful.optima.mixtures import CLOSE, Group, Mixed, best_mixtures
from handful.welfare_functions import PowerMean, Welfare

MEETS = 1e-5
"""The gap to the bound, as a share of the range of returns, up to which a choice is the optimum."""

_ROUNDS = 30
"""The most times that users move between mixtures."""


def best_policies(
    reachable: Reachable,
    num_policies: int,
    *,
    welfare: Any = "utilitarian",
    floors: Any = None,
    groups: Sequence[Any] | np.ndarray | None = None,
    weights: Any = None,
    outside: Any = None,
    seconds: float = 60.0,
) -> Optimum:
    """Find the best k policies of a problem, or good ones and a bound.

    Args:
        reachable: what the problem's policies can earn.
        num_policies: the budget k.
        welfare: the welfare function in any form that :func:`handful.choose` takes.
        floors: what users must get at least, as :func:`handful.choose` takes it.
        groups: the group of each user [N].
        weights: how much each user counts [N]; None if all count the same.
        outside: what each user gets without us: a number or [N].
        seconds: about how long to look for a proof.

    Returns:
        the optimum. Users whom no policy serves better than what they have outside have the
        assignment -1.

    Raises:
        FloorsNotMet: if no k policies meet the floors, with the smallest k that would do.
        HandfulError: if an argument is wrong, the welfare is not defined for any choice, or it was
            not found out whether the floors can be met.
    """
    users = {"groups": groups, "weights": weights}
    if isinstance(reachable, ListedPolicies) and reachable.promises is not None:
        return _best_promises(
            reachable, num_policies, welfare, floors, {**users, "outside": outside}, seconds
        )
    search = _Search.of(reachable, num_policies, welfare, floors, users, outside)
    started = time.monotonic()
    selection, refusal = search.deterministic(seconds / 4.0)
    found = search.drawn(selection, started + seconds / 2.0)
    bound = search.bound(found, started + 3.0 * seconds / 4.0)
    bound = search.group_by_group(found, bound, started + seconds)
    if not found:
        search.refuse(bound, refusal, seconds)
    return search.result(max(found, key=lambda one: one.value), bound, selection)


def _best_promises(
    reachable: ListedPolicies,
    num_policies: int,
    welfare: Any,
    floors: Any,
    users: dict[str, Any],
    seconds: float,
) -> Optimum:
    """Bound policies each of which lies below one promise: the best choice of promises does it."""
    pool = Pool.of(reachable.promises, **users)
    function = bound_welfare(welfare, pool)
    most = float(num_policies)
    chosen = choose_from(pool, most, function, checked_floors(floors, pool), seconds)
    rows = chosen.policies if len(chosen.policies) else np.array([0])
    rows = np.append(rows, np.repeat(rows[:1], num_policies - len(rows)))
    returns = reachable.returns[rows]
    assignment = returns.argmax(axis=0)
    if pool.outside is not None:
        assignment = np.where(chosen.assignment < 0, OUTSIDE, assignment)
    return Optimum(
        welfare=chosen.upper_bound,
        kind="upper bound",
        num_policies=num_policies,
        returns=returns,
        assignment=assignment,
        certificate=tuple(reachable.certificate(int(row)) for row in rows),
        explanation=(
            f"No policy, deterministic or not, earns anybody more than one of {len(pool.returns)} "
            f"{reachable.what} promises, and no choice of {num_policies} of these is worth more "
            f"than {chosen.upper_bound:.6g}."
        ),
        welfare_function=function.name,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """Policies that meet the floors: the chances of rows for each, and what they are worth."""

    parts: tuple[tuple[np.ndarray, np.ndarray], ...]
    returns: np.ndarray
    utilities: np.ndarray
    value: float
    bound: float = np.inf


@dataclass(eq=False)
class _Search:
    """One search: what is reachable, and what is wanted."""

    reachable: Reachable
    num_policies: int
    function: Welfare
    floors: tuple[Floor, ...]
    users: dict[str, Any]
    outside: Any

    @classmethod
    def of(
        cls,
        reachable: Reachable,
        num_policies: int,
        welfare: Any,
        floors: Any,
        users: dict[str, Any],
        outside: Any,
    ) -> _Search:
        """Check what a caller gave."""
        pool = Pool.of(reachable.returns, outside=outside, **users)
        function = bound_welfare(welfare, pool)
        return cls(
            reachable, num_policies, function, checked_floors(floors, pool), users, pool.outside
        )

    @property
    def pool(self) -> Pool:
        """The policies that are known by now."""
        return Pool.of(self.reachable.returns, outside=self.outside, **self.users)

    @property
    def goal(self) -> Goal:
        """The welfare and floors."""
        return Goal.of(self.function, self.pool, self.floors)

    def deterministic(self, seconds: float) -> tuple[Selection | None, FloorsNotMet | None]:
        """Choose from the policies that are known, of which more become known on the way."""
        if not self.reachable.is_listed:
            for user in range(self.reachable.num_users):
                self.reachable.best(np.eye(self.reachable.num_users)[user])
            shares = self.pool.shares
            self.reachable.best_few(shares, self.num_policies, self.outside, seconds / 3.0)
        try:
            most = float(self.num_policies)
            return choose_from(self.pool, most, self.function, self.floors, seconds), None
        except FloorsNotMet as refusal:
            return None, refusal

    def drawn(self, selection: Selection | None, deadline: float) -> list[_Found]:
        """Improve choices by mixtures and moves of users; give all that meet the floors."""
        pool, goal = self.pool, self.goal
        starts = [] if selection is None else [selection.policies]
        starts.append(self._nearest_to_floors() if selection is None else self._best_for_mean())
        found: list[_Found] = []
        for rows in starts:
            if not len(rows):  # what users have outside is best for everybody
                rows = np.array([self.reachable.best(pool.shares)])
            found.append(self._whole(rows))
            found += self._alternate(goal, self._assignment(pool.returns[rows]), rows, deadline)
        return [one for one in found if np.isfinite(one.value) and self._meets_floors(one)]

    def bound(self, found: list[_Found], deadline: float) -> float:
        """Bound the welfare of all k policies; minus infinity if none meets the floors."""
        proven = [one.bound for one in found if self._is_one_group]
        if proven:
            return min(proven)
        everyone = np.arange(self.reachable.num_users)

        def best(weights: np.ndarray) -> tuple[np.ndarray, float]:
            left = max(deadline - time.monotonic(), 1.0)
            few = self.reachable.best_few(weights, self.num_policies, self.outside, left)
            return few.utilities, few.bound

        first = [one.utilities for one in found] or [best(self.pool.shares)[0]]
        group = Group(everyone, best, first)
        zero = np.zeros(len(everyone))
        known = _value_of(found)
        return best_mixtures(self.goal, [group], zero, deadline, stop_at=known).bound

    def group_by_group(self, found: list[_Found], bound: float, deadline: float) -> float:
        """Search for better groups if the bound lies above what was found; both may improve."""
        goal = self.goal
        if self._is_one_group or bound <= _value_of(found) + MEETS * goal.range:
            return bound
        own = self._own()
        rows = self._best_for_mean()
        pool = self.pool
        # Users who differ most in what the policies earn them decide most.
        order = np.argsort(-np.ptp(pool.returns, axis=0) * pool.shares, kind="stable")

        def solve(assignment: np.ndarray, known: float) -> Mixed:
            return self._mixtures(goal, assignment, rows, deadline, own, known)[0]

        def keep(mixed: Mixed, assignment: np.ndarray) -> float:
            one = self._found(mixed, np.unique(assignment[assignment >= 0]))
            if np.isfinite(one.value) and self._meets_floors(one):
                found.append(one)
            return _value_of(found)

        labels = (*(() if self.outside is None else (OUTSIDE,)), *range(self.num_policies))
        known = _value_of(found)
        searched = search_groups(solve, keep, order, labels, CLOSE * goal.range, known, deadline)
        return min(bound, searched)

    def refuse(self, bound: float, refusal: FloorsNotMet | None, seconds: float) -> None:
        """Say that the floors cannot be met, or that it is not known.

        Raises:
            HandfulError: always.
        """
        what = count(self.num_policies, "policy")
        if bound > -np.inf:
            raise HandfulError(
                f"In {seconds:g} seconds no {what} were found that meet the floors, and no proof "
                f"that there are none: allow more seconds, more policies, or lower the floors."
            )
        unreachable = self._unreachable()
        smallest = None if len(unreachable) else self._smallest(seconds)
        users = refusal.users if refusal is not None and self.reachable.is_listed else ()
        raise FloorsNotMet(what, np.asarray(users, np.int64), unreachable, smallest)

    def result(self, best: _Found, bound: float, selection: Selection | None) -> Optimum:
        """Put the optimum together."""
        bound = max(bound, best.value)
        is_exact = bound - best.value <= MEETS * self.goal.range and self.reachable.is_attained
        is_drawn = any(len(rows) > 1 for rows, _ in best.parts)
        certificates = tuple(self._certificate(rows) for rows, _ in best.parts)
        is_proven = selection is not None and selection.is_proven and self.reachable.is_listed
        return Optimum(
            welfare=best.value if is_exact else bound,
            kind="exact" if is_exact else "upper bound",
            num_policies=self.num_policies,
            returns=best.returns,
            assignment=self._assignment(best.returns),
            certificate=certificates,
            explanation=self._explanation(best.value, bound, is_exact, is_drawn),
            attained=best.value if self.reachable.is_attained else None,
            welfare_function=self.function.name,
            chances=tuple(
                tuple(part.tolist()) if len(rows) > 1 else () for rows, part in best.parts
            )
            if is_drawn
            else None,
            deterministic=selection.welfare if selection is not None and is_proven else None,
        )

    @property
    def _is_one_group(self) -> bool:
        return self.num_policies == 1 and self.outside is None

    def _certificate(self, rows: np.ndarray) -> tuple[Any, ...]:
        parts = [self.reachable.certificate(int(row)) for row in rows]
        return parts[0] if len(parts) == 1 else tuple(parts)

    def _explanation(self, value: float, bound: float, is_exact: bool, is_drawn: bool) -> str:
        drawn = (
            "policies that draw one of several at the start of an episode"
            if is_drawn
            else "deterministic policies"
        )
        what = f"among {len(self.reachable.returns)} {self.reachable.what}"
        if is_exact:
            return (
                f"The best {drawn} were found {what}; no policies, deterministic or not, exceed "
                f"{bound:.6g}, the best of what could be had if whole sets of policies were drawn."
            )
        come = f"{drawn} {what} attain {value:.6g}"
        if not self.reachable.is_attained:
            come = f"if policies saw the time, {come}"
        return (
            f"No policies, deterministic or not, exceed {bound:.6g}, the best of what could be had "
            f"if whole sets of policies were drawn; {come}."
        )

    def _assignment(self, returns: np.ndarray) -> np.ndarray:
        """Assign each user to the best policy [K', N], or to -1, outside."""
        assignment = returns.argmax(axis=0)
        if self.outside is None:
            return assignment
        return np.where(returns.max(axis=0) < self.outside, OUTSIDE, assignment)

    def _best_for_mean(self) -> np.ndarray:
        chosen = choose_from(self.pool, float(self.num_policies), PowerMean(1.0), (), 10.0)
        return chosen.policies

    def _nearest_to_floors(self) -> np.ndarray:
        """Choose for the user who is furthest below the floor, where all floors cannot be met."""
        pool, goal = self.pool, self.goal
        if not len(goal.rows):
            return self._best_for_mean()
        level = np.full(pool.num_users, -np.inf)
        for row, least in zip(goal.rows, goal.least, strict=True):
            level[row > 0.0] = np.maximum(level[row > 0.0], least)
        level[np.isinf(level)] = pool.returns.min()
        above = Pool.of(
            pool.returns - level, outside=None if self.outside is None else self.outside - level
        )
        worst = PowerMean(-np.inf)
        return choose_from(above, float(self.num_policies), worst, (), 10.0).policies

    def _whole(self, rows: np.ndarray) -> _Found:
        pool = self.pool
        utilities = pool.utilities(rows)
        parts = tuple((np.array([row]), np.ones(1)) for row in rows)
        parts += parts[:1] * (self.num_policies - len(parts))
        returns = pool.returns[[int(row[0]) for row, _ in parts]]
        return _Found(parts, returns, utilities, self.goal.value(utilities))

    def _alternate(
        self, goal: Goal, assignment: np.ndarray, rows: np.ndarray, deadline: float
    ) -> list[_Found]:
        """Find mixtures for groups, move users, and so on; list what meets the floors."""
        found: list[_Found] = []
        for _ in range(_ROUNDS):
            mixed, labels = self._mixtures(goal, assignment, rows, deadline)
            target = goal
            if mixed.utilities is None:  # the groups cannot meet the floors: come as near as can be
                target = goal.towards_floors()
                mixed, labels = self._mixtures(target, assignment, rows, deadline)
            if mixed.utilities is None:
                break
            one = self._found(mixed, labels)
            if target is goal and found and one.value <= found[-1].value + CLOSE * goal.range:
                found[-1] = _tighter(found[-1], one)
                break
            if target is goal:
                found.append(one)
            moved = self._assignment(one.returns)
            if (moved == assignment).all() or time.monotonic() > deadline:
                break
            assignment = moved
        return found

    def _mixtures(
        self,
        goal: Goal,
        assignment: np.ndarray,
        rows: np.ndarray,
        deadline: float,
        own: np.ndarray | None = None,
        known: float = -np.inf,
    ) -> tuple[Mixed, np.ndarray]:
        """Find the best mixtures for the groups of an assignment; open users have their own."""
        labels = np.unique(assignment[assignment >= 0])
        fixed = np.zeros(len(assignment))
        if self.outside is not None:
            fixed = np.where(assignment == OUTSIDE, self.outside, fixed)
        if own is not None:
            fixed = np.where(assignment == OPEN, own, fixed)

        def best(weights: np.ndarray) -> tuple[np.ndarray, float]:
            earned = self.reachable.earned_by_best(weights)
            return earned, float(weights @ earned)

        first = list(self.reachable.returns[rows])
        groups = [Group(np.flatnonzero(assignment == label), best, first) for label in labels]
        return best_mixtures(goal, groups, fixed, deadline, known), labels

    def _found(self, mixed: Mixed, labels: np.ndarray) -> _Found:
        """Name the policies of mixtures, and what all users have of them."""
        assert mixed.utilities is not None
        known = self.reachable.returns
        parts = []
        for columns, chances in zip(mixed.columns, mixed.chances, strict=True):
            rows = [int(np.abs(known - column).max(axis=1).argmin()) for column in columns]
            parts.append((np.array(rows), chances))
        if not parts:  # nobody has a policy
            parts = [(np.array([self.reachable.best(self.pool.shares)]), np.ones(1))]
            known, labels = self.reachable.returns, np.zeros(1)
        parts += parts[:1] * (self.num_policies - len(labels))
        returns = np.array([chances @ known[rows] for rows, chances in parts])
        utilities = returns.max(axis=0)
        if self.outside is not None:
            utilities = np.maximum(utilities, self.outside)
        return _Found(tuple(parts), returns, utilities, self.goal.value(utilities), mixed.bound)

    def _meets_floors(self, one: _Found) -> bool:
        goal = self.goal
        if goal.short(one.utilities) > 10.0 * CLOSE * goal.range:
            return False
        shares = [floor for floor in self.floors if floor.of == "share"]  # these are no rows
        pool = self.pool if shares else None
        return pool is None or not any(floor.misses(pool, one.utilities) for floor in shares)

    def _own(self) -> np.ndarray:
        """Return what each user has from the policy that is best for them alone, or outside."""
        own = np.empty(self.reachable.num_users)
        for user, alone in enumerate(np.eye(len(own))):
            own[user] = self.reachable.earned_by_best(alone)[user]
        return own if self.outside is None else np.maximum(own, self.outside)

    def _unreachable(self) -> np.ndarray:
        """List users whom not even the policy that is best for them alone serves to the floor."""
        own, pool = self._own(), self.pool
        levels = [floor.levels(pool) for floor in self.floors if floor.of == "everyone"]
        if not levels:
            return np.empty(0, np.int64)
        return np.flatnonzero(own < np.max(levels, axis=0) - pool.slack)

    def _smallest(self, seconds: float) -> float | None:
        """Find the smallest number of policies that meets the floors, if it is proven."""
        for more in range(self.num_policies + 1, self.reachable.num_users + 1):
            self.num_policies = more
            started = time.monotonic()
            selection, _ = self.deterministic(seconds / 4.0)
            if self.drawn(selection, started + seconds / 2.0):
                return float(more)
            found: list[_Found] = []
            bound = self.bound(found, started + 3.0 * seconds / 4.0)
            bound = self.group_by_group(found, bound, started + seconds)
            if found:
                return float(more)
            if bound > -np.inf:
                return None
        return None


def _value_of(found: list[_Found]) -> float:
    """Return the welfare of the best that was found; minus infinity if there is nothing."""
    return max((one.value for one in found), default=-np.inf)


def _tighter(one: _Found, other: _Found) -> _Found:
    """Return the first with the lower of the bounds; both hold for the same groups or for one."""
    return one if one.bound <= other.bound else other
