"""Continuous actions from a normal distribution that a tanh squashes into the action space.

A network puts out two numbers for each component of an action: the mean of a normal variable, and
the logarithm of its standard deviation, which is clipped. The action is the tanh of the variable,
stretched to the bounds of the component (Haarnoja et al. 2018, appendix C). JAX and NumPy compute
the same, so these functions take arrays of either.
"""

from typing import TypeVar

from handful.environment import Box
from handful.types import Array, Float, NumpyArray

T = TypeVar("T", Array, NumpyArray)

LOWEST_LOG_STD = -5.0
"""The logarithm of the least standard deviation, before the tanh."""

HIGHEST_LOG_STD = 2.0
"""The logarithm of the largest standard deviation: tanh then gives the bounds most of the time."""


def mean_and_log_std(
    outputs: Float[T, "*batch A_2"],
) -> tuple[Float[T, "*batch A"], Float[T, "*batch A"]]:
    """Return the means and the logarithms of standard deviations that a network's outputs mean."""
    size = outputs.shape[-1] // 2
    return outputs[..., :size], outputs[..., size:].clip(LOWEST_LOG_STD, HIGHEST_LOG_STD)


def centre_and_reach(space: Box) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the middle of each component's range, and half of its width."""
    pairs = tuple(zip(space.low, space.high, strict=True))
    return (
        tuple((low + high) / 2 for low, high in pairs),
        tuple((high - low) / 2 for low, high in pairs),
    )
