"""Checks of the reward features over random episodes."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from handful.conformance.findings import DEFECT, WARNING, Finding
from handful.conformance.play import Episode

SCALES = 1000.0
"""How many times larger one feature may be than another."""


def check_features(names: Sequence[str], episodes: list[Episode]) -> Iterator[Finding]:
    """Finite numbers that vary, of comparable size, none of them twice."""
    table = np.array([row for episode in episodes for row in episode.features])
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        step, feature = bad[0]
        yield Finding(
            "finite-features",
            DEFECT,
            f"The feature '{names[feature]}' was {table[step, feature]} at a step: every feature "
            f"must be a finite number at every step.",
        )
        return
    varies = np.ptp(table, axis=0) > 0
    constant = np.flatnonzero(~varies)
    if len(constant):
        which = ", ".join(f"'{names[feature]}' ({table[0, feature]:g})" for feature in constant[:5])
        more = f" and {len(constant) - 5} more" if len(constant) > 5 else ""
        yield Finding(
            "constant-features",
            WARNING,
            f"The same at each of {len(table)} random steps: {which}{more}. Where it is no rare "
            f"event that they wait for, leave them out, or see why they do not move.",
        )
    yield from _duplicates(names, table, np.flatnonzero(varies))
    yield from _scales(names, table, np.flatnonzero(varies))


def _duplicates(
    names: Sequence[str], table: NDArray[np.float64], which: NDArray[np.intp]
) -> Iterator[Finding]:
    for position, first in enumerate(which):
        for second in which[position + 1 :]:
            a, b = table[:, first], table[:, second]
            factor = float(b @ a / (a @ a))
            if np.allclose(b, factor * a, rtol=1e-6, atol=1e-9 * float(np.abs(b).max())):
                times = "" if np.isclose(factor, 1.0) else f"{factor:g} times "
                yield Finding(
                    "duplicate-features",
                    WARNING,
                    f"The feature '{names[second]}' is {times}'{names[first]}' at every step: "
                    f"leave one of them out, and add up what users give to both.",
                )


def _scales(
    names: Sequence[str], table: NDArray[np.float64], which: NDArray[np.intp]
) -> Iterator[Finding]:
    """By the root mean square over steps at which a feature is not 0: events may be rare."""
    if len(which) < 2:
        return
    sizes = []
    for feature in which:
        happened = table[table[:, feature] != 0.0, feature]
        sizes.append(float(np.sqrt(np.mean(np.square(happened)))))
    low, high = int(np.argmin(sizes)), int(np.argmax(sizes))
    if sizes[high] > SCALES * sizes[low]:
        yield Finding(
            "feature-scales",
            WARNING,
            f"The feature '{names[which[high]]}' is {sizes[high] / sizes[low]:,.0f} times as large "
            f"as '{names[which[low]]}': divide it, and multiply its weights, so that both are near "
            f"1.",
        )
