"""Bounds on the welfare of every choice, from prices of the users, in plain arithmetic.

For any weights g of the users that are a gradient of W at v, any prices p of the users and any
choice J, as W is concave,

    W(u) <= W(v) - g v + sum_i g_i p_i + sum_{j in J} rho_j,   rho_j = sum_i g_i max(0, v_ji - p_i),

so the prices and the best rho that the budget pays for bound every choice (Cornuejols, Fisher and
Nemhauser, 1977). Prices follow the subgradient. Floors are left out, and the bound stays valid.

A Gini welfare or a CVaR is W(u) = min g u over a set of weights g, all those that the places can
give, so the constant W(v) - g v is 0 and weights and prices fall together: a step along the
subgradient, then back to the nearest weights of the set, which isotonic regression finds (Lim and
Wright, 2016). Other weights are the gradient at the mean of the utilities that the best rho of the
rounds before would give.

The bounds that are found near those of the linear relaxation, which a choice seldom reaches where
tables have no structure.
"""

from __future__ import annotations

import math
import time

import numpy as np
from scipy.optimize import isotonic_regression

from handful.choice.pool import Pool
from handful.choice.search import inside
from handful.welfare_functions import CVaR, PlaceWelfare, PowerMean, Welfare

_PATIENCE = 12
"""The rounds without a better bound after which the step is made smaller."""

_SMALLER = 0.7
"""The factor by which it is made smaller."""

_MEMORY = 0.8
"""How much of the step before is kept, where weights and prices move together."""

_WEIGHTS = 300.0
"""How much faster weights move than prices, found on tables of seeds above 100."""

_ROWS = 64
"""The rows of a table that are looked at together."""


def bound(
    pool: Pool, welfare: Welfare, most: float, utilities: np.ndarray, deadline: float
) -> float:
    """Give a number that the welfare of no choice within the budget exceeds.

    Args:
        pool: the pool.
        welfare: the welfare function, bound to groups.
        most: how many policies, or how much money.
        utilities: those of a good choice, [N].
        deadline: the time at which to stop, as :func:`time.monotonic` says it.
    """
    if isinstance(welfare, PowerMean) and welfare.exponent == -math.inf:
        welfare = CVaR(float(pool.shares.min()))  # the same, for so small a share
    if isinstance(welfare, PlaceWelfare):
        return _by_places(pool, welfare, most, utilities, deadline)
    return _by_gradients(pool, welfare, most, utilities, deadline)


def _by_places(
    pool: Pool, welfare: PlaceWelfare, most: float, utilities: np.ndarray, deadline: float
) -> float:
    """Bound a welfare by places; weights and prices move together."""
    shares, unit = pool.shares, float(np.ptp(pool.lifted)) or 1.0
    base = pool.base / unit
    gains = ((pool.lifted - pool.base) / unit).astype(np.float32)  # halves the time of a round
    value = float(welfare.value(utilities, shares)) / unit
    weights = np.ones(pool.num_users)  # of a unit of share
    prices = utilities / unit - base
    best, best_weights, best_prices = np.inf, weights, prices
    turn, fall = np.zeros_like(weights), np.zeros_like(prices)
    step, waited = 1.0, 0
    while time.monotonic() < deadline and step > 1e-4:
        rho = _rho(gains, prices.astype(np.float32), shares * weights)
        taken, worth = _paid(pool, rho, most)
        found = float(shares @ (weights * (base + prices))) + worth
        if found < best:
            waited = 0 if found < best - 1e-4 * (best - value) else waited
            best, best_weights, best_prices = found, weights, prices
        waited += 1
        if waited > _PATIENCE:
            step, waited = _SMALLER * step, 0
            weights, prices = best_weights, best_prices
            turn, fall = np.zeros_like(weights), np.zeros_like(prices)
            continue
        above = np.maximum(gains[taken] - prices, 0.0)
        reached = base + prices + above.sum(axis=0)
        turn = _MEMORY * turn + reached - float(shares @ reached)
        fall = _MEMORY * fall + weights * (1.0 - (above > 0.0).sum(axis=0))
        size = float(shares @ (_WEIGHTS * np.square(turn) + np.square(fall)))
        if size == 0.0:
            break
        length = step * (found - value) / size
        weights = _nearest(welfare, weights - length * _WEIGHTS * turn, shares)
        prices = np.maximum(prices - length * fall, 0.0)
    exact = np.concatenate(
        [
            np.maximum(pool.lifted[i : i + _ROWS] - pool.base - unit * best_prices, 0.0)
            @ (shares * best_weights)
            for i in range(0, pool.num_policies, _ROWS)
        ]
    )
    in_any_case = float(shares @ (best_weights * (pool.base + unit * best_prices)))
    return in_any_case + _paid(pool, exact, most)[1]


def _rho(gains: np.ndarray, prices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what each policy is worth above the prices, [M], a few rows at a time."""
    weights = weights.astype(np.float32)
    parts = [
        np.maximum(gains[i : i + _ROWS] - prices, 0.0) @ weights
        for i in range(0, len(gains), _ROWS)
    ]
    return np.concatenate(parts).astype(np.float64)


def _nearest(welfare: PlaceWelfare, weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the weights nearest to given ones that the places of a welfare can give.

    Args:
        welfare: the welfare.
        weights: weights of a unit of share, [N].
        shares: the users' shares; distances are weighed by them.
    """
    order = np.argsort(-weights, kind="stable")
    places = welfare.weights_of_places(shares[order]) / shares[order]
    over = isotonic_regression(weights[order] - places, weights=shares[order], increasing=False).x
    made = np.empty_like(weights)
    made[order] = weights[order] - over
    return made


def _by_gradients(
    pool: Pool, welfare: Welfare, most: float, utilities: np.ndarray, deadline: float
) -> float:
    """Bound a power mean, whose weights are the users' shares, or any welfare by its gradients."""
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
            point = inside(welfare, pool, total / rounds)
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
