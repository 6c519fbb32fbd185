"""Numbers whose digits are lost when they become float32, which policies observe.

float32 holds about seven digits. If a value is large and varies little, its variation is in later
digits. Seconds since 1970 are 128 apart in float32, so two minutes become one number.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGE = 1000.0
"""The size below which values are not checked: they lose less than a ten-thousandth."""

STEADY = 1e-12
"""The relative variation below which a value varies only by the rounding of float64."""

LEVELS = 100
"""The different float32 numbers within the range of the values that are enough."""


class LostDigits(NamedTuple):
    """An entry of observations whose different values become equal in float32.

    Attributes:
        entry: the index of the entry in a vector of observations.
        values: the number of different values that were seen.
        kept: the number of different values that are left in float32.
        size: the largest value, in absolute terms.
        spread: the distance from the smallest to the largest value.
        middle: a round number among the values, to be subtracted from them.
    """

    entry: int
    values: int
    kept: int
    size: float
    spread: float
    middle: float

    def __str__(self) -> str:
        """Return the fault in a sentence without its end."""
        return (
            f"Entry {self.entry} of the observations is about {self.middle:,.10g} and varies by "
            f"{self.spread:,.3g}, so that of {self.values:,} different values {self.kept:,} are "
            f"left in the 32 bits that policies see"
        )


def find_lost_digits(observations: NDArray[Any]) -> LostDigits | None:
    """Find the first entry of observations [M, O] whose variation is lost in float32.

    The result is None if there is no such entry. Observations that are not finite are ignored.
    """
    table = np.asarray(observations, dtype=np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    if not len(table):
        return None
    size, spread = np.abs(table).max(axis=0), np.ptp(table, axis=0)
    suspects = (size >= LARGE) & (spread > STEADY * size)
    for entry in np.flatnonzero(suspects):
        column = table[:, entry]
        with np.errstate(over="ignore"):
            narrow = column.astype(np.float32)
        values, kept = len(np.unique(column)), len(np.unique(narrow))
        levels = spread[entry] / float(np.spacing(np.float32(size[entry])))
        if kept * 2 <= values or (kept < values and levels < LEVELS):
            lowest, sized = column.min(), float(size[entry])
            return LostDigits(
                int(entry), values, kept, sized, float(spread[entry]), _round_number(lowest, sized)
            )
    return None


class CoarseEntry(NamedTuple):
    """An entry that is so large that neighbouring float32 numbers are whole units apart.

    Attributes:
        entry: the index of the entry in a vector of observations.
        low, high: the smallest and the largest value that was seen.
        step: the distance from a float32 number of this size to the next one.
    """

    entry: int
    low: float
    high: float
    step: float

    def __str__(self) -> str:
        """Return the fault in a sentence without its end."""
        seen = f"{self.low:,.10g} to {self.high:,.10g}"
        if self.low == self.high:
            seen = f"{self.low:,.10g} at every step"
        return (
            f"Entry {self.entry} of the observations was {seen}, and numbers of 32 bits are "
            f"{self.step:,.4g} apart there, so that what differs by less is the same to policies"
        )


def find_coarse_entry(low: Any, high: Any, constant: bool) -> CoarseEntry | None:
    """Find the first entry of float32 observations whose variation may have been lost before.

    Args:
        low, high: the smallest and the largest value of each entry, [O].
        constant: whether an entry that never varied counts, too.
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    size = np.maximum(np.abs(low), np.abs(high))
    with np.errstate(over="ignore", invalid="ignore"):
        step = np.spacing(size.astype(np.float32)).astype(np.float64)
        is_coarse = np.isfinite(size) & (step > 1.0) & (high - low < LEVELS * step)
    is_coarse &= constant | (high > low)
    if not is_coarse.any():
        return None
    entry = int(np.argmax(is_coarse))
    return CoarseEntry(entry, float(low[entry]), float(high[entry]), float(step[entry]))


def _round_number(value: float, size: float) -> float:
    """Return the value rounded down to about six digits, or unchanged if it is coarse enough."""
    step = 10.0 ** (np.floor(np.log10(size)) - 5)
    return float(np.floor(value / step) * step)
