"""Draws from given distributions in constant time: Walker's alias method (Vose, 1991).

A distribution over M values becomes M cells of equal size, each of which holds at most two of them.
A draw picks a cell, and then one of its two values: two random numbers and two look-ups, however
many values there are.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from handful.types import Array, Int, NumpyArray, PRNGKey


@dataclass(frozen=True)
class AliasTable:
    """Distributions to draw from in constant time.

    Attributes:
        value: what each cell of a distribution's row stands for, int32 [R, M].
        other: what the rest of the cell stands for, int32 [R, M].
        share: of the cell that ``value`` has, float32 [R, M].
    """

    value: NumpyArray
    other: NumpyArray
    share: NumpyArray

    def draw(self, key: PRNGKey, row: Int[Array, ""]) -> Int[Array, ""]:
        """One draw from a row's distribution."""
        cell_key, share_key = jax.random.split(key)
        cell = jax.random.randint(cell_key, (), 0, self.value.shape[1])
        is_first = jax.random.uniform(share_key) < jnp.asarray(self.share)[row, cell]
        first, second = jnp.asarray(self.value)[row, cell], jnp.asarray(self.other)[row, cell]
        return jnp.where(is_first, first, second)


def alias_table(probabilities: NumpyArray) -> AliasTable:
    """Tables for the distributions in the rows of a matrix [R, S], each of which sums to 1."""
    width = max(1, int((probabilities > 0).sum(axis=1).max()))
    shape = (len(probabilities), width)
    value, other = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    share = np.ones(shape)
    for row, distribution in enumerate(probabilities):
        support = np.flatnonzero(distribution)
        filled = np.zeros(width)
        filled[: len(support)] = distribution[support] / distribution[support].sum() * width
        value[row, : len(support)] = support
        value[row, len(support) :] = support[0]
        other[row] = value[row]
        poor, rich = list(np.flatnonzero(filled < 1)), list(np.flatnonzero(filled >= 1))
        # What a cell lacks comes from one that has too much; rounding leaves some cells over.
        while poor and rich:
            cell, donor = poor.pop(), rich[-1]
            share[row, cell], other[row, cell] = filled[cell], value[row, donor]
            filled[donor] -= 1.0 - filled[cell]
            if filled[donor] < 1:
                poor.append(rich.pop())
    return AliasTable(value, other, share.astype(np.float32))
