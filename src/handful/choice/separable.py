"""The best choice for the mean, the Nash welfare and all power means: a sum over users, exactly.

The power mean of exponent p is an increasing function of sum_i m_i f(u_i), where f is u, log u or
sign(p) u^p. As f increases, the best of the chosen policies' f is the f of the best: so the choice
is the utilitarian one of the table f(returns), and the facility-location solver
(:mod:`handful.exact.facility`) proves it. Nothing has to be approximated.

For p far below 0 the numbers f(u) differ by many powers of ten, and the absolute tolerances of a
solver would mean nothing. A good choice, the egalitarian one, is known before. No better choice
leaves user i with less than the return at which user i alone, with all others at their best, makes
the sum worse. Such returns are excluded, and the rest differ by a factor of about N at most.
"""

from __future__ import annotations

import numpy as np

from handful.choice.egalitarian import most_for_the_worst
from handful.choice.floors import Floor
from handful.choice.found import Found
from handful.choice.pool import Pool
from handful.choice.program import program_of
from handful.errors import HandfulError
from handful.exact.facility import choose as choose_mean
from handful.welfare_functions import PowerMean

_STEEP = 1e3
"""The range of f beside its mean size from which low returns are excluded first."""


def choose_separable(
    pool: Pool,
    welfare: PowerMean,
    most: float | None,
    floors: tuple[Floor, ...],
    seconds: float,
) -> Found:
    """Choose for a power mean whose exponent is finite.

    Args:
        pool: the pool.
        welfare: the power mean.
        most: how many policies, or how much money; None without a limit.
        floors: the floors, which can be met.
        seconds: the time limit.

    Raises:
        HandfulError: if the welfare is not defined for any choice.
    """
    worth = welfare.transform(pool.lifted)
    least = np.full(pool.num_users, -np.inf)
    best = worth.max(axis=0)
    known = -np.inf
    start = None
    if not np.isfinite(worth).all() or _is_steep(worth, welfare):
        start = most_for_the_worst(pool, most, floors, seconds).rows
        utilities = pool.utilities(start)
        known = float(pool.shares @ welfare.transform(utilities))
        if not np.isfinite(known):
            _refuse(pool, welfare, utilities)
        # User i with f, and all others at their best: less than what is known is not of interest.
        least = best - (float(pool.shares @ best) - known) / pool.shares
        least = least - 1e-9 * np.abs(least)
    is_plain = start is None and not floors and pool.costs is None and most is not None
    if is_plain:
        try:
            gains = (worth - worth.min(axis=0)) * (pool.shares * pool.num_users)
            choice = choose_mean(gains, int(most), time_limit=seconds)  # type: ignore[arg-type]
            short = max(choice.upper_bound - choice.welfare, 0.0)
            total = float(pool.shares @ worth[choice.indices].max(axis=0))
            return Found(choice.indices, welfare.inverse(total + short))
        except RuntimeError:  # not proven in time: the program below states its gap
            pass
    program = program_of(pool, most, floors)
    allowed = np.isfinite(worth) & (worth >= least)
    floor_of = np.where(allowed, worth, np.inf).min(axis=0)
    base = welfare.transform(pool.base)
    for user in np.flatnonzero(~(np.isfinite(base) & (base >= least))):
        program.serve(int(user), float(pool.lifted[allowed[:, user], user].min()))
    users = program.level_user
    high = np.maximum(welfare.transform(program.level_high), floor_of[users])
    low = np.maximum(welfare.transform(program.level_low), floor_of[users])
    differences = pool.shares[users] * (high - low)
    in_any_case = float(pool.shares @ np.maximum(base, floor_of))
    scale = 100.0 / (float(differences.max(initial=0.0)) or 1.0)
    solved = program.maximise(program.levels, differences * scale, seconds)
    bound = max(solved.bound / scale + in_any_case, known)
    candidates = [rows for rows in (solved.rows, start) if rows is not None]
    if not candidates:
        return Found(None, welfare.inverse(min(bound, float(pool.shares @ best))))
    rows = max(candidates, key=lambda some: welfare.value(pool.utilities(some), pool.shares))
    return Found(rows, welfare.inverse(min(bound, float(pool.shares @ best))))


def _is_steep(worth: np.ndarray, welfare: PowerMean) -> bool:
    """Return whether f differs by so much that a solver's tolerances would mean nothing."""
    if welfare.exponent >= 0.0:
        return False
    return bool(np.ptp(worth) > _STEEP * np.abs(worth.max(axis=0)).min())


def _refuse(pool: Pool, welfare: PowerMean, utilities: np.ndarray) -> None:
    """Refuse a welfare that no choice gives a value."""
    worst = np.flatnonzero(~np.isfinite(welfare.transform(utilities)))
    least = float(utilities.min())
    raise HandfulError(
        f"The welfare '{welfare.name}' is not defined for any choice: even the choice that is best "
        f"for the worst served leaves {len(worst)} of {pool.num_users} users with at most "
        f"{utilities[worst].max():g}, which is no gain over the reference point "
        f"{welfare.reference:g}; give one below {least:g}, as in "
        f"'{welfare.name.partition('@')[0]}@{least - 1.0:g}', or outside options above it."
    )
