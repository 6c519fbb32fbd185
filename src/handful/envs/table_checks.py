"""What the arrays of a tabular problem must be, with messages that say where they are not."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handful.errors import HandfulError
from handful.types import NumpyArray
from handful.validation import number_array

_SUM_TOLERANCE = 1e-6  # of a row of probabilities, as files may hold single precision


def checked_transitions(values: Any) -> NumpyArray:
    """A copy in double precision, every row of which sums to 1 or 0 but for rounding."""
    table = checked_numbers("transitions", values)
    if table.ndim != 3 or table.shape[0] != table.shape[2] or 0 in table.shape:
        raise HandfulError(
            f"The transitions must have shape [states, actions, states], not {list(table.shape)}."
        )
    sums = table.sum(axis=2)
    is_wrong = (np.abs(sums - 1.0) > _SUM_TOLERANCE) & (sums != 0.0) | (table < 0).any(axis=2)
    if is_wrong.any():
        state, action = np.argwhere(is_wrong)[0]
        raise HandfulError(
            f"The transitions of action {action} in state {state} (counted from 0) sum to "
            f"{sums[state, action]:g} with a least entry of {table[state, action].min():g}: they "
            f"must be probabilities that sum to 1, or all 0 where the episode ends."
        )
    return table / np.where(sums == 0.0, 1.0, sums)[:, :, None]


def checked_start(values: Any, num_states: int) -> NumpyArray:
    """A distribution [S], from one or from the number of a state."""
    if np.ndim(values) == 0:
        what = f"The first state must be a number from 0 to {num_states - 1}"
        state = checked_number(what, values, lambda number: number in range(num_states))
        return np.eye(num_states)[int(state)]
    start = checked_numbers("start", values)
    if start.shape != (num_states,) or start.min() < 0 or abs(start.sum() - 1.0) > _SUM_TOLERANCE:
        raise HandfulError(
            f"The start must be a state, or {num_states} probabilities that sum to 1, and not an "
            f"array of shape {list(start.shape)} that sums to {start.sum():g}."
        )
    return start / start.sum()


def checked_number(what: str, value: Any, fits: Callable[[float], bool]) -> float:
    """A single finite number, from a number or an array without axes; true and false are none.

    Args:
        what: it must be, as the beginning of a sentence.
        fits: whether it is that.
    """
    if np.ndim(value):
        raise HandfulError(f"{what}, not an array of shape {list(np.shape(value))}.")
    number = np.asarray(value).item()
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not math.isfinite(number) or not fits(number):
        raise HandfulError(f"{what}, not {value}.")
    return float(number)


def checked_numbers(name: str, values: Any) -> NumpyArray:
    """A copy in double precision, all of it finite."""
    try:
        table = np.array(number_array(values), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise HandfulError(f"The {name} must be an array of numbers.") from None
    if not np.isfinite(table).all():
        place = np.argwhere(~np.isfinite(table))[0].tolist()
        raise HandfulError(
            f"The {name} have an entry that is no finite number, at {place} (counted from 0)."
        )
    return table
