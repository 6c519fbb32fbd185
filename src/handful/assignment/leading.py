"""What a policy is trained for while it is led to an outcome, users along the way paving it."""

import jax.numpy as jnp

from handful.types import Array, Float

LAST_WIDTH = 1.0
"""In the unit of distances: outcomes so far apart have half of their direction in common."""


def on_the_way(
    share: Float[Array, " N"],
    distance: Float[Array, "N K"],
    first_width: Float[Array, "..."],
    progress: Float[Array, "..."],
) -> Float[Array, "N K"]:
    """Weights of users, each counting the less the farther what suits them is from the goal.

    Args:
        share: what each user counts for at the goal.
        distance: from the outcome that suits each user best to each policy's goal.
        first_width: in which weights fall by the factor e at first, one for all policies or for
            each; it shrinks geometrically to :data:`LAST_WIDTH`.
        progress: how much of the way is over, for all policies or for each, clipped to 0 to 1.
    """
    progress = jnp.clip(progress, 0.0, 1.0)
    width = first_width ** (1.0 - progress) * LAST_WIDTH**progress
    return share[:, None] * jnp.exp(-distance / jnp.broadcast_to(width, distance.shape))
