"""How new observations are: they are counted in tables of two of their entries each.

Each entry of an observation is put into one of a few bins, and each pair of entries has a table of
counts. So an entry that only holds noise soon fills its tables and is new no more, which it would
be for ever to one table of all entries. An observation is worth the mean over the tables of
``1 / sqrt(1 + n)``, where ``n`` says how often its cell was met before (Strehl & Littman 2008;
Bellemare et al. 2016), if the cell is met for the first time in its episode. Without that condition
a policy could stay where it is new, instead of going on (Badia et al. 2020, "Never Give Up").
"""

from itertools import combinations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful.learner.normalize import EPSILON, Normalizer
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int, NumpyArray

BINS = 24
"""The bins of an entry. They grow wider away from the mean, and the last ones are open."""

BINS_PER_UNIT = 4.0
"""The bins of a standard deviation near the mean."""

MOST_TABLES = 32
"""The most tables. Of more pairs of entries, as many are drawn once."""

KEPT = 0.9
"""The weight of what was known of the usual novelty before an update."""


MOST_LISTED = 10_000
"""The most pairs of entries that are listed. Of more, pairs are drawn one by one: an image has
millions, and hardly any is drawn twice."""


def pairs_of_entries(observation_size: int) -> NumpyArray:
    """Return the two different entries of each table, [J, 2]; (0, 0) if there is one entry alone.

    Args:
        observation_size: the number ``O`` of entries of an observation.
    """
    rng = np.random.default_rng(0)
    if observation_size * (observation_size - 1) // 2 <= MOST_LISTED:
        listed = np.array(list(combinations(range(observation_size), 2)) or [(0, 0)])
        return rng.permutation(listed)[:MOST_TABLES]
    first = rng.integers(observation_size, size=MOST_TABLES)
    later = rng.integers(1, observation_size, size=MOST_TABLES)
    return np.stack([first, (first + later) % observation_size], axis=1)


class Novelty(eqx.Module):
    """The counts of all observations met, in ``J`` tables of ``S`` cells.

    Attributes:
        counts: how often each cell was met.
        visited: which cells each policy has met in its present episode.
        moments: the mean and the variance of all observations met.
        scale: the same as they were when bins were chosen last.
        level: the mean novelty of a transition, averaged over the latest updates; 0 before any.
        pairs: the two entries of each table.
    """

    counts: Float[Array, "J S"]
    visited: Bool[Array, "K B J S"]
    moments: Normalizer
    scale: Normalizer
    level: Float[Array, ""]
    pairs: Int[Array, "J 2"]

    @classmethod
    def empty(cls, num_policies: int, num_envs: int, observation_size: int) -> "Novelty":
        """Return the tables before anything was met.

        Args:
            num_policies: the number ``K`` of policies.
            num_envs: the number ``B`` of environments of each.
            observation_size: the number ``O`` of entries of an observation.
        """
        pairs = pairs_of_entries(observation_size)
        cells = (len(pairs), BINS**2)
        unknown = Normalizer.identity(1, observation_size)
        return cls(
            counts=jnp.zeros(cells),
            visited=jnp.zeros((num_policies, num_envs, *cells), bool),
            moments=unknown,
            scale=unknown,
            level=jnp.zeros(()),
            pairs=jnp.asarray(pairs, jnp.int32),
        )

    def cells(self, observations: Float[Array, "*M O"]) -> Int[Array, "*M J"]:
        """Return the cell of observations in each table."""
        rows = observations.reshape(-1, observations.shape[-1])
        standard = (rows - self.scale.mean) * jax.lax.rsqrt(self.scale.variance + EPSILON)
        bins = jnp.floor(jnp.arcsinh(standard) * BINS_PER_UNIT) + BINS // 2
        bins = jnp.clip(bins, 0, BINS - 1).astype(jnp.int32)
        cells = bins[:, self.pairs[:, 0]] * BINS + bins[:, self.pairs[:, 1]]
        return cells.reshape(*observations.shape[:-1], -1)

    def meet(self, batch: Transitions) -> tuple["Novelty", Float[Array, "K T B"]]:
        """Count the observations that a batch led to.

        Returns:
            The tables after it, and how new each observation was, as a multiple of what is usual.
        """
        cells, tables = self.cells(batch.next_observations), jnp.arange(len(self.pairs))
        ended = batch.terminated | batch.truncated

        def step(
            visited: Bool[Array, "J S"], now: tuple[Int[Array, " J"], Bool[Array, ""]]
        ) -> tuple[Bool[Array, "J S"], Bool[Array, " J"]]:
            cell, is_end = now
            is_first = ~visited[tables, cell]
            return jnp.where(is_end, False, visited.at[tables, cell].set(True)), is_first

        def lane(visited: Array, cells: Array, ended: Array) -> tuple[Array, Array]:
            return jax.lax.scan(step, visited, (cells, ended))

        of_policy = jax.vmap(lane, in_axes=(0, 1, 1), out_axes=(0, 1))
        visited, is_first = jax.vmap(of_policy)(self.visited, cells, ended)
        worth = jax.lax.rsqrt(1.0 + self.counts)[tables, cells]
        found = jnp.mean(is_first * worth, axis=-1)
        mean = jnp.mean(found)
        level = jnp.where(self.level > 0, KEPT * self.level + (1.0 - KEPT) * mean, mean)
        after = Novelty(
            counts=self.counts.at[tables, cells].add(1.0),
            visited=visited,
            moments=self.moments.update(batch.flat().observations, together=True),
            scale=self.scale,
            level=level,
            pairs=self.pairs,
        )
        return after, found / jnp.maximum(level, 1e-8)

    def binned_anew(self) -> "Novelty":
        """Return empty tables whose bins suit all observations met so far."""
        return Novelty(
            counts=jnp.zeros_like(self.counts),
            visited=jnp.zeros_like(self.visited),
            moments=self.moments,
            scale=self.moments,
            level=self.level,
            pairs=self.pairs,
        )
