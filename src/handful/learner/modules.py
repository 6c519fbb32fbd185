"""``K`` Equinox modules of the caller's own, side by side.

The caller's builder makes one module (:mod:`handful.learner.builders`), which maps one observation
to its outputs. Here it is made ``K`` times, from a key each, and the ``K`` modules are kept as one
tree in which every array has a leading axis of policies. So they share nothing, and whatever works
on networks (optimisers, clipping, copying, checkpoints) works on them.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import brief
from handful._support.foreign import failure
from handful._support.text import count
from handful.errors import HandfulError
from handful.learner.builders import NetworkBuilder, find_network
from handful.types import Array, Float, PRNGKey, PyTree

MOST_WEIGHTS = 2**28
"""Numbers in the networks of all policies: 1 GB, of which optimisers and the shortlist keep several
times as much."""


@dataclass(frozen=True)
class Blueprint:
    """What modules are made by. Equal blueprints make modules of the same structure.

    Attributes:
        name: the name of the builder in settings and run folders.
        build: the builder.
        observation_size: ``O``, the number of entries that a module takes.
        num_outputs: ``H``, the number of entries that it returns.
    """

    name: str
    build: NetworkBuilder
    observation_size: int
    num_outputs: int

    @classmethod
    def of(cls, name: str, observation_size: int, num_outputs: int) -> "Blueprint":
        """Return the blueprint of the builder that this program knows by a name.

        Raises:
            HandfulError: if there is no such builder.
        """
        return cls(name, find_network(name), observation_size, num_outputs)

    def make(self, key: PRNGKey) -> Any:
        """Make one new module."""
        return self.build(key, self.observation_size, self.num_outputs)


class ModuleStack(eqx.Module):
    """``K`` modules of one blueprint.

    Attributes:
        weights: the modules' arrays by their place in a module, each with a leading axis [K].
        blueprint: says what else is in a module.
    """

    weights: dict[str, Array]
    blueprint: Blueprint = eqx.field(static=True)

    def __call__(self, inputs: Float[Array, "K M O"]) -> Float[Array, "K M H"]:
        """Map row ``k`` of the inputs by module ``k``."""
        skeleton = skeleton_of(self.blueprint)

        def one(weights: dict[str, Array], rows: Float[Array, "M O"]) -> Float[Array, "M H"]:
            return jax.vmap(skeleton.filled(weights))(rows)

        return jax.vmap(one)(self.weights, inputs)


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A module without its arrays.

    Attributes:
        structure: the structure of the module's tree.
        names: the names of the tree's leaves; None for a leaf that is no array.
        others: the tree's leaves that are no arrays; None in the place of an array.
        shapes: the shapes and types of the arrays of one module, by name.
    """

    structure: PyTree
    names: tuple[str | None, ...]
    others: tuple[Any, ...]
    shapes: dict[str, jax.ShapeDtypeStruct]

    @property
    def num_weights(self) -> int:
        """How many numbers the arrays of one module hold."""
        return sum(shape.size for shape in self.shapes.values())

    def filled(self, weights: dict[str, Array]) -> Any:
        """Return the module with these arrays."""
        leaves = [
            other if name is None else weights[name]
            for name, other in zip(self.names, self.others, strict=True)
        ]
        return jax.tree.unflatten(self.structure, leaves)


@lru_cache(maxsize=256)
def skeleton_of(blueprint: Blueprint) -> Skeleton:
    """Return what all modules of a blueprint have in common.

    The builder is traced for it: no array is made.
    """
    traced: list[Any] = []

    def arrays_of(key: PRNGKey) -> dict[str, Array]:
        module = blueprint.make(key)
        names, leaves, structure = _named_leaves(module)
        others = tuple(None if name else leaf for name, leaf in zip(names, leaves, strict=True))
        traced.append((structure, names, others))
        return _arrays(names, leaves)

    shapes = jax.eval_shape(arrays_of, jax.random.key(0))
    structure, names, others = traced[-1]
    return Skeleton(structure, names, others, shapes)


def init_modules(key: PRNGKey, num_policies: int, blueprint: Blueprint) -> ModuleStack:
    """Make ``K`` new modules, each of which is built from its own key."""

    def make(key: PRNGKey) -> dict[str, Array]:
        names, leaves, _ = _named_leaves(blueprint.make(key))
        return _arrays(names, leaves)

    # One after the other, as in `_init_layer` of handful.learner.networks: batches of QR
    # decompositions, which orthogonal weights need, may wait for each other for ever.
    weights = jax.lax.map(make, jax.random.split(key, num_policies))
    return ModuleStack(weights, blueprint)


def check_modules(blueprint: Blueprint, whose: str, num_policies: int) -> None:
    """Trace a builder and its module, and look whether they are what the learner needs.

    Args:
        blueprint: the blueprint of the modules.
        whose: the network is, "actor" or "critic", for the sentences.
        num_policies: ``K``, the number of modules.

    Raises:
        HandfulError: if the builder fails or returns no Equinox module, or if the module has arrays
            that cannot be learnt, fails, or returns another shape than it should, or if no memory
            holds all modules.
    """
    what = f"The {whose}'s network '{blueprint.name}'"
    size, outputs = blueprint.observation_size, blueprint.num_outputs
    _check_kind(blueprint, what)
    _check_leaks(blueprint, what)
    skeleton = skeleton_of(blueprint)
    for name, shape in skeleton.shapes.items():
        if shape.dtype != jnp.float32:
            raise HandfulError(
                f"{what} has an array {shape.dtype}{list(shape.shape)} at '{name}', and all "
                f"arrays of a module are learnt, as float32: keep constants in static fields "
                f"(equinox.field(static=True)) or make them where they are used."
            )
    if not skeleton.shapes:
        raise HandfulError(f"{what} has no arrays, so that there is nothing to learn in it.")
    observation = jax.ShapeDtypeStruct((size,), jnp.float32)
    try:
        given = jax.eval_shape(
            lambda weights, seen: skeleton.filled(weights)(seen), skeleton.shapes, observation
        )
    except BaseException as error:
        raise failure(f"{what} failed for an observation of shape [{size}]", error) from None
    if not isinstance(given, jax.ShapeDtypeStruct):
        raise HandfulError(
            f"{what} returns {brief(jax.tree.structure(given))} for an observation: it must "
            f"return one array of shape [{outputs}]."
        )
    if given.shape != (outputs,) or given.dtype != jnp.float32:
        raise HandfulError(
            f"{what} returns {given.dtype}{list(given.shape)} for an observation of shape "
            f"[{size}]: it must return float32[{outputs}], as the builder's num_outputs says."
        )
    weights = skeleton.num_weights * num_policies
    if weights > MOST_WEIGHTS:
        raise HandfulError(
            f"{what} has {brief(weights)} weights for {count(num_policies, 'policy')}, and at most "
            f"{MOST_WEIGHTS:,} fit: give a smaller network, or fewer policies."
        )


def _check_kind(blueprint: Blueprint, what: str) -> None:
    """Raise HandfulError unless the builder returns an Equinox module that can be called."""
    made: list[Any] = []

    def make(key: PRNGKey) -> None:
        made.append(blueprint.make(key))

    try:
        jax.eval_shape(make, jax.random.key(0))
    except BaseException as error:
        raise failure(
            f"{what} could not be built: build(key, {blueprint.observation_size}, "
            f"{blueprint.num_outputs}) failed",
            error,
        ) from None
    (module,) = made
    if not isinstance(module, eqx.Module) or not callable(module):
        raise HandfulError(
            f"{what} is built as an object of the class {type(module).__name__}: its builder must "
            f"return an equinox.Module with a method __call__(self, observation)."
        )


def _check_leaks(blueprint: Blueprint, what: str) -> None:
    """Raise HandfulError if values of JAX outlive the builder outside the module's arrays.

    Each policy's module would need its own, and a function or a static field cannot hold them.
    """
    try:
        with jax.checking_leaks():
            skeleton_of.__wrapped__(blueprint)
    except Exception as error:  # JAX has no class of its own for it
        if not str(error).startswith("Leaked"):
            raise
        raise HandfulError(
            f"{what} keeps a value of JAX that its builder made in a function or in a static "
            f"field: make that value with NumPy, or where it is used in __call__."
        ) from None


def _named_leaves(module: Any) -> tuple[tuple[str | None, ...], list[Any], PyTree]:
    """Return a module's leaves, the names of those that are arrays, and its structure."""
    with_paths, structure = jax.tree_util.tree_flatten_with_path(module)
    names: list[str | None] = []
    for path, leaf in with_paths:
        name = None
        if isinstance(leaf, jax.Array | np.ndarray):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            while name in names:  # a mapping's key may read like a path
                name += "'"
        names.append(name)
    return tuple(names), [leaf for _, leaf in with_paths], structure


def _arrays(names: tuple[str | None, ...], leaves: list[Any]) -> dict[str, Array]:
    return {name: jnp.asarray(leaf) for name, leaf in zip(names, leaves, strict=True) if name}
