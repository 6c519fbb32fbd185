"""Action distributions over any batch shape: sample, log-probability, entropy, mode."""

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
        """The same, but with this probability an action is drawn from all alike."""
        if random_share == 0.0:
            return self
        log_probs = jax.nn.log_softmax(self.logits) + math.log1p(-random_share)
        return Categorical(jnp.logaddexp(log_probs, math.log(random_share / self.logits.shape[-1])))

    def sample(self, key: PRNGKey) -> Int[Array, "*batch"]:
        """One action for each batch entry."""
        return jax.random.categorical(key, self.logits)

    def mode(self) -> Int[Array, "*batch"]:
        """The likeliest action; the first of equals."""
        return jnp.argmax(self.logits, axis=-1)

    def log_prob(self, action: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Log-probability of each action."""
        chosen = jax.nn.one_hot(action, self.logits.shape[-1], dtype=bool)
        # A masked sum, as its gradient is a cheap select where that of a gather is a scatter.
        return jnp.sum(jnp.where(chosen, jax.nn.log_softmax(self.logits), 0.0), axis=-1)

    def entropy(self) -> Float[Array, "*batch"]:
        """In nats, in closed form."""
        log_probs = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)


class Gaussian(eqx.Module):
    """Independent normal action components."""

    mean: Float[Array, "*batch A"]
    log_std: Float[Array, "*batch A"]

    def sample(self, key: PRNGKey) -> Float[Array, "*batch A"]:
        """One raw action for each batch entry. Clip it for the environment, never for learning."""
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)

    def mode(self) -> Float[Array, "*batch A"]:
        """The mean."""
        return self.mean

    def log_prob(self, action: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        """Log-density of each raw action."""
        standard = (action - self.mean) * jnp.exp(-self.log_std)
        return jnp.sum(-0.5 * standard**2 - self.log_std - LOG_SQRT_2PI, axis=-1)

    def entropy(self) -> Float[Array, "*batch"]:
        """In nats, in closed form."""
        return jnp.sum(self.log_std + LOG_SQRT_2PI + 0.5, axis=-1)
