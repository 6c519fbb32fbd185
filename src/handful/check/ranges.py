"""Checks of the ranges that spaces declare against the values in episodes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.digits import find_coarse_entry, find_lost_digits
from handful.check.findings import DEFECT, WARNING, Finding
from handful.check.play import Player
from handful.envs.gym.probe import offset_hint
from handful.envs.gym.spaces import Interval

FAR_APART = 1000.0
"""The factor by which a declared range may be wider than the values in it."""

UNBOUNDED = 1e30
"""The size from which on a bound counts as no bound, like the largest float32."""

WIDE = 100.0
"""The width from which on a range of actions is compared with a small part of it."""

VERY_WIDE = 1000.0
"""The width from which on a range of actions is reported in any case."""

PART = 0.01
"""The share of a range that makes the small part."""

FACTOR = 10.0
"""The factor by which features must differ in the part to be reported."""

COMPARED = 200
"""The random steps in the whole range, and also in the part."""

SEED = 103


def check_digits(observations: NDArray[Any]) -> Iterator[Finding]:
    """Check that values which differ in the environment differ in float32, too.

    Args:
        observations: the observations that the environment gave, in float64, [M, O].
    """
    lost = find_lost_digits(observations)
    if lost is not None:
        yield Finding("observation-digits", DEFECT, f"{lost}: {offset_hint(lost)}.")
        return
    low, high = observations.min(axis=0), observations.max(axis=0)
    coarse = find_coarse_entry(low, high, constant=True)
    if coarse is not None:
        yield Finding(
            "observation-digits",
            WARNING if coarse.low == coarse.high else DEFECT,
            f"{coarse}: if it is a clock or a counter, subtract its start in the environment, "
            f"before it becomes float32.",
        )


def check_observation_range(space: Any, observations: NDArray[Any]) -> Iterator[Finding]:
    """Check that bounds of observations are not far wider than the values in episodes.

    Args:
        space: the space of the observations.
        observations: the observations in float64, [M, O].
    """
    low, high = _bounds(space)
    if len(low) != observations.shape[1]:
        return  # entries of parts that are not boxes have no bounds
    bounded = (np.abs(low) < UNBOUNDED) & (np.abs(high) < UNBOUNDED)
    with np.errstate(over="ignore", invalid="ignore"):
        declared = np.where(bounded, high - low, 0.0)
    reach = np.abs(observations).max(axis=0)
    seen = np.maximum(np.ptp(observations, axis=0), reach)
    wide = np.flatnonzero((seen > 0) & (declared > FAR_APART * seen))
    if len(wide):
        entry = int(wide[np.argmax(declared[wide] / seen[wide])])
        values = observations[:, entry]
        more = f" ({len(wide)} entries are such)" if len(wide) > 1 else ""
        yield Finding(
            "observation-range",
            WARNING,
            f"Entry {entry} of the observations may be {low[entry]:,g} to {high[entry]:,g} by its "
            f"space, and {len(values):,} observations of random play showed {values.min():,.4g} to "
            f"{values.max():,.4g}{more}: give the bounds that the environment keeps. (Training "
            f"here does not read them: it scales observations by what it sees.)",
        )


def check_action_range(
    player: Player, env: Any, names: Sequence[str], max_steps: int
) -> Iterator[Finding]:
    """Check that a box of actions is not far wider than the actions that make sense.

    Random actions in the whole range are compared with random actions in a hundredth of it, from
    0 on or from the bound that is nearest to 0.
    """
    actions = player.actions
    if not isinstance(actions, Interval):
        return
    low, high = actions.env_low, actions.env_high
    free = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high) & np.isfinite(high - low)))
    if len(free):
        yield Finding(
            "action-range",
            WARNING,
            f"Entry {free[0]} of an action has no two bounds, so policies act in the environment's "
            f"units there and begin near 0: if other sizes make sense, say which with "
            f"action_range=[LOW, HIGH].",
        )
        return
    width = high - low
    entry = int(np.argmax(width))
    if width[entry] < WIDE:
        return
    part_low, part_high = _part(low, high)
    whole = _features(player, env, (low, high), max_steps)
    part = _features(player, env, (part_low, part_high), max_steps)
    ratios = np.where((whole > 0) & (part > 0), whole / np.where(part > 0, part, 1.0), 1.0)
    feature = int(np.argmax(np.maximum(ratios, 1.0 / ratios)))
    ratio = max(ratios[feature], 1.0 / ratios[feature])
    if ratio < FACTOR and width[entry] < VERY_WIDE:
        return
    compared = (
        f"Random actions in a hundredth of that ({part_low[entry]:,g} to {part_high[entry]:,g}) "
        f"make the feature '{names[feature]}' {ratio:,.0f} times as "
        f"{'small' if ratios[feature] > 1 else 'large'}. "
        if ratio >= FACTOR
        else ""
    )
    yield Finding(
        "action-range",
        WARNING,
        f"Entry {entry} of an action may be {low[entry]:,g} to {high[entry]:,g}, and policies "
        f"begin in the middle of that. {compared}If a part of the range is all that makes sense, "
        f"let policies use that alone: action_range=[LOW, HIGH] (on the command line, "
        f"--param.action-range LOW HIGH).",
    )


def _part(low: NDArray[Any], high: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a hundredth of each range: around 0, or from the bound that is nearest to it."""
    width = PART * (high - low)
    start = np.clip(-width / 2, low, high - width)
    return start, start + width


def _features(
    player: Player, env: Any, bounds: tuple[NDArray[Any], NDArray[Any]], max_steps: int
) -> NDArray[Any]:
    """Return the root mean squares [D] of the features under uniform actions in the bounds."""
    actions = player.actions
    assert isinstance(actions, Interval)
    rng, rows, seed = np.random.default_rng(SEED), [], SEED
    while len(rows) < COMPARED:
        limit = min(max_steps, COMPARED - len(rows))
        script = [(rng.uniform(*bounds) - actions.shift) / actions.scale for _ in range(limit)]
        episode = player.play(env, seed, None, limit, script)
        rows += episode.features
        seed += 1
    return np.asarray(np.sqrt(np.mean(np.square(rows), axis=0)))


def _bounds(space: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lower and upper bounds [O] of flattened observations; infinite if not a box."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return np.ravel(space.low).astype(np.float64), np.ravel(space.high).astype(np.float64)
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        lows, highs = zip(*map(_bounds, parts), strict=True) if len(space.spaces) else ((), ())
        return np.concatenate([[], *lows]), np.concatenate([[], *highs])
    size = spaces.flatdim(space)
    return np.full(size, -np.inf), np.full(size, np.inf)
