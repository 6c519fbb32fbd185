"""Checkpoints: one safetensors file that holds a whole state, written atomically.

Compared with Orbax: this state is a few megabytes on one host, so asynchronous, sharded, multi-file
checkpoints have no advantage. One file with named arrays can be read by any tool and can run no
code. It is replaced in one step, so that a kill at any moment leaves the old file or the new one.

A checkpoint is the state of training. The final policies of a run are in another file
(:mod:`handful.learner.policies_file`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful.errors import HandfulError
from handful.tensors import read_tensors, write_tensors
from handful.types import Array, NumpyArray


def save_state(path: Path, state: Any, about: Mapping[str, str] | None = None) -> None:
    """Write a pytree of arrays and JAX keys; the old file stays until the new one is complete.

    Args:
        path: the path of the file.
        state: the pytree.
        about: the texts about the state that the file's metadata hold, by name.

    Raises:
        OSError: if the file cannot be written.
    """
    write_tensors(path, {n: _to_host(leaf) for n, leaf in _named_leaves(state)}, about or {})


def load_state(path: Path, template: Any) -> Any:
    """Read a state.

    Args:
        path: the path of the file.
        template: a state of the same structure, or only its shapes (``jax.eval_shape``), such as
            the state from which the run's settings would start.

    Raises:
        HandfulError: if the file is missing, damaged, or does not fit the template.
    """
    if not path.is_file():
        raise HandfulError(
            f"There is no checkpoint at '{path}': the run was stopped before its first one, so "
            f"train again."
        )
    arrays, _ = read_tensors(path, "The checkpoint")
    leaves, misfit = [], None
    for name, leaf in _named_leaves(template):
        expected = jax.eval_shape(_stored, leaf)
        found = arrays.pop(name, None)
        if found is None or (found.shape, found.dtype) != (expected.shape, expected.dtype):
            misfit = name
            break
        leaves.append(_from_host(found, leaf))
    misfit = misfit or next(iter(arrays), None)
    if misfit is not None:
        raise HandfulError(
            f"The checkpoint '{path}' does not fit the run's settings (at '{misfit}'): "
            f"it was written by another version of handful or for another problem."
        )
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in paths]


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _stored(leaf: Array) -> Array:
    """Return a leaf as a file can hold it."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _to_host(leaf: Array) -> NumpyArray:
    return np.asarray(_stored(leaf))


def _from_host(values: NumpyArray, like: Any) -> Array:
    array = jnp.asarray(values)
    return jax.random.wrap_key_data(array) if _is_key(like) else array
