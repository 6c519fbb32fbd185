"""Choices from tables too large for an integer program: good ones, with a bound and its gap.

*From below.* Policies are added greedily and then swapped while a swap helps
(:mod:`handful.exact.swaps`). For a power mean that is done on the table f(returns), whose sum is
the welfare. Other welfares weigh the users by the gradient where they stand, and so the swaps that
the gradient praises most are tried one by one.

*From above.* For any weights g of the users that are a gradient of W at v, any prices p of the
users and any choice J, as W is concave,

    W(u) <= W(v) - g v + sum_i g_i p_i + sum_{j in J} rho_j,   rho_j = sum_i g_i max(0, v_ji - p_i),

so the prices and the best rho that the budget pays for bound every choice (Cornuejols, Fisher and
Nemhauser, 1977). Prices follow the subgradient; weights follow the gradient at the mean of the
utilities that the best rho of the rounds before would give. Floors are left out of the bound, which
stays valid, and are kept by every swap.
"""

from __future__ import annotations

import math
import time

import numpy as np

from handful.choice.floors import Floor
from handful.choice.found import Found
from handful.choice.pool import Pool
from handful.exact.swaps import add_greedily, swap
from handful.welfare_functions import PowerMean, Welfare

MOST_ENTRIES = 400_000
"""The entries of a table from which it is large."""

MOST_COVERED = 2_000_000
"""The same where the programs are set covers, whose variables are the policies alone."""

_TRIED = 24
"""How many of the most praised swaps are tried."""

_PATIENCE = 12
"""The rounds without a better bound after which the step is halved."""


def is_large(pool: Pool, *, covers_only: bool = False) -> bool:
    """Return whether a table is too large for an integer program.

    Args:
        pool: the pool.
        covers_only: whether the program has variables for policies alone, as set covers have.
    """
    return pool.lifted.size > (MOST_COVERED if covers_only else MOST_ENTRIES)


def choose_large(
    pool: Pool,
    welfare: Welfare,
    most: float,
    floors: tuple[Floor, ...],
    seconds: float,
    start: np.ndarray | None,
) -> Found:
    """Choose from a large pool, and bound how much better a choice could be.

    Args:
        pool: the pool.
        welfare: the welfare function, bound to groups.
        most: how many policies, or how much money.
        floors: the floors.
        seconds: the time for all.
        start: a choice that meets the floors; None without floors.
    """
    began = time.monotonic()
    search = _Search(pool, welfare, most, floors)
    rows = search.best(start, began + 0.6 * seconds)
    bound = _bound(pool, welfare, most, pool.utilities(rows), began + 0.95 * seconds)
    return Found(rows, bound)


def choose_quickly(pool: Pool, welfare: Welfare, most: float) -> np.ndarray:
    """Choose by greedy additions and swaps alone: the same table always gives the same choice.

    Args:
        pool: the pool.
        welfare: the welfare function, bound to groups.
        most: how many policies, or how much money.

    Returns:
        the rows of the chosen policies.
    """
    search = _Search(pool, welfare, most, ())
    covering = search.improved(search.cover_most(math.inf), math.inf)
    return max(search.best(None, math.inf), covering, key=search.value)


class _Search:
    """The search for a good choice."""

    def __init__(
        self, pool: Pool, welfare: Welfare, most: float, floors: tuple[Floor, ...]
    ) -> None:
        self.pool, self.welfare, self.most, self.floors = pool, welfare, most, floors

    def value(self, rows: np.ndarray) -> float:
        """Return the welfare of a choice; minus infinity if it breaks the budget or a floor."""
        if self.pool.price(rows) > self.most * (1.0 + 1e-12):
            return -np.inf
        utilities = self.pool.utilities(rows)
        if any(floor.misses(self.pool, utilities) for floor in self.floors):
            return -np.inf
        return float(self.welfare.value(utilities, self.pool.shares))

    def best(self, start: np.ndarray | None, deadline: float) -> np.ndarray:
        """Return the best choice that greedy additions and swaps find."""
        starts = [] if start is None else [start]
        starts.append(self._by_mean())
        rows = max(starts, key=self.value)
        value = self.value(rows)
        if not np.isfinite(value) and not self.floors:
            rows = self.cover_most(deadline)
        return self.improved(rows, deadline)

    def improved(self, rows: np.ndarray, deadline: float) -> np.ndarray:
        """Return a choice after all additions and swaps that help."""
        value = self.value(rows)
        while time.monotonic() < deadline:
            better = self._step(rows, value, deadline)
            if better is None:
                return rows
            rows, value = better
        return rows

    def _by_mean(self) -> np.ndarray:
        """Return a good choice for the mean of f(returns), or of the returns."""
        pool = self.pool
        worth = pool.lifted
        if isinstance(self.welfare, PowerMean) and math.isfinite(self.welfare.exponent):
            made = self.welfare.transform(pool.lifted)
            if np.isfinite(made).all():
                worth = made
        gains = (worth - worth.min(axis=0)) * pool.shares
        if pool.costs is not None:
            return self._by_cost(gains)
        size = min(int(self.most), pool.num_policies)
        rows = add_greedily(gains, np.empty(0, np.int64), size)
        return swap(gains, rows, 1e-9 * float(gains.max(axis=0).sum()))

    def _by_cost(self, gains: np.ndarray) -> np.ndarray:
        """Add what gains most for its cost, while the budget pays for it."""
        costs = self.pool.costs
        assert costs is not None
        rows: list[int] = []
        served, left = np.zeros(self.pool.num_users), self.most
        while True:
            gained = np.maximum(gains, served).sum(axis=1) - served.sum()
            rate = np.where(costs <= left, gained / np.maximum(costs, 1e-12), -np.inf)
            best = int(rate.argmax())
            if (rate[best] <= 0.0 and rows) or not np.isfinite(rate[best]):
                return np.array(rows, np.int64)
            rows.append(best)
            served, left = np.maximum(served, gains[best]), left - costs[best]

    def cover_most(self, deadline: float) -> np.ndarray:
        """Return a choice that covers all users as high as greedy covers can."""
        values = np.unique(self.pool.lifted)
        low, high = 0, len(values)
        rows = self._cover(values[0])
        while low + 1 < high and time.monotonic() < deadline:
            middle = (low + high) // 2
            found = self._cover(values[middle])
            if found is None:
                high = middle
            else:
                low, rows = middle, found
        return np.array([0]) if rows is None else rows

    def _cover(self, least: float) -> np.ndarray | None:
        """Return a choice that gives everybody so much, found greedily."""
        covers = self.pool.lifted >= least
        costs = np.ones(len(covers)) if self.pool.costs is None else self.pool.costs
        open_users, rows = self.pool.base < least, []
        if self.pool.outside is None and not open_users.any():
            return np.array([int(costs.argmin())])
        while open_users.any():
            counts = covers[:, open_users].sum(axis=1) / np.maximum(costs, 1e-12)
            best = int(counts.argmax())
            rows.append(best)
            if counts[best] == 0 or self.pool.price(rows) > self.most:
                return None
            open_users = open_users & ~covers[best]
        return np.array(rows)

    def _step(
        self, rows: np.ndarray, value: float, deadline: float
    ) -> tuple[np.ndarray, float] | None:
        """Return the best of the additions and swaps that the gradient praises most, if better."""
        pool = self.pool
        utilities = pool.utilities(rows)
        try:
            slope = self.welfare.gradient(_smooth(self.welfare, pool, utilities), pool.shares)
        except Exception:
            slope = pool.shares
        users = np.flatnonzero(slope > 0.0)
        weighed, slope = pool.lifted[:, users], slope[users]
        tries: list[tuple[float, np.ndarray]] = []
        for out in [None, *range(len(rows))]:
            kept = rows if out is None else np.delete(rows, out)
            if out is None and pool.costs is None and len(rows) >= self.most:
                continue
            there = pool.utilities(kept)[users] if len(kept) else pool.base[users]
            praise = np.maximum(weighed, there) @ slope
            for row in np.argsort(praise)[-3:]:
                tries.append((float(praise[row]), np.append(kept, row)))
        tries.sort(key=lambda one: -one[0])
        best = None
        for _, some in tries[: _TRIED * 2]:
            found = self.value(some)
            if found > value + 1e-12 * max(abs(value), 1.0):
                best, value = some, found
            if time.monotonic() > deadline:
                break
        return None if best is None else (best, value)


def _smooth(welfare: Welfare, pool: Pool, utilities: np.ndarray) -> np.ndarray:
    """Return utilities at which the gradient says something about more than one user."""
    if isinstance(welfare, PowerMean) and welfare.exponent < 1.0:
        return np.maximum(utilities, welfare.reference + 1e-6 * float(np.ptp(pool.lifted)))
    return utilities


def _bound(
    pool: Pool, welfare: Welfare, most: float, utilities: np.ndarray, deadline: float
) -> float:
    """Return a number that the welfare of no choice within the budget exceeds."""
    is_sum = isinstance(welfare, PowerMean) and math.isfinite(welfare.exponent)
    table, weights, mean = pool.lifted, None, utilities
    value = float(welfare.value(utilities, pool.shares))
    if is_sum:
        table = welfare.transform(pool.lifted)  # type: ignore[union-attr]
        least = np.where(np.isfinite(table), table, np.inf).min(axis=0)
        table = np.where(np.isfinite(table), table, least)
        weights = pool.shares
        mean = welfare.transform(utilities)  # type: ignore[union-attr]
        value = float(pool.shares @ mean) if np.isfinite(mean).all() else -np.inf
        mean = np.maximum(mean, least)
    prices, lowest = mean.copy(), np.inf
    best_prices, step, waited = prices, 1.0, 0
    total = mean.copy()
    rounds = 1
    slope, constant = weights, 0.0
    while time.monotonic() < deadline and step > 1e-3:
        if not is_sum:
            point = _smooth(welfare, pool, total / rounds)
            slope = welfare.gradient(point, pool.shares)
            constant = float(welfare.value(point, pool.shares) - slope @ point)
        assert slope is not None
        users = np.flatnonzero(slope > 0.0)
        whole = len(users) == pool.num_users
        part = table if whole else table[:, users]
        margins = part - prices[users]
        np.maximum(margins, 0.0, out=margins)
        rho = margins @ slope[users]
        taken, worth = _paid(pool, rho, most)
        bound = constant + float(slope[users] @ prices[users]) + worth
        waited = 0 if bound < lowest - 1e-4 * abs(lowest - value) else waited + 1
        if bound < lowest:
            lowest, best_prices = bound, prices
        if lowest <= value + 1e-9 * max(abs(value), 1.0):
            break
        served = np.zeros(pool.num_users)
        served[users] = (margins[taken] > 0.0).sum(axis=0)
        fall = slope * (1.0 - served)
        if not is_sum:
            rounds += 1
            gained = np.zeros(pool.num_users)
            gained[users] = margins[taken].max(axis=0) if len(taken) else 0.0
            reached = np.where(gained > 0.0, prices + gained, np.minimum(prices, total / rounds))
            total = total + np.maximum(reached, pool.base)
        size = float(np.square(fall).sum())
        if size == 0.0:
            break
        if waited >= _PATIENCE:
            step, waited, prices = step / 2.0, 0, best_prices
            continue
        prices = prices - step * (bound - value) / size * fall
    if is_sum:
        return welfare.inverse(max(lowest, value))  # type: ignore[union-attr]
    return lowest


def _paid(pool: Pool, rho: np.ndarray, most: float) -> tuple[np.ndarray, float]:
    """Return the best rho that the budget pays for, the last perhaps in part, and their sum."""
    if pool.costs is None:
        size = min(int(most), len(rho))
        taken = np.argpartition(rho, -size)[-size:]
        return taken, float(rho[taken].sum())
    order = np.argsort(-rho / np.maximum(pool.costs, 1e-12), kind="stable")
    spent = np.cumsum(pool.costs[order])
    number = int(np.searchsorted(spent, most, side="right"))
    worth = float(rho[order[:number]].sum())
    if number < len(order):
        before = spent[number - 1] if number else 0.0
        worth += float(rho[order[number]] * (most - before) / pool.costs[order[number]])
    return order[:number], worth
