"""What each user counts in training: the welfare's gradient, or weights that follow it slowly.

The weights are N times the gradient of the welfare at what users get (:mod:`handful.welfare`).
Where that gradient jumps as users change places (the egalitarian welfare, CVaR, Gini, and the same
of groups' means), weights move towards it by mirror descent
(:mod:`handful.training.fairness.mirror`). They are a part of the state of training then. All other
welfares have no such part. A run that begins with policies that have learnt already, be it from a
universal policy or from an earlier run, trains for its welfare at once. Every other one begins with
the mean.

Floors and outside options change what users count (:mod:`handful.training.fairness.pressure`).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from handful.training.fairness.mirror import SHARE_OF_ALL, MirrorState, share_of_all, step_size
from handful.training.fairness.pressure import Prices, attained, first_prices, raised
from handful.training.run import Run
from handful.types import Array, Float, Int, NumpyArray
from handful.welfare import user_weights
from handful.welfare_functions import GroupWelfare, Welfare


class Ordered(NamedTuple):
    """A welfare that weighs users, or groups, by their place.

    Attributes:
        places: what each place counts, from the worst served to the best, [P].
        averages: the matrix [P, N] that makes groups' means of utilities; None if the places are
            those of users.
    """

    places: NumpyArray
    averages: NumpyArray | None


def ordered(welfare: object, num_users: int) -> Ordered | None:
    """Return how a welfare weighs users by their place; None if its gradient does not jump.

    Args:
        welfare: the welfare function in any form.
        num_users: ``N``.
    """
    if isinstance(welfare, GroupWelfare):
        averages = welfare.averages()
        places = welfare.of.place_weights(len(averages))
        return None if places is None else Ordered(places, averages)
    places = welfare.place_weights(num_users) if isinstance(welfare, Welfare) else None
    return None if places is None else Ordered(places, None)


def first_weights(run: Run) -> MirrorState | None:
    """Return the weights with which a run begins: equal ones; None if they are no part of it."""
    found = ordered(run.own_welfare, run.problem.num_users)
    return None if found is None else MirrorState.even(len(found.places))


def begin_prices(run: Run) -> Prices | None:
    """Return the prices of floors with which a run begins; None without floors."""
    return first_prices(run.claims, run.problem.num_users)


class Weights(NamedTuple):
    """What users count, and what is kept of it.

    Attributes:
        of_users: what each user counts, [N]; 1 in the mean if there are no floors.
        mirror: the state of weights that follow the gradient slowly, if they do.
        prices: the prices of floors, if there are any.
    """

    of_users: Float[Array, " N"]
    mirror: MirrorState | None
    prices: Prices | None


def weigh(
    run: Run,
    mirror: MirrorState | None,
    prices: Prices | None,
    utilities: Float[Array, " N"],
    update: Int[Array, ""],
) -> Weights:
    """Return what each user counts in an update.

    Args:
        run: the run.
        mirror: the state of weights that follow the gradient slowly, if they do.
        prices: the prices of floors, if there are any.
        utilities: what each user expects to get from the policy.
        update: the number of updates done.
    """
    claims = run.claims
    progress = update / max(run.planned_updates, 1)
    share = SHARE_OF_ALL if run.begins_trained else share_of_all(progress)
    if not claims:
        weights, mirror = _of_welfare(run, mirror, utilities, share)
        return Weights(weights, mirror, None)
    gotten, slope = utilities, None
    if claims.options is not None:
        gotten, slope = attained(claims.options, utilities, progress)
        utilities = jnp.maximum(utilities, jnp.asarray(claims.options, jnp.float32))
    weights, mirror = _of_welfare(run, mirror, gotten, share)
    if slope is not None:
        weights = weights * slope
    if prices is not None:
        worth, prices = raised(claims, prices, utilities, run.planned_updates, progress)
        weights = weights + len(utilities) * worth
    return Weights(weights, mirror, prices)


def _of_welfare(
    run: Run,
    before: MirrorState | None,
    utilities: Float[Array, " N"],
    share: Float[Array, ""] | float,
) -> tuple[Float[Array, " N"], MirrorState | None]:
    """Return N times the gradient of the welfare at utilities, or what follows it slowly."""
    if before is None:
        return user_weights(run.own_welfare, utilities), None
    found = ordered(run.own_welfare, run.problem.num_users)
    assert found is not None
    places = jnp.asarray(found.places, jnp.float32)
    step = run.config.weight_step
    if step is None:
        step = step_size(np.asarray(found.places), run.planned_updates)
    if found.averages is None:
        after = before.after(utilities, places, step, share)
        return len(utilities) * after.shares, after
    averages = jnp.asarray(found.averages, jnp.float32)
    after = before.after(averages @ utilities, places, step, share)
    return len(utilities) * (after.shares @ averages), after
