"""Policies whose continuous actions are squashed into the action space (:mod:`handful.squashing`).

Their spread depends on the observation, and no action has to be clipped.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.environment import Box
from handful.learner.distributions import LOG_SQRT_2PI
from handful.learner.networks import Actor, Stack, constant_stack
from handful.squashing import LOWEST_LOG_STD, centre_and_reach, mean_and_log_std
from handful.types import Array, Float, PRNGKey

NEAREST = 1.0 - 1e-6
"""The largest absolute value of a squashed variable whose density is computed: tanh reaches 1 in
single precision."""


class SquashedGaussian(eqx.Module):
    """The distribution of the tanh of a normal variable, stretched to the action space.

    Attributes:
        mean: the mean of the normal variable of each action component.
        log_std: the logarithm of its standard deviation.
        space: the action space.
    """

    mean: Float[Array, "*batch A"]
    log_std: Float[Array, "*batch A"]
    space: Box = eqx.field(static=True)

    def sample(self, key: PRNGKey) -> Float[Array, "*batch A"]:
        """Draw one action for each entry of the batch, in the environment's units."""
        return self.stretch(self.draw(key)[0])

    def draw(self, key: PRNGKey) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch"]]:
        """Draw actions between -1 and 1, from which gradients reach the distribution.

        Returns:
            The actions, and the logarithms of their densities on the scale from -1 to 1.
        """
        noise = jax.random.normal(key, self.mean.shape)
        variable = self.mean + jnp.exp(self.log_std) * noise
        density = -0.5 * noise**2 - self.log_std - LOG_SQRT_2PI - log_slope(variable)
        return jnp.tanh(variable), jnp.sum(density, axis=-1)

    def mode(self) -> Float[Array, "*batch A"]:
        """Return the median of each component, which is the squashed mean of the normal variable.

        It stands for the likeliest action, since the density may be highest at a bound.
        """
        return self.stretch(jnp.tanh(self.mean))

    def log_prob(self, action: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        """Return the logarithm of the density at each action, in the environment's units."""
        variable = jnp.arctanh(jnp.clip(shrink(action, self.space), -NEAREST, NEAREST))
        _, reach = _sides(self.space, action.shape)
        standard = (variable - self.mean) * jnp.exp(-self.log_std)
        density = -0.5 * standard**2 - self.log_std - LOG_SQRT_2PI
        return jnp.sum(density - log_slope(variable) - jnp.log(reach), axis=-1)

    def stretch(self, squashed: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """Return actions between -1 and 1 in the environment's units."""
        centre, reach = _sides(self.space, squashed.shape)
        return centre + reach * squashed


class SquashedActor(Actor):
    """``K`` policies whose continuous actions are squashed.

    The stack puts out two numbers for each action component, and ``log_std`` is None.

    Attributes:
        space: the action space.
    """

    space: Box = eqx.field(static=True, kw_only=True)

    def __call__(self, observations: Float[Array, "K M O"]) -> SquashedGaussian:
        """Return the action distributions at normalised observations."""
        return SquashedGaussian(*mean_and_log_std(self.stack(observations)), self.space)

    def without_random_actions(self) -> "SquashedActor":
        """Return the same actors: their actions are random by their spread alone."""
        return self


def squashed_actor(stack: Stack, space: Box) -> SquashedActor:
    """Return policies whose networks put out two numbers for each action component."""
    return SquashedActor(stack, None, space=space)


def constant_actor(like: Actor, actions: Float[Array, "K A"], observation_size: int) -> Actor:
    """Return policies that take one action each, whatever they observe.

    Args:
        like: the policies whose place they take.
        actions: the logits of each policy's finite action, or its continuous action in the
            environment's units.
        observation_size: ``O``.
    """
    if isinstance(like, SquashedActor):
        means = jnp.arctanh(jnp.clip(shrink(actions, like.space), -NEAREST, NEAREST))
        outputs = jnp.concatenate([means, jnp.full_like(means, LOWEST_LOG_STD)], axis=1)
        return squashed_actor(constant_stack(like.stack, outputs, observation_size), like.space)
    spread = None if like.log_std is None else jnp.zeros_like(like.log_std)
    stack = constant_stack(like.stack, actions, observation_size)
    return Actor(stack, spread, like.random_actions)


def shrink(actions: Float[Array, "*batch A"], space: Box) -> Float[Array, "*batch A"]:
    """Return actions in the environment's units on the scale from -1 to 1."""
    centre, reach = _sides(space, actions.shape)
    return (actions - centre) / reach


def _sides(space: Box, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the middle and half of the width of each component's range, in this shape."""
    centre, reach = centre_and_reach(space)
    return jnp.broadcast_to(jnp.array(centre), shape), jnp.broadcast_to(jnp.array(reach), shape)


def log_slope(variable: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Return the logarithm of the slope of tanh, which is log(1 - tanh(x)^2) without rounding."""
    return 2.0 * (jnp.log(2.0) - variable - jax.nn.softplus(-2.0 * variable))
