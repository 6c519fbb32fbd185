"""Choices from tables too large for an integer program: good ones, with a bound and its gap.

The choice is searched for by swaps (:mod:`handful.choice.search`), and prices of the users bound
how much better another could be (:mod:`handful.choice.bound`).
"""

from __future__ import annotations

import math
import time

import numpy as np

from handful.choice.bound import bound
from handful.choice.floors import Floor
from handful.choice.found import Found
from handful.choice.pool import Pool
from handful.choice.search import cover_most, search
from handful.welfare_functions import Welfare

MOST_ENTRIES = 400_000
"""The entries of a table from which it is large."""

MOST_COVERED = 2_000_000
"""The same where the programs are set covers, whose variables are the policies alone."""


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
    rows = search(pool, welfare, most, floors, start, began + 0.6 * seconds)
    return Found(rows, bound(pool, welfare, most, pool.utilities(rows), began + 0.95 * seconds))


def choose_quickly(pool: Pool, welfare: Welfare, most: float) -> np.ndarray:
    """Choose by greedy additions and swaps alone: the same table always gives the same choice.

    Args:
        pool: the pool.
        welfare: the welfare function, bound to groups.
        most: how many policies, or how much money.

    Returns:
        the rows of the chosen policies.
    """
    found = [
        search(pool, welfare, most, (), start, math.inf, again=False)
        for start in (None, cover_most(pool, most, math.inf))
    ]
    return max(found, key=lambda rows: welfare.value(pool.utilities(rows), pool.shares))
