"""The running mean and variance of raw observations, by which they are normalised."""

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.types import Array, Float, Int

CLIP = 10.0
"""The largest absolute value of a normalised entry: larger ones are clipped (Huang et al. 2022)."""

EPSILON = 1e-8
"""It is added to variances, so that the scale of an entry that never varied is finite."""


class Normalizer(eqx.Module):
    """Statistics of all raw observations that each policy met.

    Attributes:
        count: the number of observations, [K].
        mean: the mean of each entry, [K, O].
        variance: the population variance of each entry, [K, O]; 1 before the first observation.
        clip: the largest absolute value of a normalised entry; infinite if observations are not
            normalised.
    """

    count: Float[Array, " K"]
    mean: Float[Array, "K O"]
    variance: Float[Array, "K O"]
    clip: float = eqx.field(static=True, default=CLIP)

    @classmethod
    def identity(cls, num_policies: int, observation_size: int, clip: float = CLIP) -> "Normalizer":
        """Return statistics before any observation, with which normalising changes nothing."""
        shape = (num_policies, observation_size)
        return cls(jnp.zeros(num_policies), jnp.zeros(shape), jnp.ones(shape), clip)

    @property
    def scale(self) -> Float[Array, "K O"]:
        """The inverse of the standard deviation of each entry."""
        return jax.lax.rsqrt(self.variance + EPSILON)

    def __call__(self, observations: Float[Array, "K M O"]) -> Float[Array, "K M O"]:
        """Normalise observations: subtract the mean, divide by the standard deviation, and clip."""
        standard = (observations - self.mean[:, None]) * self.scale[:, None]
        return jnp.clip(standard, -self.clip, self.clip)

    def update(self, observations: Float[Array, "K M O"], together: bool = False) -> "Normalizer":
        """Return the statistics after a further batch of raw observations (Chan et al. 1979).

        Args:
            observations: the observations of policy ``k`` in row ``k``.
            together: whether all policies' observations count for every policy's statistics.
        """
        if together:
            observations = observations.reshape(1, -1, observations.shape[-1])
        batch_count = observations.shape[1]
        batch_mean = jnp.mean(observations, axis=1)
        batch_variance = jnp.var(observations, axis=1)
        count = self.count + batch_count
        share = (batch_count / count)[:, None]
        delta = batch_mean - self.mean
        variance = (
            self.variance * (1.0 - share) + batch_variance * share + delta**2 * share * (1 - share)
        )
        return Normalizer(count, self.mean + delta * share, variance, self.clip)

    def take(self, source: Int[Array, " K"]) -> "Normalizer":
        """Return statistics whose row ``j`` is a copy of row ``source[j]`` of these."""
        return jax.tree.map(lambda leaf: leaf[source], self)

    def with_equal_choices(self, number: int) -> "Normalizer":
        """Return statistics of observations with a one-hot vector of equal chances at their end.

        Args:
            number: the entries of the vector. If observations are not normalised, it is not either.
        """
        is_used = jnp.isfinite(self.clip) & (self.count > 0)
        share = 1.0 / number

        def longer(values: Array, of_choices: float, unused: float) -> Array:
            more = jnp.where(is_used, of_choices, unused)[:, None]
            more = jnp.broadcast_to(more, (len(values), number))
            return jnp.concatenate([values, more.astype(values.dtype)], axis=1)

        mean = longer(self.mean, share, 0.0)
        variance = longer(self.variance, share * (1.0 - share), 1.0)
        return Normalizer(self.count, mean, variance, self.clip)
