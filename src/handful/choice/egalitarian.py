"""The best choice for the worst served user, and then for the next: leximin.

Whether some choice gives everybody at least t is a set-cover question: each user must be covered by
a policy that earns the user t. The largest such t is one of the numbers in the table, so bisection
over them finds it, and the two programs around it prove it.

Leximin goes on from there by the same question with exceptions. Let at most n users have less than
a. Given that, the next worst served user gets at most the largest t for which some choice leaves no
more than n users below t; and then as few users as possible have exactly t. Both are programs, and
each settles at least one more user.
"""

from __future__ import annotations

import time

import numpy as np

from handful.choice.floors import Floor
from handful.choice.found import Found
from handful.choice.pool import Pool
from handful.choice.program import Program, Solved, program_of

_LEXIMIN_LEVELS = 200_000
"""The numbers in a table up to which ties are broken by leximin."""


def most_for_the_worst(
    pool: Pool, most: float | None, floors: tuple[Floor, ...], seconds: float
) -> Found:
    """Choose for the worst served user alone.

    Args:
        pool: the pool.
        most: how many policies, or how much money; None without a limit.
        floors: the floors, which can be met.
        seconds: the time limit.
    """
    return _raise_worst(pool, most, floors, [], 0, time.monotonic() + seconds, None)


def choose_leximin(
    pool: Pool, most: float | None, floors: tuple[Floor, ...], seconds: float
) -> Found:
    """Choose for the worst served user, then for the next worst served, and so on.

    Args:
        pool: the pool.
        most: how many policies, or how much money; None without a limit.
        floors: the floors, which can be met.
        seconds: the time limit.

    Returns:
        the choice, with the bound of its worst served user. Ties are left as they are where the
        time is over.
    """
    deadline = time.monotonic() + seconds
    first = found = _raise_worst(pool, most, floors, [], 0, deadline, None)
    if pool.lifted.size > _LEXIMIN_LEVELS or found.rows is None:
        return found
    settled: list[tuple[float, int]] = []  # at most so many users have less than so much
    below = 0
    ceiling = pool.lifted.max(axis=0)
    while below < pool.num_users and time.monotonic() < deadline:
        utilities = np.sort(pool.utilities(found.rows))
        least = float(utilities[below])
        fewest = int((utilities <= least + pool.slack).sum())
        settled.append((least, below))
        # Users who cannot get more are there in every choice.
        forced = int((ceiling <= least + pool.slack).sum())
        if fewest > max(forced, below + 1):
            rows = _fewest_at_most(pool, most, floors, settled, least, deadline)
            if rows is not None:
                counted = int((pool.utilities(rows) <= least + pool.slack).sum())
                if counted < fewest:
                    found, fewest = Found(rows, first.bound), counted
        below = fewest
        if below < pool.num_users:
            better = _raise_worst(pool, most, floors, settled, below, deadline, found.rows)
            found = Found(better.rows if better.rows is not None else found.rows, first.bound)
    return Found(found.rows, first.bound)


def _raise_worst(
    pool: Pool,
    most: float | None,
    floors: tuple[Floor, ...],
    settled: list[tuple[float, int]],
    below: int,
    deadline: float,
    rows: np.ndarray | None,
) -> Found:
    """Find the largest return that all but so many users can get.

    Args:
        pool: the pool.
        most: the budget.
        floors: the floors.
        settled: pairs of a return and how many users may have less.
        below: how many users may have less than the return that is looked for.
        deadline: the time at which the search stops.
        rows: a choice that meets all of these, if one is known.
    """
    highest = float(np.sort(pool.lifted.max(axis=0))[below])
    values = np.unique(pool.lifted)
    values = values[values <= highest + pool.slack]
    low = -1  # the number in `values` that is known to be reached
    if rows is not None:
        reached = np.sort(pool.utilities(rows))[below]
        low = int(np.searchsorted(values, reached + pool.slack)) - 1
    high = len(values)  # the number that is known not to be reached
    if rows is not None and low + 1 < high:  # mostly there is nothing better
        solved = _reach(pool, most, floors, settled, below, float(values[low + 1]), deadline)
        if solved.is_infeasible:
            return Found(rows, float(values[low]))
    while low + 1 < high:
        middle = (low + high) // 2
        solved = _reach(pool, most, floors, settled, below, float(values[middle]), deadline)
        if solved.is_infeasible:
            high = middle
        elif solved.rows is None:
            break
        else:
            rows = solved.rows
            reached = np.sort(pool.utilities(rows))[below]
            low = max(middle, int(np.searchsorted(values, reached + pool.slack)) - 1)
    if rows is None and low < 0:
        solved = _reach(pool, most, floors, settled, below, -np.inf, deadline)
        rows = solved.rows
    return Found(rows, float(values[high - 1]) if high else float(pool.base.min()))


def _reach(
    pool: Pool,
    most: float | None,
    floors: tuple[Floor, ...],
    settled: list[tuple[float, int]],
    below: int,
    least: float,
    deadline: float,
) -> Solved:
    """Ask for a choice that leaves at most so many users below a return."""
    program = program_of(pool, most, floors, with_levels=False)
    _settle(program, settled)
    _allow_below(program, least, below)
    return program.maximise(np.array([0]), np.array([0.0]), deadline - time.monotonic())


def _settle(program: Program, settled: list[tuple[float, int]]) -> None:
    for least, below in settled:
        _allow_below(program, least, below)


def _allow_below(program: Program, least: float, below: int) -> None:
    pool = program.pool
    if below == 0:
        for user in range(pool.num_users):
            program.serve(user, least)
        return
    everyone = np.arange(pool.num_users)
    served, free = program.count_served(everyone, np.full(pool.num_users, least))
    program.add_row(served, np.ones(len(served)), low=float(pool.num_users - below - free))


def _fewest_at_most(
    pool: Pool,
    most: float | None,
    floors: tuple[Floor, ...],
    settled: list[tuple[float, int]],
    least: float,
    deadline: float,
) -> np.ndarray | None:
    """Choose so that as few users as possible have no more than a return."""
    program = program_of(pool, most, floors, with_levels=False)
    _settle(program, settled)
    more = np.full(pool.num_users, least + 2.0 * pool.slack)
    served, _ = program.count_served(np.arange(pool.num_users), more)
    return program.maximise(served, np.ones(len(served)), deadline - time.monotonic()).rows
