"""``K`` small networks side by side, which may share their hidden layers (paper, section 3.2)."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.environment import ActionSpace, Box, Discrete
from handful.learner.distributions import Categorical, Gaussian
from handful.learner.experience import symbols
from handful.types import Array, Float, Int, PRNGKey, PyTree

HIDDEN_GAIN = 2.0**0.5
"""Orthogonal gain of hidden layers; heads have their own (Huang et al. 2022, detail 2)."""


class Layer(eqx.Module):
    """An affine map, of one network or of all ``K``.

    Attributes:
        weight: [I, H] where the networks share the layer, else [K, I, H].
        bias: [H] or [K, 1, H].
    """

    weight: Float[Array, "*K I H"]
    bias: Float[Array, "*K_1 H"]

    def __call__(self, inputs: Float[Array, "K M I"]) -> Float[Array, "K M H"]:
        """Apply to a batch of every network."""
        bias = self.bias if self.bias.ndim == 3 else self.bias[None, None]
        if self.weight.ndim == 3:
            return inputs @ self.weight + bias
        return jnp.tensordot(inputs, self.weight, axes=1) + bias


class Lookup(Layer):
    """An affine map of an observation that is one of ``I`` symbols: it is a row of the weights.

    The inputs hold the symbol's number divided by ``I``
    (:func:`~handful.environment.num_symbols`).
    """

    def __call__(self, inputs: Float[Array, "K M 1"]) -> Float[Array, "K M H"]:
        """Look up a batch of every network."""
        rows = symbols(inputs, self.weight.shape[-2])
        if self.weight.ndim == 2:
            return self.weight[rows] + self.bias[None, None]
        return jax.vmap(lambda weight, row: weight[row])(self.weight, rows) + self.bias


class NetworkStack(eqx.Module):
    """``K`` multilayer perceptrons with tanh units.

    Attributes:
        hidden: the intermediate layers, shared or not.
        head: the output layer, always one a network.
    """

    hidden: tuple[Layer, ...]
    head: Layer

    def __call__(self, inputs: Float[Array, "K M I"]) -> Float[Array, "K M H"]:
        """Network ``k`` maps row ``k`` of the inputs."""
        for layer in self.hidden:
            inputs = jnp.tanh(layer(inputs))
        return self.head(inputs)


class Actor(eqx.Module):
    """``K`` policies.

    Attributes:
        stack: maps observations to logits [K, M, A] or to means.
        log_std: [K, A] for continuous actions: learnable and independent of the state.
        random_actions: with this probability a finite action is drawn from all alike, so that
            chance cannot be unlearnt (an epsilon-soft policy: Sutton & Barto 2018, section 5.4).
    """

    stack: NetworkStack
    log_std: Float[Array, "K A"] | None
    random_actions: float = eqx.field(static=True, default=0.0)

    def __call__(self, observations: Float[Array, "K M O"]) -> Categorical | Gaussian:
        """The action distributions at normalised observations."""
        outputs = self.stack(observations)
        if self.log_std is None:
            return Categorical(outputs).softened(self.random_actions)
        return Gaussian(outputs, jnp.broadcast_to(self.log_std[:, None], outputs.shape))

    def without_random_actions(self) -> "Actor":
        """The same actors, that take no action they have not learnt to take."""
        return Actor(self.stack, self.log_std)


Critic = NetworkStack
"""``K`` critics, each with a value for every one of the ``D`` features (successor features)."""


def init_stack(
    key: PRNGKey,
    num_networks: int,
    sizes: tuple[int, ...],
    head_gain: float,
    share_hidden: bool,
    num_symbols: int | None = None,
) -> NetworkStack:
    """Orthogonal weights and zero biases; ``sizes`` are input, hidden layers and output.

    With ``num_symbols`` the first layer is a look-up, however many entries the input has.
    """
    keys = jax.random.split(key, len(sizes) - 1)
    shapes = list(itertools.pairwise((num_symbols or sizes[0], *sizes[1:])))
    kinds = [Layer if num_symbols is None else Lookup, *[Layer] * (len(shapes) - 1)]
    hidden = tuple(
        _init_layer(kind, k, None if share_hidden else num_networks, shape, HIDDEN_GAIN)
        for kind, k, shape in zip(kinds[:-1], keys[:-1], shapes[:-1], strict=True)
    )
    head = _init_layer(kinds[-1], keys[-1], num_networks, shapes[-1], head_gain)
    return NetworkStack(hidden, head)


def init_actor(
    key: PRNGKey,
    num_policies: int,
    observation_size: int,
    action_space: ActionSpace,
    hidden_sizes: tuple[int, ...],
    share_hidden: bool,
    initial_log_std: float = 0.0,
    num_symbols: int | None = None,
    random_actions: float = 0.0,
) -> Actor:
    """Policies that start near uniform, or near zero (head gain 0.01) with this spread."""
    match action_space:
        case Discrete(num_actions):
            outputs, log_std = num_actions, None
        case Box():
            outputs = action_space.size
            log_std = jnp.full((num_policies, outputs), initial_log_std)
    sizes = (observation_size, *hidden_sizes, outputs)
    stack = init_stack(key, num_policies, sizes, 0.01, share_hidden, num_symbols)
    return Actor(stack, log_std, random_actions)


def init_critic(
    key: PRNGKey,
    num_policies: int,
    observation_size: int,
    num_features: int,
    hidden_sizes: tuple[int, ...],
    share_hidden: bool,
    num_symbols: int | None = None,
) -> Critic:
    """Critics with head gain 1."""
    sizes = (observation_size, *hidden_sizes, num_features)
    return init_stack(key, num_policies, sizes, 1.0, share_hidden, num_symbols)


def keep_spread(gradients: Actor) -> Actor:
    """Gradients that leave the spread of continuous actions as it is."""
    if gradients.log_std is None:
        return gradients
    return eqx.tree_at(lambda g: g.log_std, gradients, jnp.zeros_like(gradients.log_std))


def has_policy_axis(networks: PyTree) -> PyTree:
    """A tree like ``networks`` that says of each array whether its first axis is policies.

    Works on anything shaped like the networks, such as an optimiser's moments.
    """

    def mark(node: PyTree) -> PyTree:
        if isinstance(node, Layer):
            return jax.tree.map(lambda _: node.weight.ndim == 3, node)
        return True

    return jax.tree.map(mark, networks, is_leaf=lambda node: isinstance(node, Layer))


def take_policies(networks: PyTree, source: Int[Array, " K"]) -> PyTree:
    """Networks whose policy ``j`` is a copy of policy ``source[j]``; shared layers stay."""
    return jax.tree.map(
        lambda leaf, own: leaf[source] if own else leaf, networks, has_policy_axis(networks)
    )


def _init_layer(
    kind: type[Layer],
    key: PRNGKey,
    num_networks: int | None,
    shape: tuple[int, int],
    gain: float,
) -> Layer:
    init = jax.nn.initializers.orthogonal(gain)
    if num_networks is None:
        return kind(init(key, shape), jnp.zeros(shape[1]))
    # One after the other: a batch of QR decompositions waits, on a thread of XLA's pool, for others
    # of the same pool, and two such batches at once wait for each other for ever (jaxlib 0.10.2).
    weights = jax.lax.map(lambda k: init(k, shape), jax.random.split(key, num_networks))
    return kind(weights, jnp.zeros((num_networks, 1, shape[1])))
