"""The choice for a CVaR or a Gini welfare: by swaps and prices first, and then by a program.

The relaxation of these programs is weak: beyond small tables, swaps find better choices in a second
than the program does in a minute. So both are run, and the better choice and the better bound kept.
"""

from __future__ import annotations

import numpy as np

from handful.choice.concave import choose_concave, choose_cvar
from handful.choice.floors import Floor
from handful.choice.found import PROVEN, Found
from handful.choice.large import choose_large
from handful.choice.pool import Pool
from handful.welfare_functions import CVaR, PlaceWelfare

SMALL = 2_000
"""The entries of a table up to which a program alone proves the best choice quickly."""


def choose_by_places(
    pool: Pool,
    welfare: PlaceWelfare,
    most: float,
    floors: tuple[Floor, ...],
    seconds: float,
    start: np.ndarray | None,
) -> Found:
    """Choose for a CVaR or a Gini welfare.

    Args:
        pool: the pool.
        welfare: the welfare.
        most: how many policies, or how much money.
        floors: the floors, which can be met.
        seconds: the time limit.
        start: a choice that meets the floors; None without floors.
    """
    if pool.lifted.size <= SMALL:
        return _by_program(pool, welfare, most, floors, seconds)
    quick = choose_large(pool, welfare, most, floors, seconds / 4.0, start)
    assert quick.rows is not None
    value = float(welfare.value(pool.utilities(quick.rows), pool.shares))
    if quick.bound - value <= PROVEN * float(np.ptp(pool.lifted)):
        return quick
    slow = _by_program(pool, welfare, most, floors, 0.75 * seconds)
    bound = min(slow.bound, quick.bound)
    if slow.rows is None or welfare.value(pool.utilities(slow.rows), pool.shares) < value:
        return Found(quick.rows, bound)
    return Found(slow.rows, bound)


def _by_program(
    pool: Pool, welfare: PlaceWelfare, most: float, floors: tuple[Floor, ...], seconds: float
) -> Found:
    if isinstance(welfare, CVaR):
        return choose_cvar(pool, welfare, most, floors, seconds)
    return choose_concave(pool, welfare, most, floors, seconds)
