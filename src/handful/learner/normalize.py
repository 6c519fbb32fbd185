"""Running mean and variance of raw observations, for each policy its own or for all together."""

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.types import Array, Float, Int

CLIP = 10.0
"""Normalised observations are clipped to [-CLIP, CLIP] (Huang et al. 2022)."""

EPSILON = 1e-8
"""Keeps the scale finite where an entry never varied."""


class Normalizer(eqx.Module):
    """Statistics of every raw observation that each policy was at.

    Attributes:
        count: [K] observations seen.
        mean: [K, O].
        variance: [K, O], the population variance; 1 before anything was seen.
        clip: what normalised observations are clipped to, either way; infinite where observations
            are taken as they are.
    """

    count: Float[Array, " K"]
    mean: Float[Array, "K O"]
    variance: Float[Array, "K O"]
    clip: float = eqx.field(static=True, default=CLIP)

    @classmethod
    def identity(cls, num_policies: int, observation_size: int, clip: float = CLIP) -> "Normalizer":
        """Statistics that change nothing yet."""
        shape = (num_policies, observation_size)
        return cls(jnp.zeros(num_policies), jnp.zeros(shape), jnp.ones(shape), clip)

    def __call__(self, observations: Float[Array, "K M O"]) -> Float[Array, "K M O"]:
        """Standardise raw observations and clip them."""
        scale = jax.lax.rsqrt(self.variance + EPSILON)
        standard = (observations - self.mean[:, None]) * scale[:, None]
        return jnp.clip(standard, -self.clip, self.clip)

    def update(self, observations: Float[Array, "K M O"], together: bool = False) -> "Normalizer":
        """Take in a batch of raw observations (Chan, Golub & LeVeque 1979).

        Args:
            together: whether every policy's statistics are of what all policies were at.
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
        """Statistics whose row ``j`` is a copy of row ``source[j]``."""
        return jax.tree.map(lambda leaf: leaf[source], self)
