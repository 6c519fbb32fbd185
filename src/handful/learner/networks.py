"""``K`` actors and ``K`` critics: the library's own networks, and what they put out.

The library's own networks are multilayer perceptrons, which may share layers (paper, section 3.2).
The caller's own are in :mod:`handful.learner.modules`.
"""

import math
from enum import Enum
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from handful._support.checks import brief
from handful._support.text import count
from handful.environment import ActionSpace, Box, Discrete
from handful.errors import HandfulError
from handful.learner.experience import symbols
from handful.learner.modules import MOST_WEIGHTS, Blueprint, ModuleStack, init_modules
from handful.types import Array, Float, Int, PRNGKey, PyTree

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


MOST_LAYERS = 100


def num_outputs(action_space: ActionSpace) -> int:
    """Return the number of finite actions, or of the components of a continuous one."""
    return action_space.size if isinstance(action_space, Box) else action_space.num_actions


def check_hidden_sizes(sizes: Any, name: str = "hidden_sizes") -> None:
    """Look at the widths of hidden layers.

    Args:
        sizes: the widths.
        name: the name of the setting that they come from.

    Raises:
        HandfulError: if they are no list of widths, or more than any memory holds.
    """
    is_list = isinstance(sizes, list | tuple)
    if not is_list or not all(type(size) is int and size >= 1 for size in sizes):
        raise HandfulError(
            f"{name} must be a list of widths of at least 1, like [64, 64], not {brief(sizes)}."
        )
    weights = sum(one * other for one, other in pairwise(sizes)) + sum(sizes)
    if weights > MOST_WEIGHTS or len(sizes) > MOST_LAYERS:
        raise HandfulError(
            f"{name} must be at most {MOST_LAYERS} layers with {MOST_WEIGHTS:,} weights "
            f"among them, not {brief(sizes)}."
        )


def check_number_of_weights(
    widths: tuple[int, ...],
    action_space: ActionSpace,
    num_features: int,
    num_policies: int,
    name: str = "hidden_sizes",
) -> None:
    """Refuse networks that no memory holds, before anything is made.

    Args:
        widths: the widths of the input and of the hidden layers.
        action_space: the actions.
        num_features: ``D``, the number of reward features.
        num_policies: ``K``, the number of policies.
        name: the name of the setting that holds the widths of hidden layers.

    Raises:
        HandfulError: if the policies' networks would have too many weights.
    """
    actions = num_outputs(action_space)
    hidden = sum(width * following for width, following in pairwise(widths))
    weights = (2 * hidden + widths[-1] * (num_features + actions)) * num_policies
    if weights > MOST_WEIGHTS:
        raise HandfulError(
            f"The networks of {count(num_policies, 'policy')} would have {brief(weights)} weights "
            f"for {count(num_features, 'reward feature')} and {name} of "
            f"{[brief(size) for size in widths[1:]]}, and at most {MOST_WEIGHTS:,} fit: give "
            f"smaller {name}, fewer policies or fewer features."
        )
