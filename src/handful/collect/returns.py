"""Returns of episodes in features, added up step by step, and discounted ones on request."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp

from handful.types import Array, Bool, Float, Int


class Discounted(eqx.Module):
    """Discounted returns of running episodes.

    Attributes:
        episode_return: the discounted returns so far, in features, [K, B, D].
        weight: the weight of the next step's features, [K, B]: the discount to the power of the
            steps taken.
    """

    episode_return: Float[Array, "K B D"]
    weight: Float[Array, "K B"]

    @classmethod
    def start(cls, shape: tuple[int, ...]) -> "Discounted":
        """Return zeros for the returns, in the shape [K, B, D]."""
        return cls(jnp.zeros(shape), jnp.ones(shape[:2]))


class Running(NamedTuple):
    """Returns of running episodes.

    Attributes:
        episode_return: the undiscounted returns so far, in features, [K, B, D].
        discounted: the same with discount; None if nobody asked for it.
    """

    episode_return: Float[Array, "K B D"]
    discounted: Discounted | None


class FinishedEpisodes(NamedTuple):
    """The episodes that ended in a batch.

    Attributes:
        total_return: the sum of the undiscounted returns over each policy's finished episodes, [K,
            D].
        count: the number of each policy's finished episodes, [K].
        discounted_return: the same sum with discount, [K, D]; None if nobody asked for it.
    """

    total_return: Float[Array, "K D"]
    count: Int[Array, " K"]
    discounted_return: Float[Array, "K D"] | None = None

    @classmethod
    def none_yet(cls, running: Running) -> "FinishedEpisodes":
        """Return zeros, with a discounted sum if the running episodes have one."""
        zero = jnp.zeros_like(running.episode_return[:, 0])
        count = jnp.zeros(zero.shape[0], jnp.int32)
        discounted = None if running.discounted is None else jnp.zeros_like(zero)
        return cls(zero, count, discounted)


def advance(
    running: Running,
    finished: FinishedEpisodes,
    features: Float[Array, "K B D"],
    ended: Bool[Array, "K B"],
    counted: Bool[Array, "K B"],
    discount: float,
) -> tuple[Running, FinishedEpisodes]:
    """Add one step's features to the returns.

    Args:
        ended: whether this step was the last one of an episode.
        counted: whether the return of that episode enters the moving average.
    """
    total = running.episode_return + features
    total_return = finished.total_return + jnp.sum(total * counted[..., None], axis=1)
    count = finished.count + jnp.sum(counted, axis=1, dtype=jnp.int32)
    going_on = ~ended[..., None]
    discounted, discounted_return = running.discounted, finished.discounted_return
    if discounted is not None:
        assert discounted_return is not None
        weighed = discounted.episode_return + discounted.weight[..., None] * features
        discounted_return = discounted_return + jnp.sum(weighed * counted[..., None], axis=1)
        discounted = Discounted(
            weighed * going_on, jnp.where(ended, 1.0, discounted.weight * discount)
        )
    return (
        Running(total * going_on, discounted),
        FinishedEpisodes(total_return, count, discounted_return),
    )
