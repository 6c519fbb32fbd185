"""What utilities are worth to a run, for methods that choose among outcomes that they know.

That is the welfare of the run with the outside options, less what is missing to floors, and a
little of the mean. Floors come first: what is missing counts
:data:`~handful.training.fairness.pressure.MISSING` times. The mean is
there because a welfare may say nothing: under the egalitarian one, all choices that leave somebody
with nothing are worth the same, and a search would end at any of them.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from handful.training.fairness.pressure import MISSING, missing_to_floors
from handful.training.run import Run
from handful.training.universal.chooser import welfare_of_users
from handful.types import Array, Float, NumpyArray
from handful.welfare_functions import PowerMean

SHARE_OF_MEAN = 0.01
"""The share of the mean: it decides only where the welfare hardly does."""

LOWEST = -1e20
"""What utilities are worth at which the welfare is not defined."""


def worth_to_users(run: Run, rows: NumpyArray) -> Callable[[Array], Array]:
    """Return a function that says what utilities of some users are worth, [..., n].

    Args:
        run: the run.
        rows: the users, by their position among all, [n]. Floors count if these are all of them.
    """
    claims, places = run.claims, np.argsort(rows)
    has_floors = bool(claims.floors) and len(rows) == run.problem.num_users
    function = welfare_of_users(run.own_welfare, run.config.welfare, rows) or PowerMean()
    outside = None if claims.options is None else jnp.asarray(claims.options[rows], jnp.float32)

    def of_one(utilities: Float[Array, " n"]) -> Float[Array, ""]:
        if outside is not None:
            utilities = jnp.maximum(utilities, outside)
        welfare = function(utilities)
        is_known = jnp.isfinite(welfare)
        worth = (1.0 - SHARE_OF_MEAN) * welfare + SHARE_OF_MEAN * jnp.mean(utilities)
        if has_floors:
            worth = worth - MISSING * missing_to_floors(claims, utilities[places])
        return jnp.where(is_known, worth, LOWEST)

    return lambda utilities: jnp.vectorize(of_one, signature="(n)->()")(utilities)
