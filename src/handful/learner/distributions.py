"""The distributions of actions that policies draw from, over finite ones and continuous ones."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.types import Array, Float, Int, PRNGKey

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class Categorical(eqx.Module):
    """A distribution over ``A`` actions from unnormalised log-probabilities."""

    logits: Float[Array, "*batch A"]

    def softened(self, random_share: float) -> "Categorical":
        """Return the distribution that takes a uniformly random action with this probability.

        With the remaining probability it takes an action of this distribution.
        """
        if random_share == 0.0:
            return self
        log_probs = jax.nn.log_softmax(self.logits) + math.log1p(-random_share)
        return Categorical(jnp.logaddexp(log_probs, math.log(random_share / self.logits.shape[-1])))

    def sample(self, key: PRNGKey) -> Int[Array, "*batch"]:
        """Draw one action for each entry of the batch."""
        return jax.random.categorical(key, self.logits)

    def mode(self) -> Int[Array, "*batch"]:
        """Return the likeliest action; of several, the one with the lowest number."""
        return jnp.argmax(self.logits, axis=-1)

    def log_prob(self, action: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Return the logarithm of the probability of each action."""
        chosen = jax.nn.one_hot(action, self.logits.shape[-1], dtype=bool)
        # The gradient of a masked sum is a cheap select; that of a gather would be a scatter.
        return jnp.sum(jnp.where(chosen, jax.nn.log_softmax(self.logits), 0.0), axis=-1)

    def entropy(self) -> Float[Array, "*batch"]:
        """Return the entropy of each distribution in nats, in closed form."""
        log_probs = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)


class Gaussian(eqx.Module):
    """A normal distribution over ``A`` action components that are independent of each other.

    Attributes:
        mean: the mean of each component.
        log_std: the logarithm of each component's standard deviation.
    """

    mean: Float[Array, "*batch A"]
    log_std: Float[Array, "*batch A"]

    def sample(self, key: PRNGKey) -> Float[Array, "*batch A"]:
        """Draw one raw action for each entry of the batch.

        The environment gets the clipped action; the learner must get the raw one.
        """
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)

    def mode(self) -> Float[Array, "*batch A"]:
        """Return the action of the highest density, which is the mean."""
        return self.mean

    def log_prob(self, action: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        """Return the logarithm of the density at each raw action."""
        standard = (action - self.mean) * jnp.exp(-self.log_std)
        return jnp.sum(-0.5 * standard**2 - self.log_std - LOG_SQRT_2PI, axis=-1)

    def entropy(self) -> Float[Array, "*batch"]:
        """Return the entropy of each distribution in nats, in closed form."""
        return jnp.sum(self.log_std + LOG_SQRT_2PI + 0.5, axis=-1)
