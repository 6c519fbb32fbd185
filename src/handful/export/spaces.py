"""What policies see and do, as ``interface.json`` describes it."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from handful.deploy.observations import Reader, SpaceError
from handful.environment import Box, num_symbols
from handful.envs.drawn import num_parts, without_draw
from handful.envs.gym.environment import GymnasiumEnvironment
from handful.envs.gym.spaces import Choices, Interval
from handful.envs.history import HistoryOnHost
from handful.learner.policies import Policies
from handful.learner.squashed import SquashedActor
from handful.problem import RMDP
from handful.squashing import HIGHEST_LOG_STD, LOWEST_LOG_STD
from handful.types import NumpyArray

MOST_NAMED = 10_000
"""The most entries of an observation that are named one by one."""

ORDER = (
    "Parts follow each other in the order in which they are listed. Arrays are read row by row "
    "(the last axis changes fastest), and choices become one-hot vectors. The offset, if there is "
    "one, is subtracted in double precision; then numbers become float32."
)

DRAW = (
    "Each is given as a mapping, with the number of a part as 'draw' beside it: draw the number "
    "when an episode begins, each with the same chance, and keep it until the episode ends."
)

NORMALISATION = (
    "Each policy's own, in policies/K.safetensors: (vector - observations/mean) / "
    "sqrt(observations/variance + epsilon), clipped to the range from -clip to clip."
)


def describe_observations(problem: RMDP, seen_low: NumpyArray, seen_high: NumpyArray) -> Any:
    """Return the description of observations.

    Args:
        problem: the problem.
        seen_low, seen_high: the lowest and the highest value of each entry that was seen, [O].
    """
    parts, environment = num_parts(problem), without_draw(problem).environment
    size = int(environment.observation_size)
    space: dict[str, Any] = {"kind": "box", "shape": [size], "low": None, "high": None}
    offset, note = None, "Observations are vectors."
    if isinstance(environment, GymnasiumEnvironment):
        flattener = environment.probe.flattener
        described = describe_space(flattener.space)
        if described is None:
            note = (
                f"Observations of a {type(flattener.space).__name__} space have to be flattened "
                f"with gymnasium.spaces.flatten before they are given to the bundle."
            )
        else:
            space, note = described, "Observations are those that the simulator gives."
            offset = None if flattener.offset is None else flattener.offset.tolist()
    if parts > 1:
        space, note = _with_part(space, parts), f"{note} {DRAW}"
        offset = None if offset is None else [*offset, *[0.0] * parts]
        size += parts
    symbols = num_symbols(environment)
    if symbols is not None:
        note = (
            f"An observation is the number of one of {symbols} states, from 0, divided by "
            f"{symbols}."
        )
        seen_low, seen_high = np.zeros(1), np.full(1, (symbols - 1) / symbols)
    return {
        "size": size,
        "space": space,
        "note": note,
        "order": ORDER,
        "entries": Reader(space).names() if size <= MOST_NAMED else None,
        "offset": offset,
        "num_symbols": symbols,
        "normalisation": NORMALISATION,
        "seen": {"low": _exactly(seen_low), "high": _exactly(seen_high)},
    }


def _with_part(space: Mapping[str, Any], parts: int) -> dict[str, Any]:
    """Return the space of an observation together with the part that was drawn for the episode."""
    drawn = {"kind": "discrete", "n": parts, "start": 0}
    return {"kind": "dict", "parts": _named({"observation": space, "draw": drawn})}


def _exactly(values: NumpyArray) -> list[float]:
    return [float(value) for value in values]


def describe_space(space: Any) -> dict[str, Any] | None:
    """Return the description of a space of Gymnasium's; None if a bundle cannot read it."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        bounds = {n: _bound(getattr(space, n)) for n in ("low", "high")}
        return {"kind": "box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    if isinstance(space, spaces.Discrete):
        return {"kind": "discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        starts = np.broadcast_to(space.start, space.nvec.shape)
        return {
            "kind": "multi-discrete",
            "shape": list(space.nvec.shape),
            "sizes": space.nvec.ravel().tolist(),
            "starts": starts.ravel().tolist(),
        }
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "multi-binary", "shape": list(space.shape)}
    if isinstance(space, spaces.Dict):
        parts = {str(name): describe_space(part) for name, part in space.spaces.items()}
        if None in parts.values() or len(parts) != len(space.spaces):
            return None
        return _known({"kind": "dict", "parts": _named(parts)})
    if isinstance(space, spaces.Tuple):
        found = [describe_space(part) for part in space.spaces]
        return None if None in found else _known({"kind": "tuple", "parts": found})
    return None


def _named(parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "space": part} for name, part in parts.items()]


def _known(described: dict[str, Any]) -> dict[str, Any] | None:
    """Return a description if a bundle can read it: parts may be nested too deeply."""
    try:
        Reader(described)
    except SpaceError:
        return None
    return described


def _bound(values: NumpyArray) -> Any:
    """Return a bound of a box: one number if it is the same everywhere; None for no bound.

    The bounds are for readers: policies take numbers beyond them, as simulators give them.
    """
    flat = np.ravel(values).astype(np.float64)
    listed = [float(value) if math.isfinite(value) else None for value in flat]
    return listed[0] if len(set(listed)) == 1 else listed if len(listed) <= MOST_NAMED else None


def describe_actions(problem: RMDP, policies: Policies) -> dict[str, Any]:
    """Return the description of actions, in the policies' units and in the simulator's."""
    environment = without_draw(problem).environment
    if isinstance(environment, HistoryOnHost):
        environment = environment.environment
    decoding = None
    if isinstance(environment, GymnasiumEnvironment):
        decoding = _decoding(environment.probe.actions)
    space = policies.action_space
    if not isinstance(space, Box):
        return {"kind": "discrete", "num_actions": space.num_actions, "decode": decoding}
    squashed = isinstance(policies.actor, SquashedActor)
    return {
        "kind": "box",
        "low": _finite(space.low),
        "high": _finite(space.high),
        "squashed": squashed,
        **({"log_std_range": [LOWEST_LOG_STD, HIGHEST_LOG_STD]} if squashed else {}),
        "decode": decoding,
    }


def _decoding(actions: Choices | Interval) -> dict[str, Any]:
    common = {"shape": list(actions.shape), "dtype": str(np.dtype(actions.dtype))}
    if isinstance(actions, Choices):
        return {"sizes": list(actions.sizes), "starts": list(actions.starts), **common}
    return {
        "scale": _finite(actions.scale),
        "shift": _finite(actions.shift),
        "low": _finite(actions.env_low),
        "high": _finite(actions.env_high),
        **common,
    }


def _finite(values: Any) -> list[float | None]:
    """Return numbers for JSON, which has no infinity: None stands for no bound."""
    return [float(value) if math.isfinite(value) else None for value in values]
