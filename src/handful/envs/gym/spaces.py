"""Gymnasium's spaces as policies see them: observations as vectors, actions as numbers.

Observations of any space that Gymnasium can flatten become vectors [O]: arrays in row-major order,
choices one-hot, dictionaries and tuples part after part.

Actions are either one of finitely many (``Discrete``, ``MultiDiscrete``, ``MultiBinary`` and
boxes of whole numbers: every combination is an action of its own) or a vector (``Box``). Policies
see every bounded entry of a box as -1 to 1, whatever its unit; unbounded entries, also those with
one bound, are left as they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.errors import HandfulError

MAX_CHOICES = 1024
"""Combinations of a finite action space; a policy has an output for each."""


@dataclass(frozen=True)
class Choices:
    """A finite action space: the policy's action is an index.

    Attributes:
        sizes: how many values each part can take.
        starts: the lowest value of each part.
        shape: of the environment's action; () for a plain number.
        dtype: of it.
    """

    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: Any

    @property
    def count(self) -> int:
        """``A``, the number of combinations."""
        return int(np.prod(self.sizes, dtype=np.int64))

    def decode(self, action: Any) -> Any:
        """The environment's action for an index."""
        parts = np.asarray(np.unravel_index(int(action), self.sizes), dtype=np.int64)
        values = (parts + self.starts).astype(self.dtype).reshape(self.shape)
        return values[()] if self.shape == () else values


@dataclass(frozen=True)
class Interval:
    """A box: the policy's action is a vector.

    Attributes:
        low, high: [A] the bounds as the policy sees them.
        scale, shift: [A] from the policy's units to the environment's.
        env_low, env_high: [A] the environment's bounds.
        shape, dtype: of the environment's action.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: NDArray[Any]
    shift: NDArray[Any]
    env_low: NDArray[Any]
    env_high: NDArray[Any]
    shape: tuple[int, ...]
    dtype: Any

    def decode(self, action: Any) -> NDArray[Any]:
        """The environment's action for a vector [A]; rounding never leaves the bounds."""
        values = np.asarray(action, dtype=np.float64) * self.scale + self.shift
        values = np.clip(values, self.env_low, self.env_high)
        return values.astype(self.dtype).reshape(self.shape)


def read_action_space(space: Any) -> Choices | Interval:
    """How a policy's actions become the environment's.

    Raises:
        HandfulError: for a space that policies cannot act in, saying why.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        return _choices((int(space.n),), (int(space.start),), (), space.dtype)
    if isinstance(space, spaces.MultiDiscrete):
        starts = np.broadcast_to(space.start, space.nvec.shape)
        return _choices(space.nvec.ravel(), starts.ravel(), space.nvec.shape, space.dtype)
    if isinstance(space, spaces.MultiBinary):
        size = int(np.prod(space.shape))
        return _choices((2,) * size, (0,) * size, space.shape, space.dtype)
    if not isinstance(space, spaces.Box):
        raise HandfulError(
            f"Policies cannot act in a {type(space).__name__} space: wrap the environment so that "
            f"its actions are Discrete, MultiDiscrete, MultiBinary or a Box "
            f"(gymnasium.ActionWrapper)."
        )
    if not np.issubdtype(space.dtype, np.integer):
        return _interval(space)
    if not space.is_bounded("both"):
        raise HandfulError(
            "The action space is a Box of whole numbers without bounds, and policies choose among "
            "finitely many: give it bounds, or make it a Box of real numbers."
        )
    low, high = space.low.ravel().astype(np.int64), space.high.ravel().astype(np.int64)
    return _choices(high - low + 1, low, space.shape, space.dtype)


def _choices(sizes: Any, starts: Any, shape: Any, dtype: Any) -> Choices:
    sizes, starts = (tuple(int(value) for value in values) for values in (sizes, starts))
    choices = Choices(sizes, starts, tuple(shape), dtype)
    if np.prod(np.asarray(sizes, dtype=np.float64)) > MAX_CHOICES:
        raise HandfulError(
            f"The action space has {' x '.join(map(str, sizes))} combinations, and policies choose "
            f"among at most {MAX_CHOICES:,}: offer fewer with a gymnasium.ActionWrapper, or make "
            f"the actions a Box of real numbers."
        )
    return choices


def _interval(space: Any) -> Interval:
    low, high = (np.ravel(bound).astype(np.float64) for bound in (space.low, space.high))
    if not low.size:
        raise HandfulError("The action space is a Box without entries: there is nothing to choose.")
    if not (low < high).all():
        entry = int(np.flatnonzero(~(low < high))[0])
        raise HandfulError(
            f"Entry {entry} of the action space's Box cannot vary (it lies between {low[entry]:g} "
            f"and {high[entry]:g}): leave it out with a gymnasium.ActionWrapper."
        )
    with np.errstate(over="ignore"):
        bounded = np.isfinite(low) & np.isfinite(high) & np.isfinite(high - low)
    scale, shift = np.ones(low.size), np.zeros(low.size)
    scale[bounded] = (high[bounded] - low[bounded]) / 2
    shift[bounded] = (high[bounded] + low[bounded]) / 2
    return Interval(
        low=tuple(np.where(bounded, -1.0, low).tolist()),
        high=tuple(np.where(bounded, 1.0, high).tolist()),
        scale=scale,
        shift=shift,
        env_low=low,
        env_high=high,
        shape=tuple(space.shape),
        dtype=space.dtype,
    )


class Flattener:
    """An observation space as vectors [O].

    Raises:
        HandfulError: for a space whose observations have no fixed length.
    """

    def __init__(self, space: Any) -> None:
        from gymnasium import spaces

        if not space.is_np_flattenable:
            raise HandfulError(
                f"Observations of a {type(space).__name__} space have no fixed length: turn them "
                f"into arrays with a gymnasium.ObservationWrapper."
            )
        self._space, self._flatten = space, spaces.flatten
        self._is_box = isinstance(space, spaces.Box)
        self.size = int(spaces.flatdim(space))

    def __call__(self, observation: Any) -> NDArray[Any]:
        """The vector [O] of an observation; perhaps a view of it.

        Raises:
            HandfulError: if it does not have the shape that the space declares.
        """
        try:
            if self._is_box:
                vector = np.asarray(observation).reshape(-1)
            else:
                vector = self._flatten(self._space, observation)
            vector = np.asarray(vector, dtype=np.float32)
        except (TypeError, ValueError, KeyError, IndexError, AssertionError) as error:
            raise HandfulError(
                f"The environment returned an observation that does not fit its observation space "
                f"{self._space} ({type(error).__name__}: {' '.join(str(error).split())})."
            ) from None
        if vector.shape != (self.size,):
            raise HandfulError(
                f"The environment returned an observation of shape {list(np.shape(observation))}, "
                f"but its observation space is {self._space}."
            )
        return vector
