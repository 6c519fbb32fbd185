"""A good choice of k of M candidates: greedy, then improved by single swaps until none helps.

The gain of a choice is the sum over users of the best gain among its rows. Greedy choice reaches
1 - 1/e of the best gain (Nemhauser, Wolsey and Fisher, 1978), and swaps only add to it.

A round of swaps looks at all M k exchanges at once, as FasterPAM does for k-medoids (Schubert and
Rousseeuw, 2021). For user i let b_i be the gain from the best chosen row and s_i that from the
second best. With row c in and row m out, a user whose best row is not m has max(v_ci, b_i), and a
user whose best row is m has max(v_ci, s_i), which is clip(v_ci, s_i, b_i) - b_i more. So the total
of every exchange is one sum over all users and one over the users of each chosen row, and a round
costs as much as one look at the table for each, and not one for each of the k places.
"""

from __future__ import annotations

import numpy as np

_CHUNK = 1 << 20
"""The entries of a table that are looked at together: about as many as a core's cache holds."""


def total_gain(gains: np.ndarray, rows: np.ndarray) -> float:
    """Return the sum over users of the best gain among the rows; without rows it is 0."""
    return float(gains[rows].max(axis=0, initial=0.0).sum())


def add_greedily(gains: np.ndarray, rows: np.ndarray, num_rows: int) -> np.ndarray:
    """Add rows to a choice one by one, each the one that adds most.

    Args:
        gains: the gains of N users from M rows, at least 0, [M, N].
        rows: the rows that are chosen already, at most `num_rows`.
        num_rows: the number of rows to reach, at most M.

    Returns:
        the chosen rows [`num_rows`], the given ones first.
    """
    served = gains[rows].max(axis=0, initial=0.0)
    rows = np.asarray(rows, dtype=np.int64)
    while len(rows) < num_rows:
        totals = totals_with(gains, served)
        totals[rows] = -np.inf
        best = int(totals.argmax())
        rows, served = np.append(rows, best), np.maximum(served, gains[best])
    return rows


def drop_greedily(gains: np.ndarray, rows: np.ndarray, num_rows: int) -> np.ndarray:
    """Take rows out of a choice one by one, each the one whose users lose least by it.

    Args:
        gains: the gains of N users from M rows, [M, N].
        rows: the rows that are chosen, at least `num_rows`.
        num_rows: the number of rows to keep, at least 1.

    Returns:
        the rows that are kept, in their order.
    """
    rows = np.asarray(rows, dtype=np.int64)
    while len(rows) > num_rows:
        nearest, best, second = _two_best(gains, rows)
        losses = np.bincount(nearest, weights=best - second, minlength=len(rows))
        rows = np.delete(rows, int(losses.argmin()))
    return rows


def swap(gains: np.ndarray, rows: np.ndarray, margin: float) -> np.ndarray:
    """Exchange a chosen row for another, each time the exchange that gains most, while one helps.

    Args:
        gains: the gains of N users from M rows, at least 0, [M, N].
        rows: the chosen rows [k], k at least 1.
        margin: what a swap must gain in total; it is above rounding error, or equal totals would be
            swapped for ever.

    Returns:
        the chosen rows [k]; a new row stands in the place of the old one.
    """
    rows = np.array(rows, dtype=np.int64)
    total = total_gain(gains, rows)
    while True:
        totals = totals_of_swaps(gains, rows)
        row, place = np.unravel_index(int(totals.argmax()), totals.shape)
        if totals[row, place] <= total + margin:
            return rows
        rows[place], total = row, float(totals[row, place])


def totals_with(gains: np.ndarray, served: np.ndarray) -> np.ndarray:
    """Return the total gain with each row added to users who are served already, [M].

    Args:
        gains: the gains of N users from M rows, [M, N].
        served: what users gain already, [N].
    """
    totals = np.empty(len(gains))
    for chunk in _chunks(gains):
        totals[chunk] = np.maximum(gains[chunk], served).sum(axis=1)
    return totals


def totals_of_swaps(gains: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the total gain with each row in and each chosen row out, [M, k].

    Args:
        gains: the gains of N users from M rows, at least 0, [M, N].
        rows: the chosen rows [k], k at least 1.
    """
    nearest, best, second = _two_best(gains, rows)
    order = np.argsort(nearest, kind="stable")
    serving, starts = np.unique(nearest[order], return_index=True)
    best, second = best[order], second[order]
    totals = np.empty((len(gains), len(rows)))
    for chunk in _chunks(gains):
        some = gains[chunk][:, order]
        totals[chunk] = np.maximum(some, best).sum(axis=1)[:, None]
        changes = np.clip(some, second, best) - best
        totals[chunk, serving] += np.add.reduceat(changes, starts, axis=1)
    return totals


def _two_best(gains: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each user's best chosen row, by its place, and the best and second best gain [N]."""
    chosen = gains[rows]
    nearest, users = chosen.argmax(axis=0), np.arange(gains.shape[1])
    best = chosen[nearest, users]
    chosen[nearest, users] = 0.0
    return nearest, best, chosen.max(axis=0)


def _chunks(gains: np.ndarray) -> list[slice]:
    """Return parts of the rows that are quick to look at."""
    size = max(_CHUNK // gains.shape[1], 1)
    return [slice(first, first + size) for first in range(0, len(gains), size)]
