"""The search for a good choice from a table of any size, without a proof.

Policies are added greedily and then swapped while a swap helps (:mod:`handful.exact.swaps`), on a
table whose sum over users stands for the welfare:

* of a power mean with a finite exponent, f(returns): the sum is the welfare, up to an increasing
  function;
* of a Gini welfare or a CVaR, f(returns) for the distribution of utilities that there is. Such a
  welfare is a mixture of CVaRs, each of which is the largest over t of
  t - sum_i m_i max(0, t - u_i) / a. With the t of the present utilities the mixture is a sum over
  users of a concave function f of one utility, which is nowhere above the welfare and touches it
  here: so a choice that raises the sum raises the welfare (minorise and maximise; Hunter and Lange,
  2004). The slope of f between two neighbouring utilities is what the better served of the two
  counts for each unit of weight;
* of the worst served user, the same with the CVaR of a few users;
* of all others, the returns weighed by the gradient where the search stands.

At the end the exchanges that the table praises most are tried one by one. Where floors or costs
restrict the choice, only that is done.
"""

from __future__ import annotations

import math
import time

import numpy as np

from handful.choice.floors import Floor
from handful.choice.pool import Pool
from handful.exact.swaps import add_greedily, swap, totals_of_swaps, totals_with
from handful.welfare_functions import CVaR, PlaceWelfare, PowerMean, Welfare

_TRIED = 48
"""How many of the most praised exchanges are tried."""

_KNOTS = 200
"""The most knots of a concave function of utilities."""

_AGAIN = 20
"""How often in a row the search begins again nearby without finding more."""

_WORK = 20_000_000
"""The entries of tables that these new beginnings may look at: large tables have fewer of them."""

_LEVELS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
"""CVaR and the worst served are looked at by way of larger shares of the users."""


def search(
    pool: Pool,
    welfare: Welfare,
    most: float,
    floors: tuple[Floor, ...],
    start: np.ndarray | None,
    deadline: float,
    *,
    again: bool = True,
) -> np.ndarray:
    """Search for a good choice.

    Args:
        pool: the pool.
        welfare: the welfare function, bound to groups.
        most: how many policies, or how much money.
        floors: the floors.
        start: a choice from which to go on; it must meet the floors, if there are any.
        deadline: the time at which the search stops, as :func:`time.monotonic` says it.
        again: whether to begin again nearby where no exchange helps.

    Returns:
        the rows of the choice.
    """
    return _Search(pool, welfare, most, floors).best(start, deadline, again)


def cover_most(pool: Pool, most: float, deadline: float) -> np.ndarray:
    """Give a choice that covers all users as high as greedy covers can.

    Args:
        pool: the pool.
        most: how many policies, or how much money.
        deadline: the time at which the search stops, as :func:`time.monotonic` says it.
    """
    return _Search(pool, PowerMean(-math.inf), most, ())._by_worst(deadline)


class _Search:
    """A search, and what it searches in."""

    def __init__(
        self, pool: Pool, welfare: Welfare, most: float, floors: tuple[Floor, ...]
    ) -> None:
        self.pool, self.welfare, self.most, self.floors = pool, welfare, most, floors
        self.is_plain = pool.costs is None and not floors

    def value(self, rows: np.ndarray) -> float:
        """Return the welfare of a choice; minus infinity if it breaks the budget or a floor."""
        if self.pool.price(rows) > self.most * (1.0 + 1e-12):
            return -np.inf
        utilities = self.pool.utilities(rows)
        if any(floor.misses(self.pool, utilities) for floor in self.floors):
            return -np.inf
        return float(self.welfare.value(utilities, self.pool.shares))

    def best(self, start: np.ndarray | None, deadline: float, again: bool) -> np.ndarray:
        """Return the best choice that greedy additions and exchanges find."""
        starts = [] if start is None else [start]
        starts.append(self._by_sum())
        rows = max(starts, key=self.value)
        value = self.value(rows)
        if not np.isfinite(value) and not self.floors:
            rows = self._by_worst(deadline)
            value = self.value(rows)
        if self.is_plain:
            for some in starts:
                for found in self._by_minorants(_path(self.welfare, self.pool), some, deadline):
                    if self.value(found) > value:
                        rows, value = found, self.value(found)
        rows, value = self._climb(rows, value, deadline)
        return self._begin_again(rows, value, deadline) if again and self.is_plain else rows

    def _begin_again(self, rows: np.ndarray, value: float, deadline: float) -> np.ndarray:
        """Return what a choice becomes if part of it is left to chance and improved again."""
        rng, everything = np.random.default_rng(0), np.arange(self.pool.num_policies)
        vain, most = 0, min(max(_WORK // self.pool.lifted.size, 1), _AGAIN)
        while vain < most and len(rows) < len(everything) and time.monotonic() < deadline:
            kept = rng.permutation(rows)[: len(rows) - rng.integers(1, len(rows) // 2 + 2)]
            others = rng.permutation(np.setdiff1d(everything, kept))
            some = np.append(kept, others[: len(rows) - len(kept)])
            if isinstance(self.welfare, PlaceWelfare):
                some = self._by_minorants([self.welfare], some, deadline)[-1]
            else:
                some = _swapped(_gains(self.pool, self.welfare, self.pool.utilities(some)), some)
            some, found = self._climb(some, self.value(some), deadline)
            vain += 1
            if found > value + self.pool.slack:
                rows, value, vain = some, found, 0
        return rows

    def _climb(self, rows: np.ndarray, value: float, deadline: float) -> tuple[np.ndarray, float]:
        """Add and exchange policies while that helps; return the choice and its welfare."""
        while time.monotonic() < deadline:
            better = self._step(rows, value, deadline)
            if better is None:
                break
            rows, value = better
        return rows, value

    def _by_sum(self) -> np.ndarray:
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
        return _swapped(gains, rows)

    def _by_minorants(
        self, path: list[PlaceWelfare], rows: np.ndarray, deadline: float
    ) -> list[np.ndarray]:
        """Return choices that swaps on minorants of one welfare after the other lead to."""
        found = [rows]
        for welfare in path:
            value = -np.inf
            while time.monotonic() < deadline:
                utilities = self.pool.utilities(rows)
                reached = float(welfare.value(utilities, self.pool.shares))
                if reached <= value + 1e-9 * float(np.ptp(utilities)):
                    break
                value = reached
                rows = _swapped(_gains(self.pool, welfare, utilities), rows)
                found.append(rows)
        return found

    def _by_cost(self, gains: np.ndarray) -> np.ndarray:
        """Add what gains most for its cost, while the budget pays for it."""
        costs = self.pool.costs
        assert costs is not None
        rows: list[int] = []
        served, left = np.zeros(self.pool.num_users), self.most
        while True:
            gained = totals_with(gains, served) - served.sum()
            rate = np.where(costs <= left, gained / np.maximum(costs, 1e-12), -np.inf)
            best = int(rate.argmax())
            if (rate[best] <= 0.0 and rows) or not np.isfinite(rate[best]):
                return np.array(rows, np.int64)
            rows.append(best)
            served, left = np.maximum(served, gains[best]), left - costs[best]

    def _by_worst(self, deadline: float) -> np.ndarray:
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
        """Return the best of the additions and exchanges that the table praises most, if better."""
        pool = self.pool
        utilities = pool.utilities(rows)
        gains = _gains(pool, self.welfare, utilities)
        tries: list[tuple[float, np.ndarray]] = []
        if not self.is_plain or len(rows) < self.most:
            added = totals_with(gains, gains[rows].max(axis=0, initial=0.0))
            tries += [(float(added[row]), np.append(rows, row)) for row in _largest(added)]
        if len(rows):
            totals = totals_of_swaps(gains, rows)
            for entry in _largest(totals.ravel()):
                row, place = np.unravel_index(entry, totals.shape)
                some = np.append(np.delete(rows, place), row)
                tries.append((float(totals[row, place]), some))
        tries.sort(key=lambda one: -one[0])
        best = None
        for _, some in tries:
            found = self.value(some)
            if found > value + 1e-12 * max(abs(value), 1.0):
                best, value = some, found
            if time.monotonic() > deadline:
                break
        return None if best is None else (best, value)


def inside(welfare: Welfare, pool: Pool, utilities: np.ndarray) -> np.ndarray:
    """Give utilities near the given ones at which the welfare has a gradient, [N]."""
    if not isinstance(welfare, PowerMean) or welfare.exponent in (1.0, -math.inf):
        return utilities
    return np.maximum(utilities, welfare.reference + 1e-6 * float(np.ptp(pool.lifted)))


def _path(welfare: Welfare, pool: Pool) -> list[PlaceWelfare]:
    """Return the welfares by places to go through, from the mean on; none for another welfare."""
    if isinstance(welfare, PowerMean) and welfare.exponent == -math.inf:
        return [CVaR(level) for level in _LEVELS if level * pool.num_users >= 1.0]
    if isinstance(welfare, CVaR):
        return [*(CVaR(level) for level in _LEVELS if level > welfare.level), welfare]
    return [welfare] if isinstance(welfare, PlaceWelfare) else []


def _gains(pool: Pool, welfare: Welfare, utilities: np.ndarray) -> np.ndarray:
    """Return the table [M, N], at least 0, whose sum stands for the welfare near utilities."""
    if isinstance(welfare, PowerMean) and math.isfinite(welfare.exponent):
        made = welfare.transform(pool.lifted)
        if np.isfinite(made).all():
            return (made - made.min(axis=0)) * pool.shares
    if isinstance(welfare, PowerMean) and welfare.exponent == -math.inf:
        welfare = CVaR(max(0.01, min(1.0, 3.0 / pool.num_users)))
    if isinstance(welfare, CVaR):
        order = np.argsort(utilities, kind="stable")
        reached = np.cumsum(pool.shares[order])
        last = min(int(np.searchsorted(reached, welfare.level - 1e-12)), len(order) - 1)
        made = np.minimum(pool.lifted, utilities[order[last]])
        return (made - made.min(axis=0)) * pool.shares
    if isinstance(welfare, PlaceWelfare):
        knots, values = _minorant(welfare, utilities, pool)
        made = np.interp(pool.lifted, knots, values)
        return (made - made.min(axis=0)) * pool.shares
    try:
        slope = welfare.gradient(inside(welfare, pool, utilities), pool.shares)
    except Exception:  # a function of the caller's own may raise anything
        slope = pool.shares
    return (pool.lifted - pool.lifted.min(axis=0)) * np.maximum(slope, 0.0)


def _minorant(
    welfare: PlaceWelfare, utilities: np.ndarray, pool: Pool
) -> tuple[np.ndarray, np.ndarray]:
    """Return knots and values of the concave function of one utility that stands for a welfare."""
    order = np.argsort(utilities, kind="stable")
    ends = np.unique(np.linspace(1, len(order), min(_KNOTS, len(order))).astype(int))
    reached = np.append(0.0, np.minimum(np.cumsum(pool.shares[order]), 1.0)[ends - 1])
    reached[-1] = 1.0
    slopes = np.diff(welfare.distortion(reached)) / np.diff(reached)
    inner = utilities[order[ends - 1]]
    low, high = float(pool.lifted.min()), float(pool.lifted.max())
    knots = np.concatenate([[low], inner, [high]])
    # Up to the first of the ends the slope is that of the first part, and behind the last its own.
    steps = np.append(slopes, slopes[-1]) * np.diff(knots)
    return knots, np.append(0.0, np.cumsum(steps))


def _swapped(gains: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the choice to which swaps lead."""
    if len(rows) == 0:
        return rows
    return swap(gains, rows, 1e-9 * float(gains.max(axis=0).sum()))


def _largest(totals: np.ndarray) -> np.ndarray:
    """Return the places of the largest totals."""
    number = min(_TRIED, len(totals))
    return np.argpartition(totals, -number)[-number:]
