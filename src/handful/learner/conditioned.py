"""Functions of networks with a context as a further input, the same for all of their learners.

The functions take actors, critics, and anything else that holds stacks of the library's networks.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.learner.networks import Conditioning, Layer, NetworkStack
from handful.learner.preferences import refitted
from handful.types import Array, Float, PyTree


def with_contexts(networks: PyTree, contexts: Float[Array, "M Z"]) -> PyTree:
    """Return conditioned networks with other contexts, of which there may be another number."""
    return _changed(lambda old: Conditioning(old.weight, contexts), networks)


def with_embedding(
    networks: PyTree, before: Float[Array, "N Z"], after: Float[Array, "N Z"]
) -> PyTree:
    """Return conditioned networks for another embedding; they compute nearly what they did.

    Args:
        networks: the networks.
        before: the users' contexts by the embedding so far.
        after: their contexts by the new one.
    """
    return _changed(lambda old: refitted(old, before, after), networks)


def apart(networks: PyTree) -> PyTree:
    """Return conditioned networks as networks that share nothing, each at its context."""

    def own_stack(stack: NetworkStack) -> NetworkStack:
        assert stack.conditioning is not None
        count = len(stack.conditioning.contexts)
        hidden = tuple(_own(layer, count) for layer in stack.hidden)
        return type(stack)(hidden, _own(stack.head, count))

    return _each_stack(own_stack, networks)


def drawing(networks: PyTree, contexts: Float[Array, "K M Z"], mean: float, scale: float) -> PyTree:
    """Return conditioned networks as ``K`` networks that share nothing, each with ``M`` parts.

    Part ``m`` of network ``k`` computes what the conditioned networks compute at the context ``[k,
    m]``. Their inputs have ``M`` entries more, at the end: a one-hot vector that names the part,
    less a mean and times a scale, as normalised observations have it.

    Args:
        networks: the conditioned networks, of which only observations are inputs.
        contexts: the context of each part.
        mean: the number that is subtracted from the entries of the one-hot vector.
        scale: the factor by which they are multiplied then.
    """
    count = len(contexts)

    def drawn(stack: NetworkStack) -> NetworkStack:
        assert stack.conditioning is not None
        offsets = contexts @ stack.conditioning.weight
        first, *later = with_contexts(stack, jnp.zeros_like(contexts[:, 0])).hidden
        first = _own(first, count)
        weight = jnp.concatenate([first.weight, offsets / scale], axis=1)
        bias = first.bias + mean * jnp.sum(offsets, axis=1, keepdims=True)
        hidden = (Layer(weight, bias), *(_own(layer, count) for layer in later))
        return type(stack)(hidden, _own(stack.head, count))

    return _each_stack(drawn, networks)


def _own(layer: Layer, count: int) -> Layer:
    """Return a shared layer, with what its contexts add, as so many layers of their own."""
    weight = jnp.repeat(layer.weight[None], count, axis=0)
    biases = layer.biases
    return type(layer)(weight, jnp.broadcast_to(biases, (count, *biases.shape[1:])))


def _changed(change: Callable[[Conditioning], Conditioning], networks: PyTree) -> PyTree:
    def changed(stack: NetworkStack) -> NetworkStack:
        assert stack.conditioning is not None
        further = change(stack.conditioning)
        return eqx.tree_at(lambda s: s.hidden[0].conditioning, stack, further)

    return _each_stack(changed, networks)


def _each_stack(change: Callable[[NetworkStack], NetworkStack], networks: PyTree) -> PyTree:
    def is_stack(node: PyTree) -> bool:
        return isinstance(node, NetworkStack)

    return jax.tree.map(
        lambda node: change(node) if is_stack(node) else node, networks, is_leaf=is_stack
    )
