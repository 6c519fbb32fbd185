"""How observations were distributed in the recorded episodes: ``distributions.npz``."""

import numpy as np

from handful.deploy.distributions import (
    LEVELS,
    LONGEST,
    MODES,
    MOST_ENTRIES,
    Distributions,
    stride_of,
)
from handful.types import NumpyArray


class Windows:
    """The observations of windows that are looked at, from which a bundle's distributions are made.

    Args:
        num_policies: ``K``.
        copies: the number of environments of each policy; the first half takes likeliest actions
            and the second half sampled ones.
        length: the number of observations of each.
        size: the number ``O`` of entries of an observation.
        seed: draws which observations are looked at.
    """

    def __init__(self, num_policies: int, copies: int, length: int, size: int, seed: int) -> None:
        self._shape = (num_policies, MODES, copies // MODES)
        self._length, self._size = length, size
        self._is_kept = num_policies * size <= MOST_ENTRIES and length <= LONGEST
        stride = stride_of(length)
        phases = np.random.default_rng(seed).integers(stride, size=num_policies * copies)
        self._stride, self._phases = stride, phases
        self._looks: list[list[NumpyArray]] = [[] for _ in phases]

    def see(self, step: int, observations: NumpyArray) -> None:
        """Take in the observations [K * copies, O] of a step."""
        if self._is_kept:
            for one in np.flatnonzero((step + self._phases) % self._stride == 0).tolist():
                if np.isfinite(observations[one]).all():
                    self._looks[one].append(observations[one].astype(np.float32))

    def distributions(self) -> Distributions | None:
        """Return the distributions.

        It is None if there are too many entries, or an environment gave no observation.
        """
        if not self._is_kept or not all(self._looks):
            return None
        number, modes, half = self._shape
        shape = (modes, number, self._size, LEVELS)
        levels, shares = np.empty(shape, np.float32), np.empty((*shape[:2], half, 2, *shape[2:]))
        for k in range(number):
            for mode in range(modes):
                first = (k * modes + mode) * half
                windows = self._looks[first : first + half]
                quantiles = np.arange(1, LEVELS + 1) / (LEVELS + 1)
                found = np.quantile(
                    np.concatenate(windows), quantiles, axis=0, method="inverted_cdf"
                )
                levels[mode, k] = found.T
                for index, looks in enumerate(windows):
                    rows = np.stack(looks)[:, :, None]
                    shares[mode, k, index, 0] = (rows < levels[mode, k]).mean(axis=0)
                    shares[mode, k, index, 1] = (rows <= levels[mode, k]).mean(axis=0)
        mean = shares.mean(axis=2)
        return Distributions(
            levels, mean[:, :, 0], mean[:, :, 1], _worth(shares, mean), self._length
        )


def _worth(shares: NumpyArray, mean: NumpyArray) -> NumpyArray:
    """Return how many independent windows the mean shares of each entry are worth, [O].

    A share that was the same throughout each window would vary by ``p (1 - p)`` between windows.
    The less it varies than that, the more the windows are worth.
    """
    half = shares.shape[2]
    between = shares.var(axis=2, ddof=1).sum(axis=(0, 1, 2, 4))
    most = (mean * (1.0 - mean)).sum(axis=(0, 1, 2, 4))
    recorded = half * mean.shape[0] * mean.shape[1]
    apart = np.divide(between, most, out=np.ones_like(most), where=most > 0)
    found = half / np.clip(apart, 1.0 / LONGEST, 1.0)
    return np.where(most > 0, found, float(recorded))


def arrays_of(told: Distributions) -> dict[str, NumpyArray]:
    """Return the arrays of the file, by name."""
    return {
        "levels": told.levels,
        "below": told.below.astype(np.float32),
        "up_to": told.up_to.astype(np.float32),
        "windows": told.windows.astype(np.float32),
        "length": np.asarray(told.length, np.int64),
    }
