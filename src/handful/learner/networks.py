"""``K`` small networks side by side, which may share layers (paper, section 3.2)."""

import itertools
import math
from enum import Enum

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.environment import ActionSpace, Box, Discrete
from handful.learner.experience import symbols
from handful.types import Array, Float, Int, PRNGKey, PyTree

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


HIDDEN_GAIN = 2.0**0.5
"""Orthogonal gain of hidden layers; heads have their own (Huang et al. 2022, detail 2)."""


ORIGIN_SPREAD = 0.3
"""Standard deviation of the biases that tell the members of a family apart at first: units see
normalised inputs with about three times as much."""


class Sharing(Enum):
    """What ``K`` networks have in common.

    Attributes:
        NOTHING: each is on its own.
        HIDDEN: the hidden layers, as in the paper; each has a head.
        FAMILY: all but the bias of the first layer. That is one network with one more input, which
            says who is asked: a one-hot vector, whose weights the biases are. With the input fixed
            each member is a network like any other.
    """

    NOTHING = "nothing"
    HIDDEN = "hidden"
    FAMILY = "family"


class Layer(eqx.Module):
    """An affine map, of one network or of all ``K``.

    Attributes:
        weight: [I, H] where the networks share it, else [K, I, H].
        bias: [H] where they share that, else [K, 1, H].
    """

    weight: Float[Array, "*K I H"]
    bias: Float[Array, "*K_1 H"]

    @property
    def biases(self) -> Float[Array, "K_or_1 1 H"]:
        """For a batch of every network."""
        return self.bias if self.bias.ndim == 3 else self.bias[None, None]

    def __call__(self, inputs: Float[Array, "K M I"]) -> Float[Array, "K M H"]:
        """Apply to a batch of every network."""
        if self.weight.ndim == 3:
            return inputs @ self.weight + self.biases
        return jnp.tensordot(inputs, self.weight, axes=1) + self.biases


class Lookup(Layer):
    """An affine map of an observation that is one of ``I`` symbols: it is a row of the weights.

    The inputs hold the symbol's number divided by ``I``
    (:func:`~handful.environment.num_symbols`).
    """

    def __call__(self, inputs: Float[Array, "K M 1"]) -> Float[Array, "K M H"]:
        """Look up a batch of every network."""
        rows = symbols(inputs, self.weight.shape[-2])
        if self.weight.ndim == 2:
            return self.weight[rows] + self.biases
        return jax.vmap(lambda weight, row: weight[row])(self.weight, rows) + self.biases


class NetworkStack(eqx.Module):
    """``K`` multilayer perceptrons with tanh units.

    Attributes:
        hidden: the intermediate layers.
        head: the output layer.
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
    sharing: Sharing,
    num_symbols: int | None = None,
) -> NetworkStack:
    """Orthogonal weights and zero biases; ``sizes`` are input, hidden layers and output.

    With ``num_symbols`` the first layer is a look-up, however many entries the input has. A
    family, which must have a hidden layer, starts with the biases that are each member's own.
    """
    keys = jax.random.split(key, len(sizes) - 1)
    shapes = list(itertools.pairwise((num_symbols or sizes[0], *sizes[1:])))
    kinds = [Layer if num_symbols is None else Lookup, *[Layer] * (len(shapes) - 1)]
    own_hidden = num_networks if sharing is Sharing.NOTHING else None
    own_head = None if sharing is Sharing.FAMILY else num_networks
    hidden = tuple(
        _init_layer(kind, k, own_hidden, shape, HIDDEN_GAIN)
        for kind, k, shape in zip(kinds[:-1], keys[:-1], shapes[:-1], strict=True)
    )
    if sharing is Sharing.FAMILY:
        shape = (num_networks, 1, sizes[1])
        origins = ORIGIN_SPREAD * jax.random.normal(jax.random.fold_in(key, 0), shape)
        hidden = (kinds[0](hidden[0].weight, origins), *hidden[1:])
    head = _init_layer(kinds[-1], keys[-1], own_head, shapes[-1], head_gain)
    return NetworkStack(hidden, head)


def init_actor(
    key: PRNGKey,
    num_policies: int,
    observation_size: int,
    action_space: ActionSpace,
    hidden_sizes: tuple[int, ...],
    sharing: Sharing,
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
    stack = init_stack(key, num_policies, sizes, 0.01, sharing, num_symbols)
    return Actor(stack, log_std, random_actions)


def init_critic(
    key: PRNGKey,
    num_policies: int,
    observation_size: int,
    num_features: int,
    hidden_sizes: tuple[int, ...],
    sharing: Sharing,
    num_symbols: int | None = None,
) -> Critic:
    """Critics with head gain 1."""
    sizes = (observation_size, *hidden_sizes, num_features)
    return init_stack(key, num_policies, sizes, 1.0, sharing, num_symbols)


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
            return jax.tree.map(lambda leaf: leaf.ndim == 3, node)
        return True

    return jax.tree.map(mark, networks, is_leaf=lambda node: isinstance(node, Layer))


def take_policies(networks: PyTree, source: Int[Array, " K"]) -> PyTree:
    """Networks whose policy ``j`` is a copy of policy ``source[j]``; what is shared stays."""
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
