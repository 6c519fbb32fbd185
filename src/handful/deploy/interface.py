"""What policies see and do: the content of ``interface.json``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.deploy.actions import ActionError, Actions, read_actions
from handful.deploy.observations import Reader, SpaceError
from handful.errors import HandfulError

NAME = "interface.json"
"""The name of the file."""


@dataclass(frozen=True, eq=False)
class Interface:
    """The observations and the actions of all policies of a bundle.

    Attributes:
        reader: turns a simulator's observations into vectors [..., O].
        actions: turns what networks put out into the simulator's actions.
        seen_low, seen_high: the lowest and the highest value of each entry of a vector that was
            seen when the policies played, [O].
    """

    reader: Reader
    actions: Actions
    seen_low: NDArray[Any]
    seen_high: NDArray[Any]

    @property
    def observation_size(self) -> int:
        """The number ``O`` of entries of a vector."""
        return self.reader.size


def read_interface(content: Any, place: str) -> Interface:
    """Return the interface that the content of a file describes.

    Args:
        content: the content of ``interface.json``.
        place: the path of the file, for error messages.

    Raises:
        HandfulError: if it describes none.
    """
    try:
        if not isinstance(content, dict) or not isinstance(content.get("observation"), dict):
            raise SpaceError("it has no mapping 'observation'")
        seen = content["observation"].get("seen")
        if not isinstance(seen, dict):
            raise SpaceError("it does not say which observations were seen")
        offset = content["observation"].get("offset")
        reader = Reader(
            content["observation"].get("space"), None if offset is None else _numbers(offset)
        )
        low, high = _numbers(seen.get("low")), _numbers(seen.get("high"))
        if low.shape != (reader.size,) or high.shape != low.shape or (low > high).any():
            raise SpaceError("the ranges of observations do not fit them")
        return Interface(reader, read_actions(content.get("action")), low, high)
    except (SpaceError, ActionError) as error:
        raise HandfulError(
            f"'{place}' is damaged or of another version of handful: {error}."
        ) from None


def _numbers(values: Any) -> NDArray[Any]:
    is_list = isinstance(values, list)
    if not is_list or not all(isinstance(v, int | float) and type(v) is not bool for v in values):
        raise SpaceError("a list of numbers is missing")
    return np.array(values, np.float64)
