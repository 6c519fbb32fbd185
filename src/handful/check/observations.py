"""Checks of the observations and features in episodes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.check.findings import DEFECT, WARNING, Finding
from handful.check.play import Episode
from handful.check.ranges import check_digits, check_observation_range
from handful.envs.gym.spaces import Flattener
from handful.errors import HandfulError


def check_observations(
    space: Any, flattener: Flattener, episodes: list[Episode]
) -> Iterator[Finding]:
    """Check shapes, types, bounds, and that numbers are finite and objects new.

    Only the first finding of each kind is reported.
    """
    found: dict[str, Finding] = {}
    for episode in episodes:
        for step, observation in enumerate(episode.observations):
            for finding in _look_at(space, flattener, observation, _when(step)):
                found.setdefault(finding.check, finding)
    if any(episode.reused for episode in episodes):
        found["reused-observations"] = Finding(
            "reused-observations",
            WARNING,
            "A step writes its observation over the one before it: that does no harm here, as "
            "copies are kept, but elsewhere it does: return self.observation.copy().",
        )
    yield from found.values()
    if not {"observation-shape", "finite-observations"} & found.keys():
        seen = np.array([flattener.exactly(one) for e in episodes for one in e.observations])
        yield from check_digits(seen)
        yield from check_observation_range(space, seen)


def _look_at(space: Any, flattener: Flattener, observation: Any, when: str) -> Iterator[Finding]:
    try:
        vector = flattener(observation)
    except HandfulError as error:
        yield Finding("observation-shape", DEFECT, f"{error} It was {when}.")
        return
    bad = np.flatnonzero(~np.isfinite(vector))
    if len(bad):
        yield Finding(
            "finite-observations",
            DEFECT,
            f"Entry {bad[0]} of the observation {when} is {vector[bad[0]]}: look at the dynamics.",
        )
        return
    for name, part, value in _boxes(space, observation, "observation"):
        array = np.asarray(value)
        if not np.can_cast(array.dtype, part.dtype):
            yield Finding(
                "observation-type",
                WARNING,
                f"The {name} is of type {array.dtype}, but its space says {part.dtype}: convert "
                f"one, so that nobody converts for you.",
            )
        outside = np.flatnonzero(((array < part.low) | (array > part.high)).ravel())
        if len(outside):
            entry = outside[0]
            yield Finding(
                "observation-bounds",
                DEFECT,
                f"Entry {entry} of the {name} {when} is {array.ravel()[entry]:g}, outside its "
                f"space's {part.low.ravel()[entry]:g} to {part.high.ravel()[entry]:g}: mend the "
                f"space's bounds or the observation.",
            )
    if not _has_box(space) and not space.contains(observation):
        yield Finding(
            "observation-bounds",
            DEFECT,
            f"The observation {when} ({observation!r}) is not in its space {space}: mend one.",
        )


def _boxes(space: Any, observation: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    """Return every box within a space, what to call it, and its part of the observation."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        yield name, space, observation
    elif isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            yield from _boxes(part, observation[key], f"{name}'s '{key}'")
    elif isinstance(space, spaces.Tuple):
        for index, part in enumerate(space.spaces):
            yield from _boxes(part, observation[index], f"{name}'s part {index}")


def _has_box(space: Any) -> bool:
    from gymnasium import spaces

    parts = space.spaces if isinstance(space, spaces.Tuple | spaces.Dict) else ()
    parts = parts.values() if isinstance(parts, dict) else parts
    return isinstance(space, spaces.Box) or any(_has_box(part) for part in parts)


def _when(step: int) -> str:
    return f"after {step} steps" if step else "of reset()"


SCALES = 1000.0
"""The factor by which one feature may be larger than another."""


def check_features(names: Sequence[str], episodes: list[Episode]) -> Iterator[Finding]:
    """Check that features are finite, vary, are of comparable size, and that none occurs twice."""
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
    """Return the features' root mean squares over the steps at which they are not 0.

    Events may be rare, so steps with 0 do not count.
    """
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
