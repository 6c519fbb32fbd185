"""What a solver hands over: the chosen policies and a bound that nothing exceeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PROVEN = 1e-6
"""The gap, as a share of the range of returns, up to which a choice counts as proven."""


@dataclass(frozen=True, eq=False)
class Found:
    """A choice and its bound.

    Attributes:
        rows: the chosen policies; None if no choice was found in time.
        bound: a number that the welfare of no choice exceeds.
    """

    rows: np.ndarray | None
    bound: float
