"""The best way to cut users in a row into at most k neighbouring groups.

Dynamic programming: the best of j groups that end before the user b is, over all a,

    best_j(b) = max_a  best_{j-1}(a) + gain(a, b),

where `gain(a, b)` is what the users a, ..., b - 1 get together from a policy of their own. For
gains with the inverse Monge property, for a <= b <= c <= d

    gain(a, c) + gain(b, d) >= gain(a, d) + gain(b, c),

the best a never decreases with b, so that a layer takes N log N evaluations by divide and conquer,
here one depth of the recursion at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

GainFn = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A function ``gain(starts, stops)`` [P] for groups of users starts[p], ..., stops[p] - 1."""


def best_segments(gain: GainFn, num_users: int, num_segments: int) -> np.ndarray:
    """Find the best groups.

    Args:
        gain: the gains, which have the inverse Monge property.
        num_users: the number of users N.
        num_segments: k, from 1 to N; all groups have users, as one more group never does harm.

    Returns:
        the first user of each group, ascending from 0, int64 [num_segments].

    Raises:
        ValueError: if the number of groups is out of range.
    """
    if not 1 <= num_segments <= num_users:
        raise ValueError(f"There must be 1 to {num_users} groups, got {num_segments}.")
    stops = np.arange(1, num_users + 1)
    best = np.append(-np.inf, gain(np.zeros(num_users, dtype=np.int64), stops))
    layers = []
    for done in range(1, num_segments):
        best, start = _one_more(gain, best, done)
        layers.append(start)
    cuts = [num_users]
    for start in reversed(layers):
        cuts.append(int(start[cuts[-1]]))
    return np.array([0, *cuts[:0:-1]], dtype=np.int64)


def _one_more(gain: GainFn, best: np.ndarray, done: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `best` [N + 1] with one group more than `done`, and where that group starts."""
    size = len(best)
    extended, chosen = np.full(size, -np.inf), np.zeros(size, dtype=np.int64)
    # These are the ranges of ends still open, and the starts between which the best of each lies.
    first, last = np.array([done + 1]), np.array([size - 1])
    low, high = np.array([done]), np.array([size - 2])
    while len(first):
        middle = (first + last) // 2
        lengths = np.minimum(high, middle - 1) - low + 1
        offsets = np.cumsum(lengths) - lengths
        starts = np.arange(lengths.sum()) + np.repeat(low - offsets, lengths)
        worth = best[starts] + gain(starts, np.repeat(middle, lengths))
        top = np.maximum.reduceat(worth, offsets)
        hits = np.flatnonzero(worth == np.repeat(top, lengths))
        found = starts[hits[np.searchsorted(hits, offsets)]]
        extended[middle], chosen[middle] = top, found
        first, last = np.append(first, middle + 1), np.append(middle - 1, last)
        low, high = np.append(low, found), np.append(found, high)
        is_open = first <= last
        first, last, low, high = (part[is_open] for part in (first, last, low, high))
    return extended, chosen
