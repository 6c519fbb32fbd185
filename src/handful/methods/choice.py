"""The choice of the k of M candidates that serve the users best, by what these earned them.

The returns are estimates, so a proof of optimality would prove little: the choice is greedy, then
improved by single swaps until none helps. :mod:`handful.exact.facility` chooses with a proof.

What counts is the sum of what the users gain from the best of the chosen candidates, or any other
function of their gains (:data:`Value`).
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from handful.types import Array, Bool, Float, Int, NumpyArray

MARGIN = 1e-6
"""A swap must gain more than this share: above rounding, or equals would be swapped for ever."""

Value = Callable[[Float[Array, "*rows N"]], Float[Array, "*rows"]]
"""What gains of N users are worth, for each of any number of rows."""

FEW = 128
"""Up to so many candidates are chosen from by the same compiled program."""


def choose_policies(returns: NumpyArray, num_policies: int) -> tuple[NumpyArray, NumpyArray]:
    """Choose ``num_policies`` different rows so that the users' mean best return is high.

    Greedy choice alone reaches at least 1 - 1/e of the best possible gain (Nemhauser, Wolsey and
    Fisher, 1978); the swaps only add to it.

    Args:
        returns: the returns of M >= ``num_policies`` policies to N users, [M, N].
        num_policies: how many to choose.

    Returns:
        The chosen rows [K], and for each user the position among them of the best [N].
    """
    gains = returns - returns.min(axis=0)
    # A pool grows from choice to choice, and a program is compiled for every size: few will do.
    size = 1 << (max(FEW, len(gains)) - 1).bit_length()
    padded = np.pad(gains, ((0, size - len(gains)), (0, 0)))
    is_there = np.arange(size) < len(gains)
    chosen = np.asarray(_choose(jnp.asarray(padded), jnp.asarray(is_there), num_policies))
    return chosen, returns[chosen].argmax(axis=0)


@partial(jax.jit, static_argnums=2)
def _choose(gains: Array, is_there: Array, num_policies: int) -> Int[Array, " K"]:
    return swap(gains, is_there, greedy_choice(gains, is_there, num_policies))


def sum_of_gains(gains: Float[Array, "*rows N"]) -> Float[Array, "*rows"]:
    """Add up what the users gain."""
    return jnp.sum(gains, axis=-1)


def greedy_choice(
    gains: Float[Array, "M N"],
    is_there: Bool[Array, " M"],
    num_policies: int,
    value: Value = sum_of_gains,
) -> Int[Array, " K"]:
    """Choose one row after the other, each time the one that adds most.

    Args:
        gains: the gain of each user from each row, at least 0.
        is_there: which rows may be chosen; there are at least ``num_policies`` of them.
        num_policies: how many rows to choose.
        value: what the users' gains are worth; it never falls if one of them gains more.
    """

    def add(
        place: Int[Array, ""], carry: tuple[Int[Array, " K"], Float[Array, " N"]]
    ) -> tuple[Int[Array, " K"], Float[Array, " N"]]:
        chosen, served = carry
        row = jnp.argmax(_totals(gains, is_there, chosen, served, value))
        return chosen.at[place].set(row), jnp.maximum(served, gains[row])

    start = (jnp.full(num_policies, -1), jnp.zeros(gains.shape[1], gains.dtype))
    return jax.lax.fori_loop(0, num_policies, add, start)[0]


def swap(
    gains: Float[Array, "M N"],
    is_there: Bool[Array, " M"],
    chosen: Int[Array, " K"],
    value: Value = sum_of_gains,
) -> Int[Array, " K"]:
    """Exchange chosen rows one by one for better ones, until no exchange adds anything.

    A row stands in the place of the one that it replaced.

    Args:
        gains, is_there, value: the same as in :func:`greedy_choice`.
        chosen: the rows before.
    """

    def one_place(place: Int[Array, ""], chosen: Int[Array, " K"]) -> Int[Array, " K"]:
        others = jnp.arange(len(chosen)) != place
        served = jnp.max(jnp.where(others[:, None], gains[chosen], 0.0), axis=0)
        rest = jnp.where(others, chosen, -1)
        totals = _totals(gains, is_there, rest, served, value)
        row = jnp.argmax(totals)
        present = totals[chosen[place]]
        improves = totals[row] > present + MARGIN * jnp.abs(present)
        return jnp.where(improves, chosen.at[place].set(row), chosen)

    def sweep(carry: tuple[Int[Array, " K"], Bool[Array, ""]]) -> tuple[Array, Array]:
        chosen, _ = carry
        better = jax.lax.fori_loop(0, len(chosen), one_place, chosen)
        return better, jnp.any(better != chosen)

    return jax.lax.while_loop(lambda carry: carry[1], sweep, (chosen, jnp.ones((), bool)))[0]


def total_gain(
    gains: Float[Array, "M N"], chosen: Int[Array, " K"], value: Value = sum_of_gains
) -> Float[Array, ""]:
    """Give what the users' gains are worth if the best of the chosen rows serves each of them."""
    return value(jnp.max(gains[chosen], axis=0))


def _totals(
    gains: Float[Array, "M N"],
    is_there: Bool[Array, " M"],
    chosen: Int[Array, " K"],
    served: Float[Array, " N"],
    value: Value,
) -> Float[Array, " M"]:
    """Give the total gain with each row added; a row that is chosen already has -infinity."""
    is_free = is_there & ~jnp.isin(jnp.arange(len(gains)), chosen)
    return jnp.where(is_free, value(jnp.maximum(gains, served[None])), -jnp.inf)
