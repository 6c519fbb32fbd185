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

    def own(layer: Layer, count: int) -> Layer:
        weight = jnp.repeat(layer.weight[None], count, axis=0)
        biases = layer.biases
        return type(layer)(weight, jnp.broadcast_to(biases, (count, *biases.shape[1:])))

    def own_stack(stack: NetworkStack) -> NetworkStack:
        assert stack.conditioning is not None
        count = len(stack.conditioning.contexts)
        hidden = tuple(own(layer, count) for layer in stack.hidden)
        return type(stack)(hidden, own(stack.head, count))

    return _each_stack(own_stack, networks)


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
