"""Generalised advantage estimation (Schulman et al. 2015), with a value head for each feature."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from handful.types import Array, Bool, Float


def gae(
    rewards: Float[Array, "T D"],
    values: Float[Array, "T D"],
    next_values: Float[Array, "T D"],
    terminated: Bool[Array, " T"],
    truncated: Bool[Array, " T"],
    discount: float,
    gae_lambda: float,
) -> Float[Array, "T D"]:
    """Return the advantages of one stream of transitions, in which episodes follow each other.

    Args:
        rewards: the reward features of each transition.
        values: the value of the observation before each transition.
        next_values: the value of the observation that the transition led to; at the end of an
            episode, of its final observation. The value counts if the episode was truncated, and
            not if it was terminated.
        terminated: whether the episode ended by itself with this transition.
        truncated: whether the episode was cut after this transition.
        discount: the discount, in (0, 1].
        gae_lambda: the parameter lambda: 0 for one-step differences, 1 for Monte Carlo returns.
    """
    alive = (~terminated)[:, None]
    continues = (~(terminated | truncated))[:, None]
    deltas = rewards + discount * alive * next_values - values

    def backward(
        tail: Float[Array, " D"], step: tuple[Float[Array, " D"], Bool[Array, " 1"]]
    ) -> tuple[Float[Array, " D"], Float[Array, " D"]]:
        delta, goes_on = step
        advantage = delta + discount * gae_lambda * goes_on * tail
        return advantage, advantage

    _, advantages = jax.lax.scan(
        backward, jnp.zeros_like(deltas[0]), (deltas, continues), reverse=True
    )
    return advantages


class Scale(NamedTuple):
    """The mean and the standard deviation by which a policy's mixed advantages are standardised."""

    mean: Float[Array, " K"]
    std: Float[Array, " K"]


def mix_advantages(
    advantages: Float[Array, "K M D"], mix: Float[Array, "K D"]
) -> Float[Array, "K M"]:
    """Return each policy's own advantage: the mix of its users, applied to the features."""
    return jnp.einsum("kmd,kd->km", advantages, mix)


def advantage_scale(mixed: Float[Array, "K M"], together: bool = False) -> Scale:
    """Return the mean and standard deviation over the batch for each policy (paper, appendix B).

    Args:
        mixed: the advantages of each policy's transitions.
        together: whether all policies have one mean and one standard deviation, as they should if
            they are one network, which would otherwise learn most for rewards that hardly vary.
    """
    if together:
        shape = mixed.shape[:1]
        return Scale(jnp.full(shape, jnp.mean(mixed)), jnp.full(shape, jnp.std(mixed)))
    return Scale(jnp.mean(mixed, axis=1), jnp.std(mixed, axis=1))


def standardize(mixed: Float[Array, "K M"], scale: Scale) -> Float[Array, "K M"]:
    """Return advantages with mean 0 and spread 1; advantages that do not vary become 0."""
    return (mixed - scale.mean[:, None]) / (scale.std[:, None] + 1e-8)
