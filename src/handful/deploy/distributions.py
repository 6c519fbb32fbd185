"""How observations were distributed when the bundle was made: ``distributions.npz``.

A *window* is as many observations in a row of one user as were recorded of each environment, from
its reset on. For each policy and each entry of an observation the file has a few levels, the
quantiles of what was recorded, and the shares of a window that are below each level, and at or
below it, on average over the windows. Likeliest and sampled actions lead to other observations, so
that they have numbers of their own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.deploy.arrays import read_npz
from handful.errors import HandfulError

NAME = "distributions.npz"
"""The name of the file."""

LEVELS = 7
"""The number of levels of each entry: the quantiles 1/8, 2/8, ... 7/8."""

LOOKS = 50
"""About the number of observations of a window that are looked at; they are evenly spaced."""

LONGEST = 1000
"""The most observations of a window."""

MOST_ENTRIES = 2**13
"""The most entries of the observations of all policies together; with more, there is no file."""

MODES = 2
"""Likeliest actions, and sampled ones."""


@dataclass(frozen=True, eq=False)
class Distributions:
    """How observations were distributed, for likeliest and for sampled actions (the first axis).

    Attributes:
        levels: the levels of each entry for each policy, in order, float32 [2, K, O, L].
        below, up_to: the share of a window below each level, and at or below it, [2, K, O, L].
        windows: the number of independent windows that the shares of an entry are worth, [O]. Where
            an entry changes much within a window, it is more than the number of recorded windows.
        length: the number of observations of a window.
    """

    levels: NDArray[Any]
    below: NDArray[Any]
    up_to: NDArray[Any]
    windows: NDArray[Any]
    length: int

    @property
    def stride(self) -> int:
        """The number of observations from one that is looked at to the next."""
        return stride_of(self.length)


def stride_of(length: int) -> int:
    """Return the number of observations from one that is looked at to the next."""
    return -(-length // LOOKS)


def read_distributions(
    data: bytes, num_policies: int, observation_size: int, place: str
) -> Distributions:
    """Return the distributions that a file holds.

    Args:
        data: the content of the file.
        num_policies: ``K``.
        observation_size: ``O``.
        place: the path of the file, for error messages.

    Raises:
        HandfulError: if the file is damaged, or is not of these policies and observations.
    """
    arrays, shape = read_npz(data, place), (MODES, num_policies, observation_size, LEVELS)
    wanted = {"levels": shape, "below": shape, "up_to": shape, "windows": shape[2:3], "length": ()}
    found = {name: array.shape for name, array in arrays.items()}
    if found != wanted:
        name = min(set(found.items()) ^ set(wanted.items()))[0]
        raise _damaged(place, f"the array {name[:40]!r} is missing, unknown or of another shape")
    length = arrays.pop("length")
    if length.dtype.kind != "i" or not 1 <= length <= LONGEST:
        raise _damaged(place, f"a window has from 1 to {LONGEST} observations, and not {length}")
    numbers = {name: array.astype(np.float64) for name, array in arrays.items()}
    levels, below, up_to = numbers["levels"], numbers["below"], numbers["up_to"]
    if not np.isfinite(levels).all() or (np.diff(levels) < 0).any():
        raise _damaged(place, "the levels of an entry are no numbers in order")
    if not ((below >= 0) & (below <= up_to) & (up_to <= 1)).all():
        raise _damaged(place, "the shares below a level and up to it are not from 0 to 1, in order")
    windows = numbers["windows"]
    if not (np.isfinite(windows) & (windows >= 1)).all():
        raise _damaged(place, "an entry was recorded for less than one window")
    return Distributions(levels.astype(np.float32), below, up_to, windows, int(length))


def _damaged(place: str, what: str) -> HandfulError:
    return HandfulError(f"'{place}' is damaged: {what}. Get another copy of the bundle.")
