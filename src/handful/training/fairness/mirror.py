"""Mirror descent on weights of users: the exponentiated gradient, within what a welfare allows.

Some welfares are the least of many weighted means, W(u) = min over q in Q of q . u: the egalitarian
welfare over all weights q with the sum 1, a Gini welfare and CVaR over the mixtures of all orders
of their places' weights. To train for such a welfare is a game: policies make q . u large, and the
weights make it small. If the weights were at once the worst for the policies as they are, which is
the gradient of W, they would jump from user to user, and each policy would forget what it learnt
for the user before. So the weights move a step at a time (Nemirovski and Yudin, 1983; Kivinen and
Warmuth, 1997):

1. every user's weight is multiplied by exp(-step * utility / spread), so that who gets little
   counts more;
2. the result is replaced by the weights of Q that are nearest to it, in relative entropy. With
   users sorted by it, these are constant multiples of it in blocks of neighbours. The blocks are
   the pieces of the least concave majorant of the cumulative weights over the places' cumulative
   weights (isotonic regression; Lim and Wright, 2016);
3. places' weights are those of the welfare, of which a share is divided among all places alike:
   weights are then those of a welfare between W and the mean. Training begins with the mean, and
   the share falls to a small one over the first half of it (:func:`share_of_all`). So policies
   learn first what serves many, and those who are left out then count more. At the beginning a user
   whom nothing serves yet would have all the weight, and policies would learn nothing, or unlearn
   what they could do for others. The small share that stays keeps everybody's weight so large that
   it can grow in time when the user falls behind.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful.types import Array, Float, Int, NumpyArray

SHARE_OF_ALL = 0.02
"""The share of all weight that is divided among all places alike in the end."""

BEGINNING = 0.5
"""The share of training over which the weights go from those of the mean to the welfare's."""

LARGEST_STEP = 1.0
"""The largest step: users who get least and most then change by a factor of e to each other."""


class MirrorState(eqx.Module):
    """Weights that move by mirror descent.

    Attributes:
        logs: the logarithm of each weight [P]; the weights sum to 1.
        spread: the largest difference between two utilities so far, by which steps are measured.
    """

    logs: Float[Array, " P"]
    spread: Float[Array, ""]

    @classmethod
    def even(cls, number: int) -> "MirrorState":
        """Return the first weights, which are all the same."""
        return cls(jnp.full(number, -jnp.log(float(number))), jnp.zeros(()))

    @property
    def shares(self) -> Float[Array, " P"]:
        """The weights, with the sum 1."""
        return jnp.exp(self.logs)

    def after(
        self,
        utilities: Float[Array, " P"],
        places: Float[Array, " P"],
        step: float,
        share: Float[Array, ""] | float = SHARE_OF_ALL,
    ) -> "MirrorState":
        """Return the weights after one step.

        Args:
            utilities: what each user, or each group, gets.
            places: what each place counts, from the worst served to the best, never rising and
                with the sum 1.
            step: the step size.
            share: the share of all weight that is divided among all places alike.
        """
        difference = jnp.max(utilities) - jnp.min(utilities)
        spread = jnp.maximum(self.spread, difference)
        moved = self.logs - step * utilities / jnp.maximum(spread, 1e-30)
        softened = (1.0 - share) * places + share / len(places)
        return MirrorState(jnp.log(nearest_shares(moved, softened)), spread)


def share_of_all(progress: Float[Array, ""]) -> Float[Array, ""]:
    """Return the share of all weight that is divided among all places alike.

    Args:
        progress: how far training has come, from 0 to 1.
    """
    return jnp.maximum(1.0 - progress / BEGINNING, SHARE_OF_ALL)


def step_size(places: NumpyArray, num_updates: int) -> float:
    """Return the step size for which the weights' regret is bounded best.

    Over T steps of size s, the utilities as weighted exceed those with the best fixed weights
    by at most D / (s T) + s / 8 spreads, where D is the largest relative entropy of weights in Q to
    equal ones (Hedge). That is least for s = sqrt(8 D / T).

    Args:
        places: what each place counts [P], with the sum 1.
        num_updates: the number T of steps.
    """
    counted = places[places > 0]
    entropy = float(np.sum(counted * np.log(counted * len(places))))
    return min(float(np.sqrt(8.0 * max(entropy, 0.0) / max(num_updates, 1))), LARGEST_STEP)


class _Blocks(NamedTuple):
    """The blocks of a pass over sorted weights; only the first ``count`` are filled."""

    read: Int[Array, ""]
    count: Int[Array, ""]
    starts: Int[Array, " P"]
    weights: Float[Array, " P"]
    places: Float[Array, " P"]


def nearest_shares(logs: Float[Array, " P"], places: Float[Array, " P"]) -> Float[Array, " P"]:
    """Return the nearest mixture of all orders of some places' weights, in relative entropy.

    Args:
        logs: the logarithms of positive weights, with any sum.
        places: the places' weights, never rising and with the sum 1.

    Returns:
        the shares q of least sum_i q_i (log q_i - logs_i), with the sum 1.
    """
    number = len(logs)
    order = jnp.argsort(-logs, stable=True)
    weights = jnp.exp(logs[order] - jnp.max(logs))
    none = jnp.zeros((), jnp.int32)
    empty = _Blocks(none, none, jnp.zeros(number, jnp.int32), *jnp.zeros((2, number)))

    def falls_back(blocks: _Blocks) -> Array:
        """Say whether the last block is heavier for its places than the one before."""
        last, before = blocks.count - 1, jnp.maximum(blocks.count - 2, 0)
        left = blocks.weights[last] * blocks.places[before]
        right = blocks.weights[before] * blocks.places[last]
        return (blocks.count >= 2) & (left >= right)

    def merged(blocks: _Blocks) -> _Blocks:
        last, before = blocks.count - 1, blocks.count - 2
        return blocks._replace(
            count=last,
            weights=blocks.weights.at[before].add(blocks.weights[last]),
            places=blocks.places.at[before].add(blocks.places[last]),
        )

    def opened(blocks: _Blocks) -> _Blocks:
        read, count = blocks.read, blocks.count
        return _Blocks(
            read + 1,
            count + 1,
            blocks.starts.at[count].set(read),
            blocks.weights.at[count].set(weights[read]),
            blocks.places.at[count].set(places[read]),
        )

    def go_on(blocks: _Blocks) -> _Blocks:
        return jax.lax.cond(falls_back(blocks), merged, opened, blocks)

    def is_open(blocks: _Blocks) -> Array:
        return (blocks.read < number) | falls_back(blocks)

    blocks = jax.lax.while_loop(is_open, go_on, empty)
    is_filled = jnp.arange(number) < blocks.count
    # Each user's block: the last one that starts at the user's place or before.
    starts = jnp.where(is_filled, blocks.starts, number)
    block = jnp.searchsorted(starts, jnp.arange(number), side="right") - 1
    factors = blocks.places / jnp.where(is_filled, blocks.weights, 1.0)
    return jnp.zeros(number).at[order].set(weights * factors[block])
