"""``K`` actors and ``K`` critics: the library's own networks, and what they put out.

The library's own networks are multilayer perceptrons, which may share layers (paper, section 3.2).
The caller's own are in :mod:`handful.learner.modules`.
"""

from enum import Enum
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.environment import ActionSpace, Box, Discrete
from handful.learner.distributions import Categorical, Gaussian
from handful.learner.experience import symbols
from handful.learner.modules import Blueprint, ModuleStack, init_modules
from handful.types import Array, Float, Int, PRNGKey, PyTree

HIDDEN_GAIN = 2.0**0.5
"""The gain of the orthogonal weights of hidden layers (Huang et al. 2022, detail 2). Heads have
gains of their own."""


ORIGIN_SPREAD = 0.3
"""The standard deviation of the first biases of a family's members, by which they differ at the
start. The weighted sums of normalised inputs vary about three times as much."""


class Sharing(Enum):
    """Which layers ``K`` networks have in common.

    Attributes:
        NOTHING: the networks share no layer.
        HIDDEN: the networks share the hidden layers, as in the paper, and each has its own head.
        FAMILY: the networks share all weights but the biases of the first layer. This equals one
            network with ``K`` more inputs, a one-hot vector that names the policy: the biases of a
            policy are the weights of its entry. For a fixed policy it is an ordinary network.
        CONDITIONED: the networks are one network, which has a context besides the observation as
            its input, and differ by their contexts alone. The spread of continuous actions is one
            for all.
    """

    NOTHING = "nothing"
    HIDDEN = "hidden"
    FAMILY = "family"
    CONDITIONED = "conditioned"

    @property
    def is_one_network(self) -> bool:
        """Whether the networks are one network with a further input, so that they see alike."""
        return self in (Sharing.FAMILY, Sharing.CONDITIONED)


class Conditioning(eqx.Module):
    """A further input of a first layer, which stays the same for each of ``K`` networks.

    Attributes:
        weight: the weights of the ``Z`` entries of the context, which the networks share.
        contexts: the context of each network. It is data, so no gradient reaches it.
    """

    weight: Float[Array, "Z H"]
    contexts: Float[Array, "K Z"]

    @property
    def biases(self) -> Float[Array, "K 1 H"]:
        """What the contexts add to the biases of each network's layer."""
        return (jax.lax.stop_gradient(self.contexts) @ self.weight)[:, None]


class Layer(eqx.Module):
    """An affine map from ``I`` inputs to ``H`` outputs, for each of ``K`` networks.

    Attributes:
        weight: the weights, [I, H] if the networks share the layer, else [K, I, H].
        bias: the biases, [H] if the networks share the layer, else [K, 1, H].
        conditioning: a further input, in the first layer of conditioned networks; else None.
    """

    weight: Float[Array, "*K I H"]
    bias: Float[Array, "*K_1 H"]
    conditioning: Conditioning | None = None

    @property
    def biases(self) -> Float[Array, "K_or_1 1 H"]:
        """The biases with an axis of networks and one of the batch."""
        own = self.bias if self.bias.ndim == 3 else self.bias[None, None]
        return own if self.conditioning is None else own + self.conditioning.biases

    def folded(self) -> "Layer":
        """Return an equal layer without conditioning: a fixed context is a part of the biases."""
        if self.conditioning is None:
            return self
        return type(self)(self.weight, self.biases)

    def __call__(self, inputs: Float[Array, "K M I"]) -> Float[Array, "K M H"]:
        """Map row ``k`` of the inputs by the layer of network ``k``."""
        if self.weight.ndim == 3:
            return inputs @ self.weight + self.biases
        return jnp.tensordot(inputs, self.weight, axes=1) + self.biases


class Lookup(Layer):
    """An affine map of the one-hot vector of a symbol, one of ``I``: it takes a row of the weights.

    The input holds the symbol's number divided by ``I``
    (:func:`~handful.environment.num_symbols`).
    """

    def __call__(self, inputs: Float[Array, "K M 1"]) -> Float[Array, "K M H"]:
        """Look row ``k`` of the inputs up in the table of network ``k``."""
        rows = symbols(inputs, self.weight.shape[-2])
        if self.weight.ndim == 2:
            return self.weight[rows] + self.biases
        return jax.vmap(lambda weight, row: weight[row])(self.weight, rows) + self.biases


class NetworkStack(eqx.Module):
    """``K`` multilayer perceptrons with tanh units.

    Attributes:
        hidden: the hidden layers, from the first to the last.
        head: the output layer, which has no tanh.
    """

    hidden: tuple[Layer, ...]
    head: Layer

    @property
    def conditioning(self) -> Conditioning | None:
        """The further input of the first layer; None if the networks have none."""
        return (*self.hidden, self.head)[0].conditioning

    def __call__(self, inputs: Float[Array, "K M I"]) -> Float[Array, "K M H"]:
        """Map row ``k`` of the inputs by network ``k``."""
        for layer in self.hidden:
            inputs = jnp.tanh(layer(inputs))
        return self.head(inputs)


Stack = NetworkStack | ModuleStack
"""``K`` networks: the library's own, or the caller's."""


class Actor(eqx.Module):
    """``K`` policies.

    Attributes:
        stack: maps normalised observations to the logits [K, M, A] of finite actions, or to the
            means [K, M, A] of continuous ones.
        log_std: the logarithm of the standard deviations of continuous actions, [K, A], or [1, A]
            if the policies are one conditioned network. It is learnt and does not depend on the
            observation. None if actions are finite.
        random_actions: the probability of a uniformly random action, if actions are finite, so
            that a policy cannot become deterministic while it trains (an epsilon-soft policy:
            Sutton & Barto 2018, section 5.4).
    """

    stack: Stack
    log_std: Float[Array, "K_or_1 A"] | None
    random_actions: float = eqx.field(static=True, default=0.0)

    def __call__(self, observations: Float[Array, "K M O"]) -> Categorical | Gaussian:
        """Return the action distributions at normalised observations."""
        outputs = self.stack(observations)
        if self.log_std is None:
            return Categorical(outputs).softened(self.random_actions)
        return Gaussian(outputs, jnp.broadcast_to(self.log_std[:, None], outputs.shape))

    @property
    def is_conditioned(self) -> bool:
        """Whether the policies are one network with a context as a further input."""
        return isinstance(self.stack, NetworkStack) and self.stack.conditioning is not None

    def without_random_actions(self) -> "Actor":
        """Return the same actors with the probability 0 for a uniformly random action."""
        return Actor(self.stack, self.log_std)


Critic = Stack
"""``K`` critics, each with a value for each of the ``D`` features (successor features)."""


def init_stack(
    key: PRNGKey,
    num_networks: int,
    sizes: tuple[int, ...],
    head_gain: float,
    sharing: Sharing,
    num_symbols: int | None = None,
    context_size: int = 0,
) -> NetworkStack:
    """Make new networks with orthogonal weights and zero biases.

    The first biases of a family are not zero, as the networks differ by nothing else. The contexts
    of conditioned networks are zero at first.

    Args:
        key: the random key for the weights.
        num_networks: ``K``.
        sizes: the numbers of inputs, of units in each hidden layer, and of outputs.
        head_gain: the gain of the head's orthogonal weights.
        sharing: which layers the networks share. Those that share anything but the head must have a
            hidden layer.
        num_symbols: the number of symbols that the first layer looks up; None if it is affine.
        context_size: the number of entries of the context of conditioned networks.
    """
    keys = jax.random.split(key, len(sizes) - 1)
    shapes = list(pairwise((num_symbols or sizes[0], *sizes[1:])))
    kinds = [Layer if num_symbols is None else Lookup, *[Layer] * (len(shapes) - 1)]
    own_hidden = num_networks if sharing is Sharing.NOTHING else None
    own_head = None if sharing.is_one_network else num_networks
    hidden = tuple(
        _init_layer(kind, k, own_hidden, shape, HIDDEN_GAIN)
        for kind, k, shape in zip(kinds[:-1], keys[:-1], shapes[:-1], strict=True)
    )
    if sharing is Sharing.FAMILY:
        shape = (num_networks, 1, sizes[1])
        origins = ORIGIN_SPREAD * jax.random.normal(jax.random.fold_in(key, 0), shape)
        hidden = (kinds[0](hidden[0].weight, origins), *hidden[1:])
    if sharing is Sharing.CONDITIONED:
        weight = jax.nn.initializers.orthogonal(HIDDEN_GAIN)(
            jax.random.fold_in(key, 0), (context_size, sizes[1])
        )
        conditioning = Conditioning(weight, jnp.zeros((num_networks, context_size)))
        hidden = (kinds[0](hidden[0].weight, hidden[0].bias, conditioning), *hidden[1:])
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
    network: str | None = None,
    context_size: int = 0,
) -> Actor:
    """Make new policies.

    The library's own networks have a head of gain 0.01. So policies start with nearly uniform
    actions if these are finite, and with means near zero if they are continuous.

    Args:
        key: the random key for the weights.
        num_policies: ``K``.
        observation_size: ``O``.
        action_space: the action space of the environment.
        hidden_sizes: widths of the hidden layers of the library's own networks.
        sharing: which layers these share.
        initial_log_std: the logarithm of the first standard deviation of continuous actions.
        num_symbols: how many symbols the first layer looks up; None if it is affine.
        random_actions: the probability of a uniformly random finite action.
        network: the name of the caller's own builder; None for the library's own networks.
        context_size: the number of entries of the context of conditioned networks.
    """
    match action_space:
        case Discrete(num_actions):
            outputs, log_std = num_actions, None
        case Box():
            outputs = action_space.size
            spreads = 1 if sharing is Sharing.CONDITIONED else num_policies
            log_std = jnp.full((spreads, outputs), initial_log_std)
    stack: Stack
    if network is not None:
        blueprint = Blueprint.of(network, observation_size, outputs)
        stack = init_modules(key, num_policies, blueprint)
    else:
        sizes = (observation_size, *hidden_sizes, outputs)
        stack = init_stack(key, num_policies, sizes, 0.01, sharing, num_symbols, context_size)
    return Actor(stack, log_std, random_actions)


def init_critic(
    key: PRNGKey,
    num_policies: int,
    observation_size: int,
    num_features: int,
    hidden_sizes: tuple[int, ...],
    sharing: Sharing,
    num_symbols: int | None = None,
    network: str | None = None,
    context_size: int = 0,
) -> Critic:
    """Make new critics. The library's own networks have a head of gain 1.

    Args:
        key: the random key for the weights.
        num_policies: ``K``.
        observation_size: ``O``.
        num_features: ``D``, the number of values of each critic.
        hidden_sizes: widths of the hidden layers of the library's own networks.
        sharing: which layers these share.
        num_symbols: how many symbols the first layer looks up; None if it is affine.
        network: the name of the caller's own builder; None for the library's own networks.
        context_size: the number of entries of the context of conditioned networks.
    """
    if network is not None:
        return init_modules(
            key, num_policies, Blueprint.of(network, observation_size, num_features)
        )
    sizes = (observation_size, *hidden_sizes, num_features)
    return init_stack(key, num_policies, sizes, 1.0, sharing, num_symbols, context_size)


def keep_spread(gradients: Actor) -> Actor:
    """Return the gradients with zeros for the standard deviations of continuous actions."""
    if gradients.log_std is None:
        return gradients
    return eqx.tree_at(lambda g: g.log_std, gradients, jnp.zeros_like(gradients.log_std))


def has_policy_axis(networks: PyTree) -> PyTree:
    """Return a tree like ``networks`` that says of each array whether its first axis is policies.

    All arrays of the caller's own modules have that axis. The function also takes trees that hold
    networks or have their shape, such as an optimiser's moments.
    """

    def mark(node: PyTree) -> PyTree:
        if isinstance(node, Conditioning):
            marks = jax.tree.map(lambda _: False, node)
            return eqx.tree_at(lambda c: c.contexts, marks, True)
        if isinstance(node, Layer):
            marks = jax.tree.map(lambda leaf: leaf.ndim == 3, node)
            if node.conditioning is None:
                return marks
            further = has_policy_axis(node.conditioning)
            return eqx.tree_at(lambda layer: layer.conditioning, marks, further)
        if isinstance(node, Actor):
            marks = jax.tree.map(lambda _: not node.is_conditioned, node)
            return eqx.tree_at(lambda actor: actor.stack, marks, has_policy_axis(node.stack))
        return True

    kinds = (Conditioning, Layer, Actor)
    return jax.tree.map(mark, networks, is_leaf=lambda node: isinstance(node, kinds))


def take_policies(networks: PyTree, source: Int[Array, " K"]) -> PyTree:
    """Return networks whose policy ``j`` is a copy of policy ``source[j]``; shared layers stay."""
    return jax.tree.map(
        lambda leaf, own: leaf[source] if own else leaf, networks, has_policy_axis(networks)
    )


def table_of(stack: Stack) -> Layer:
    """Return the only layer of networks that look one symbol up.

    A learner that counts has no other networks.
    """
    assert isinstance(stack, NetworkStack)
    assert not stack.hidden
    return stack.head


def constant_stack(like: Stack, outputs: Float[Array, "K H"], observation_size: int) -> Stack:
    """Return networks that put out one row of ``outputs`` each, whatever they observe.

    The library's own networks keep their structure, so that no program has to be compiled for the
    constant ones.

    Args:
        like: the networks whose place they take.
        outputs: the outputs of each network.
        observation_size: ``O``.
    """
    # A bias is [K, 1, H], or [H] if a family shares it: it gets the axis of policies here.
    bias = outputs[:, None]
    if isinstance(like, ModuleStack):
        weight = jnp.zeros((outputs.shape[0], observation_size, outputs.shape[1]))
        return NetworkStack((), Layer(weight, bias))
    zeros = jax.tree.map(jnp.zeros_like, like)
    return eqx.tree_at(lambda stack: stack.head.bias, zeros, bias)


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
    # The decompositions are made one after the other. A batch of them waits, on a thread of XLA's
    # pool, for other threads of that pool, and two such batches at once wait for each other for
    # ever (jaxlib 0.10.2).
    weights = jax.lax.map(lambda k: init(k, shape), jax.random.split(key, num_networks))
    return kind(weights, jnp.zeros((num_networks, 1, shape[1])))
