"""Observations outside what was seen: counting them, and saying which they are."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLACK = 0.25
"""How far beyond the range that was seen an entry counts as inside, in parts of that range."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a bundle has been asked so far.

    Attributes:
        observations: the number of observations.
        outside: the number of those that were outside the ranges.
        by_entry: the number of times that each entry was outside, [O].
    """

    observations: int
    outside: int
    by_entry: NDArray[Any]


class Watch:
    """Counts observations, and those outside the ranges. Several threads may use it.

    Args:
        low, high: the range of each entry that was seen, [O].
        slack: how far beyond it an entry counts as inside, in parts of the range.
    """

    def __init__(self, low: NDArray[Any], high: NDArray[Any], slack: float) -> None:
        reach = slack * (high - low)
        with np.errstate(over="ignore"):
            # Rounding to single precision must not put what was seen outside.
            # They are rows [1, O], with which NumPy compares a single row faster than with vectors.
            least, largest = ((low - reach)[None], (high + reach)[None])
            self._low = np.nextafter(least.astype(np.float32), np.float32(-np.inf))
            self._high = np.nextafter(largest.astype(np.float32), np.float32(np.inf))
        self._lock = Lock()
        self._observations = self._outside = 0
        self._by_entry = np.zeros(len(low), np.int64)

    def __call__(self, rows: NDArray[Any]) -> NDArray[Any] | None:
        """Count observations [M, O].

        Returns:
            Which of them are outside the ranges, [M]; None if none is. Numbers that are not finite
            are outside.
        """
        inside = (rows >= self._low) & (rows <= self._high)
        if np.count_nonzero(inside) == inside.size:  # for few numbers faster than `all`
            with self._lock:
                self._observations += len(rows)
            return None
        outside = np.asarray(~inside.all(axis=1))
        with self._lock:
            self._observations += len(rows)
            self._outside += int(outside.sum())
            self._by_entry += (~inside).sum(axis=0)
        return outside

    def first_outside(self, row: NDArray[Any]) -> int:
        """Return the first entry of an observation [O] that is outside the ranges."""
        return int(np.argmin((row >= self._low[0]) & (row <= self._high[0])))

    @property
    def seen(self) -> Seen:
        """The counts so far."""
        with self._lock:
            return Seen(self._observations, self._outside, self._by_entry.copy())
