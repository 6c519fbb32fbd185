"""How floors and outside options change what users count in training.

*Floors* have dual prices (a Lagrangian; Altman, 1999): one for each user, or for each group's mean.
With each update a price grows in proportion to what is missing to its floor, and falls, at the
lowest to 0, in proportion to what is above it. A user counts by the welfare's gradient and by the
price. Prices end where floors are just met, and go on growing where they cannot be met.

A user with an *outside option* o gets max(u, o). Its slope is 0 for a user whom no policy serves
better than o, and at first that is everybody. So training has a soft maximum in its place,
t log(exp(u/t) + exp(o/t)), whose slope is a logistic function of (u - o) / t. Its width t is the
largest distance of a user from the outside option, and shrinks to nearly 0 over the first half of
training. So all users are trained for at first, and in the end those whom a policy may serve.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful.choice.floors import Floor, group_means
from handful.training.fairness.claims import Claims
from handful.types import Array, Float, NumpyArray
from handful.welfare import WelfareFn

PRICE_STEP = 16.0
"""The step size of prices, times the number of updates: a user to whom a quarter of the range is
missing counts as much as all others together after a quarter of training."""

SLOWEST = 0.1
"""The share of the first step of prices that is left in the end. Steps become smaller so that
prices settle: where policies change much with a price, large steps would let them swing."""

HALVINGS = 10.0
"""How many times in a run the unit of prices halves if all distances from floors become small."""

NARROWEST = 0.02
"""The width of the soft maximum in the second half of training, as a share of the first width."""


class Prices(eqx.Module):
    """The dual prices of floors.

    Attributes:
        of_floors: for each floor, the prices of its users or groups.
        spread: the largest distance from a floor so far, by which steps are measured.
    """

    of_floors: tuple[Float[Array, " _"], ...]
    spread: Float[Array, ""]


class _Sets(NamedTuple):
    """A floor as training has it.

    Attributes:
        averages: the matrix [P, N] that makes what is held against the floor; None for the users'
            own utilities.
        levels: what must be reached, [P].
        counted: how many of each set of users must reach it, with these users, if it is a share.
    """

    averages: NumpyArray | None
    levels: NumpyArray
    counted: tuple[tuple[NumpyArray, int], ...] = ()


def _sets(claims: Claims, floor: Floor, num_users: int) -> _Sets:
    pool = claims.pool(np.zeros((1, num_users)))
    levels = floor.levels(pool)
    if floor.of == "groups":
        return _Sets(group_means(pool), levels)
    if floor.of == "share":
        return _Sets(None, levels, tuple((users, n) for _, users, n in floor.parts(pool)))
    return _Sets(None, levels)


def first_prices(claims: Claims, num_users: int) -> Prices | None:
    """Return prices of 0; None without floors."""
    if not claims.floors:
        return None
    sets = [_sets(claims, floor, num_users) for floor in claims.floors]
    return Prices(tuple(jnp.zeros(len(one.levels)) for one in sets), jnp.zeros(()))


def raised(
    claims: Claims,
    before: Prices,
    utilities: Float[Array, " N"],
    num_updates: int,
    progress: Float[Array, ""] | float = 0.0,
) -> tuple[Float[Array, " N"], Prices]:
    """Return what floors add to the worth of each user's utility, and the prices after a step.

    Args:
        claims: the claims, with floors.
        before: the prices.
        utilities: what each user gets, with the outside options.
        num_updates: the updates of the whole run.
        progress: how far training has come, from 0 to 1.
    """
    sets = [_sets(claims, floor, len(utilities)) for floor in claims.floors]
    missing = [_missing(one, utilities) for one in sets]
    widest = jnp.max(jnp.stack([jnp.max(jnp.abs(short)) for short in missing]))
    spread = jnp.maximum(0.5 ** (HALVINGS / num_updates) * before.spread, widest)
    slowed = jnp.maximum(1.0 - progress, SLOWEST)
    step = slowed * PRICE_STEP / num_updates / jnp.maximum(spread, 1e-30)
    prices = tuple(
        jnp.maximum(price + step * short, 0.0)
        for price, short in zip(before.of_floors, missing, strict=True)
    )
    worth = jnp.zeros(len(utilities))
    for one, price in zip(sets, prices, strict=True):
        shared = price if one.averages is None else price @ jnp.asarray(one.averages, jnp.float32)
        worth = worth + shared
    return worth, Prices(prices, spread)


def _missing(one: _Sets, utilities: Float[Array, " N"]) -> Float[Array, " P"]:
    """Return how much is missing to a floor, below 0 where it is met."""
    levels = jnp.asarray(one.levels, jnp.float32)
    if one.averages is not None:
        return levels - jnp.asarray(one.averages, jnp.float32) @ utilities
    missing = levels - utilities
    for users, number in one.counted:
        # Only the nearest to the floor have to reach it: the others are let off.
        mine = missing[users]
        furthest = jnp.sort(mine)[number - 1]
        missing = missing.at[users].set(jnp.where(mine <= furthest, mine, -jnp.abs(mine)))
    return missing


MISSING = 100.0
"""What a unit that is missing to a floor counts where policies are chosen, in units of welfare."""


def less_missing(claims: Claims, welfare: WelfareFn) -> WelfareFn:
    """Return a welfare less what is missing to floors, by which policies are chosen.

    Floors come first: a unit that is missing counts :data:`MISSING` units of welfare.

    Args:
        claims: the claims, with floors.
        welfare: the welfare of what users get from policies.
    """

    def worth(utilities: Float[Array, " N"]) -> Float[Array, ""]:
        gotten = utilities
        if claims.options is not None:
            gotten = jnp.maximum(utilities, jnp.asarray(claims.options, jnp.float32))
        return welfare(utilities) - MISSING * missing_to_floors(claims, gotten)

    return worth


def missing_to_floors(claims: Claims, utilities: Float[Array, " N"]) -> Float[Array, ""]:
    """Return how much is missing to all floors together, in the unit of returns; 0 if all hold.

    Args:
        claims: the claims.
        utilities: what each user gets, with the outside options.
    """
    total = jnp.zeros(())
    for floor in claims.floors:
        missing = _missing(_sets(claims, floor, len(utilities)), utilities)
        total = total + jnp.sum(jnp.maximum(missing, 0.0))
    return total


def attained(
    options: NumpyArray, utilities: Float[Array, " N"], progress: Float[Array, ""]
) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    """Return the soft maximum of utilities and outside options, and its slope.

    Args:
        options: what each user gets without us, [N].
        utilities: what each user expects to get from the policy.
        progress: how far training has come, from 0 to 1.
    """
    outside = jnp.asarray(options, jnp.float32)
    above = utilities - outside
    share = jnp.clip(1.0 - 2.0 * progress, NARROWEST, 1.0)
    width = jnp.maximum(share * jnp.max(jnp.abs(above)), 1e-6)
    return outside + width * jax.nn.softplus(above / width), jax.nn.sigmoid(above / width)
