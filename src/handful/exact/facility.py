"""The exact choice of the best k of M candidates, when every user is served by the best chosen.

Given the returns `values[j, i]` of M candidate policies to N users, `choose` picks at most k rows
so that the mean over users of the best return among the chosen is as high as it can be. This is the
uncapacitated k-median (facility location) problem; it is NP-hard, yet its linear relaxation is
mostly tight, which the three steps below exploit:

1. A greedy choice, improved by single swaps, gives a good choice and with it a lower bound.
2. *Prices.* For any prices u [N] and any choice J of at most k rows

       sum_i max_{j in J} v_ji  <=  sum_i u_i + sum_{j in J} rho_j,
       with  rho_j = sum_i max(0, v_ji - u_i),

   so the prices plus the k largest rho bound the optimum from above (Cornuejols, Fisher and
   Nemhauser, 1977), in plain arithmetic that trusts no solver. Good prices are found by cutting
   planes: a small linear program over (u, theta) with rows `rho_j(u) <= theta`, added as they are
   violated. If the bound meets the lower bound, the choice is proven. If not, the same inequality
   with j forced into J bounds every choice that uses j, and discards most rows.
3. A mixed-integer program (HiGHS) over the rows that are left. For user i with distinct returns
   v_1 > v_2 > ... it has level variables z_l <= 1, "gets at least v_l", worth v_l - v_{l+1} each:
   z_l <= z_{l-1} + (number of chosen rows with return exactly v_l). Only the rows are integer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, hstack, vstack

from handful.exact.swaps import add_greedily, swap, total_gain

TOLERANCE = 1e-6
"""The slack of a proof, as a share of (largest - smallest value), the same as HiGHS's own."""

_SCALE = 100.0  # the largest gain after scaling
_MAX_ROUNDS = 100  # the most rounds of cutting planes; convergence mostly takes about 25
_CUTS_PER_ROUND = 50
_MAX_PAIR_WORK = 2e9  # the most additions for pairs, a few seconds
_PRICED_FROM = 10  # rows for each user; with fewer, the integer program alone is quicker


@dataclass(frozen=True, eq=False)
class Choice:
    """The best rows, and both sides of the proof.

    Attributes:
        indices: the chosen rows, ascending, int64 [K'], K' <= k; each is the best row of some user.
        assignment: the position in `indices` of each user's best row (the first of equals): int64
            [N].
        welfare: the mean over users of their best return.
        upper_bound: a number that the welfare of no choice of at most k rows exceeds. For integer
            values it equals `welfare`; otherwise it is higher by at most `TOLERANCE` * (largest -
            smallest value).
    """

    indices: np.ndarray
    assignment: np.ndarray
    welfare: float
    upper_bound: float


def choose(values: np.ndarray, num_policies: int, *, time_limit: float | None = None) -> Choice:
    """Choose at most `num_policies` rows of `values` [M, N] that serve the N users best.

    Any finite values do: negative ones, ties, fewer rows than policies. For integer values (whose
    range times N is moderate: below 1e5) the optimum is exact: sums of integers are integers, so a
    bound less than one above the total found proves it. For others it is within `TOLERANCE`, as
    `Choice` says.

    Args:
        values: the returns of M candidates to N users, [M, N].
        num_policies: the number of rows that may be chosen, at least 1.
        time_limit: the seconds for the integer program; None for no limit.

    Returns:
        the chosen rows, with the proof.

    Raises:
        ValueError: if `values` is not a non-empty finite matrix, or `num_policies` is below 1.
        RuntimeError: if optimality could not be proven.
    """
    values = checked(values, num_policies)
    num_policies = min(num_policies, len(values))
    gains, unit = scaled(values)
    gap = provable_gap(values, unit)

    chosen = greedy_with_swaps(gains, num_policies)
    target = total_gain(gains, chosen) + gap
    row_bounds = _price_bounds(gains, num_policies, target)
    useful = row_bounds > target
    if num_policies == 2 and useful.sum() ** 2 * gains.shape[1] <= _MAX_PAIR_WORK:
        row_bounds[useful] = _pair_totals(gains[useful])
        useful = row_bounds > target
    bound = row_bounds[~useful].max(initial=0.0)
    if useful.any():
        limits = {} if time_limit is None else {"time_limit": time_limit}
        better, solved_bound = solve(gains[useful], num_policies, gap, **limits)
        better = np.flatnonzero(useful)[better]
        chosen = max(chosen, better, key=lambda rows: total_gain(gains, rows))
        bound = min(max(bound, solved_bound), row_bounds.max())
    shortfall = max(0.0, bound - total_gain(gains, chosen))
    if bound > total_gain(gains, chosen) + gap:
        raise RuntimeError(
            f"HiGHS could not prove the choice of {num_policies} from {len(values)} rows optimal "
            f"(welfare is within {shortfall / unit / values.shape[1]:.3g} of the bound)."
        )
    exact = gap > tolerance(values.shape[1])
    return make_choice(values, chosen, 0.0 if exact else shortfall / unit)


def choose_greedily(values: np.ndarray, num_policies: int) -> Choice:
    """Return a good choice quickly, without a proof: greedy, improved by swaps."""
    rows = greedy_with_swaps(values - values.min(axis=0), min(num_policies, len(values)))
    return make_choice(values, rows, np.inf)


def checked(values: np.ndarray, *budgets: int) -> np.ndarray:
    """Return the values as float64 [M, N].

    Raises:
        ValueError: if they are not a non-empty finite matrix, or a budget is below 1.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"The values must be a finite [M, N] matrix, got shape {values.shape}.")
    if min(budgets) < 1:
        raise ValueError(f"The number of policies must be at least 1, got {min(budgets)}.")
    return values


def scaled(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the users' gains over their worst row, at most 100, and what one unit of value is.

    The return that a user gets in any case decides nothing, so it is subtracted. The rest is
    scaled, so that absolute tolerances mean the same for every unit of the returns.
    """
    gains = values - values.min(axis=0)
    unit = _SCALE / (float(gains.max()) or 1.0)
    return gains * unit, unit


def make_choice(values: np.ndarray, rows: np.ndarray, shortfall: float) -> Choice:
    """Assign the users, leave out rows that serve nobody, and state the welfare.

    Args:
        values: the returns of M candidates to N users, [M, N].
        rows: the rows that are chosen.
        shortfall: how far, in total value, the upper bound lies above the choice.
    """
    rows = np.sort(rows)
    serving, assignment = np.unique(values[rows].argmax(axis=0), return_inverse=True)
    welfare = float(values[rows].max(axis=0).mean())
    return Choice(rows[serving], assignment, welfare, welfare + shortfall / values.shape[1])


def tolerance(num_users: int) -> float:
    """Return what counts as nothing in the scaled total gain of all users."""
    return TOLERANCE * _SCALE * num_users


def provable_gap(values: np.ndarray, unit: float) -> float:
    """Return how far, in scaled total gain, a bound may lie above an optimal choice.

    Args:
        values: the returns of M candidates to N users, [M, N].
        unit: what one unit of value is after scaling.
    """
    nothing = tolerance(values.shape[1])
    if nothing < 0.1 * unit and np.array_equal(values, np.rint(values)):
        return unit - nothing  # the next better total is a whole unit away
    return nothing


def greedy_with_swaps(gains: np.ndarray, num_policies: int) -> np.ndarray:
    """Add rows one by one, each the best addition, then swap rows while a swap helps."""
    rows = add_greedily(gains, np.empty(0, dtype=np.int64), num_policies)
    return swap(gains, rows, tolerance(gains.shape[1]))


def _price_bounds(gains: np.ndarray, num_policies: int, target: float) -> np.ndarray:
    """Return for each row a bound on the total gain of every choice that uses it [M].

    Each round's prices bound every row validly, so the least over the rounds is kept, and stopping
    early is safe: once no row is above `target` nothing is left to prove.
    """
    num_rows, num_users = gains.shape
    ceiling = gains.max(axis=0)
    row_bounds = np.full(num_rows, ceiling.sum())
    prices, theta, model = np.zeros(num_users), -np.inf, -np.inf
    cuts, limits = csr_array((0, num_users + 1)), np.empty(0)
    for _ in range(_MAX_ROUNDS if num_rows >= _PRICED_FROM * num_users else 0):
        margins = np.maximum(gains - prices, 0.0)
        rho = margins.sum(axis=1)
        top = np.sort(rho)[-num_policies:]
        # The best choice with a row is the row and the k - 1 best others: all of `top` but its
        # least, and the row itself in the least's place (or in its own, if it is one of them).
        bounds = prices.sum() + np.minimum(rho, top[0]) + top[1:].sum()
        row_bounds = np.minimum(row_bounds, bounds)
        if row_bounds.max() <= target or bounds.max() - model <= 0.01 * tolerance(num_users):
            break
        worst = np.argsort(rho)[-_CUTS_PER_ROUND:]
        worst = worst[rho[worst] > theta]
        over = margins[worst] > 0
        cuts = vstack([cuts, hstack([csr_array(over), np.ones((len(worst), 1))])], format="csr")
        limits = np.append(limits, (over * gains[worst]).sum(axis=1))
        # Least sum(u) + k theta with sum_{i in over} (v_ji - u_i) <= theta for every cut.
        cost = np.append(np.ones(num_users), num_policies)
        box = np.column_stack([np.zeros(num_users + 1), np.append(ceiling, np.inf)])
        solution = linprog(cost, A_ub=-cuts, b_ub=-limits, bounds=box, method="highs")
        if not solution.success:
            break
        prices, theta, model = solution.x[:-1], solution.x[-1], solution.fun
    return row_bounds


def _pair_totals(gains: np.ndarray) -> np.ndarray:
    """Return for each row the total gain with its best partner [M], which is exact for k = 2.

    The relaxation is loosest for two policies, but then every pair can be tried.
    """
    return np.array([np.maximum(gains, row).sum(axis=1).max() for row in gains])


def solve(
    gains: np.ndarray, num_policies: int, gap: float, **limits: int | float
) -> tuple[np.ndarray, float]:
    """Solve the integer program, as far as the limits let it.

    Args:
        gains: the gains of N users from M rows, scaled to at most 100, [M, N].
        num_policies: the number of rows that may be chosen.
        gap: how far, in total gain, the bound may lie above the choice.
        limits: HiGHS's `time_limit` in seconds and `node_limit`.

    Returns:
        the best rows that were found, and a bound on the total gain of any choice.
    """
    num_rows = len(gains)
    worth, serve = _levels(gains)
    is_row = np.append(np.ones(num_rows), np.zeros(len(worth)))
    options: dict[str, float] = {"mip_rel_gap": 0.5 * gap / max(worth.sum(), gap)}
    options |= limits
    solution = milp(
        np.append(np.zeros(num_rows), -worth),
        integrality=is_row,
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(serve, -np.inf, 0),
            LinearConstraint(is_row[None], 0, num_policies),
        ],
        options=options,
    )
    if solution.x is None or solution.mip_dual_bound is None:
        return np.array([0]), np.inf
    chosen = np.flatnonzero(solution.x[:num_rows] > 0.5)
    return chosen, float(gains.min(axis=0).sum() - solution.mip_dual_bound)


def _levels(gains: np.ndarray) -> tuple[np.ndarray, csr_array]:
    """Return the level variables of all users: their worth [L] and the constraints `A (y, z) <= 0`.

    One constraint a level, from each user's highest to the second lowest (the lowest is had in any
    case): z_l - z_{l-1} - (sum of y over the rows with exactly v_l) <= 0. A is [L, M + L].
    """
    num_rows, num_users = gains.shape
    worth, levels, columns, entries = [], [], [], []
    first = 0
    for user in range(num_users):
        distinct, rank = np.unique(gains[:, user], return_inverse=True)
        own = np.arange(first, first + len(distinct) - 1)
        first += len(own)
        served = np.flatnonzero(rank > 0)
        worth.append(np.diff(distinct)[::-1])
        levels += [own, own[1:], first - rank[served]]
        columns += [num_rows + own, num_rows + own[:-1], served]
        entries += [np.ones(len(own)), -np.ones(len(own[1:])), -np.ones(len(served))]
    where = (np.concatenate(levels), np.concatenate(columns))
    matrix = csr_array((np.concatenate(entries), where), shape=(first, num_rows + first))
    return np.concatenate(worth), matrix
