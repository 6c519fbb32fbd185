"""Critics of single actions, for learning from a replay buffer.

A critic estimates what the users of its policy will earn after an action, with the entropy that the
policy is rewarded for: one number, and not one for each feature, as the policy's mix is known. Its
hidden layers are normalised (Ba et al. 2016), which keeps critics from growing without limit for
actions that were never taken.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.environment import ActionSpace, Box
from handful.learner.networks import NetworkStack, Sharing, init_stack
from handful.types import Array, Float, Int, PRNGKey

NORM_EPSILON = 1e-5
"""It is added to variances over the units of a layer."""

NUM_TWINS = 2
"""The critics of each policy. The least of their estimates counts (Fujimoto et al. 2018)."""


HEAD_GAIN = 0.1
"""The gain of the orthogonal weights of the output layers."""


class NormalizedStack(NetworkStack):
    """``K`` multilayer perceptrons with ReLU units, whose hidden layers are normalised.

    Attributes:
        hidden: the hidden layers, from the first to the last.
        head: the output layer.
    """

    def __call__(self, inputs: Float[Array, "K M I"]) -> Float[Array, "K M H"]:
        """Map row ``k`` of the inputs by network ``k``."""
        for layer in self.hidden:
            inputs = jax.nn.relu(normalized(layer(inputs)))
        return self.head(inputs)


class TwinCritics(eqx.Module):
    """Two critics of each of ``K`` policies.

    Attributes:
        twins: the networks. Those of finite actions take an observation and estimate every action;
            those of continuous actions take an observation and an action.
    """

    twins: tuple[NormalizedStack, ...]

    def of_actions(
        self, observations: Float[Array, "K M O"], actions: Float[Array, "K M A"]
    ) -> Float[Array, "2 K M"]:
        """Return what each twin estimates of continuous actions, which lie between -1 and 1."""
        inputs = jnp.concatenate([observations, actions], axis=-1)
        return jnp.stack([twin(inputs)[..., 0] for twin in self.twins])

    def of_all_actions(self, observations: Float[Array, "K M O"]) -> Float[Array, "2 K M A"]:
        """Return what each twin estimates of every finite action."""
        return jnp.stack([twin(observations) for twin in self.twins])


def normalized(values: Float[Array, "K M H"]) -> Float[Array, "K M H"]:
    """Return each row with a mean of 0 and a variance of 1 over its units."""
    centred = values - jnp.mean(values, axis=-1, keepdims=True)
    variance = jnp.mean(centred**2, axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + NORM_EPSILON)


def init_twins(
    key: PRNGKey,
    num_policies: int,
    observation_size: int,
    space: ActionSpace,
    hidden_sizes: tuple[int, ...],
    num_symbols: int | None = None,
    sharing: Sharing = Sharing.NOTHING,
    context_size: int = 0,
) -> TwinCritics:
    """Make new critics, whose first estimates are small.

    Args:
        key: the random key for the weights.
        num_policies: ``K``.
        observation_size: ``O``.
        space: the action space.
        hidden_sizes: the widths of the hidden layers.
        num_symbols: how many symbols the first layer looks up; None if it is affine.
        sharing: which layers the critics of different policies share.
        context_size: the number of entries of the context of conditioned networks.
    """
    is_box = isinstance(space, Box)
    inputs = observation_size + (space.size if is_box else 0)
    sizes = (inputs, *hidden_sizes, 1 if is_box else space.num_actions)
    twins = []
    for twin_key in jax.random.split(key, NUM_TWINS):
        made = init_stack(
            twin_key, num_policies, sizes, HEAD_GAIN, sharing, num_symbols, context_size
        )
        twins.append(NormalizedStack(made.hidden, made.head))
    return TwinCritics(tuple(twins))


def chosen_values(
    values: Float[Array, "2 K M A"], actions: Int[Array, "K M"]
) -> Float[Array, "2 K M"]:
    """Return the estimates of the actions that were taken."""
    taken = jax.nn.one_hot(actions, values.shape[-1], dtype=bool)
    return jnp.sum(jnp.where(taken, values, 0.0), axis=-1)
