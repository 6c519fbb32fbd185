"""The policies that a run hands out, in a file of their own: all that is needed to act by them.

Every policy stands there whole, under its own name, also where policies share layers. Policy 2 of
a file takes a raw observation, less ``policy-2/observations/mean``, divided by the root of
``policy-2/observations/variance`` plus ``epsilon``, and clipped to ``clip`` either way; then the
layers ``policy-2/hidden-0``, ``hidden-1`` and so on with a tanh after each; then
``policy-2/head``, which gives the logits of finite actions, or the means of continuous ones, whose
standard deviations are exp of ``policy-2/log_std``. A layer multiplies by its ``weight``
[inputs, outputs] and adds its ``bias``; a layer of the kind "lookup" takes the row of its weight
that the observation times the number of rows names. The numbers that are no arrays are in the
file's metadata, in JSON under ``policies``.
"""

import json
import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from handful._support.storage import digest_of_arrays
from handful.environment import ActionSpace, Box, Discrete
from handful.errors import HandfulError
from handful.learner.networks import Actor, Layer, Lookup, NetworkStack
from handful.learner.normalize import EPSILON, Normalizer
from handful.learner.policies import Policies
from handful.tensors import read_tensors, write_tensors
from handful.types import NumpyArray

WHAT = "The file of policies"
"""What sentences call the file."""

_KINDS = {"affine": Layer, "lookup": Lookup}


def save_policies(path: Path, policies: Policies, run: str) -> None:
    """Write policies into a file; the old file stays until the new one is whole.

    Args:
        path: of the file.
        policies: to write.
        run: the digest of the settings of the run that they are of.

    Raises:
        OSError: if the file cannot be written.
    """
    about = {"run": run, "policies": json.dumps(_described(policies))}
    write_tensors(path, arrays_of(policies), about)


def load_policies(path: Path) -> Policies:
    """The policies of a file, ready to act.

    Raises:
        HandfulError: if the file is missing or damaged, or holds no policies.
    """
    if not path.is_file():
        raise HandfulError(f"There are no policies at '{path}': check the path.")
    arrays, about = read_tensors(path, WHAT)
    try:
        return _policies(arrays, json.loads(about["policies"]))
    except (KeyError, TypeError, ValueError) as error:
        raise HandfulError(
            f"{WHAT} '{path}' does not hold policies as this version of handful writes them "
            f"({type(error).__name__}: {error}): use the version that wrote it."
        ) from None


def digest_of_policies(policies: Policies) -> str:
    """The digest by which files say that they are about these policies."""
    return digest_of_arrays(arrays_of(policies))


def arrays_of(policies: Policies) -> dict[str, NumpyArray]:
    """The arrays of the file that holds the policies, by name."""
    actor, normalizer = policies.actor, policies.normalizer
    found = {}
    for policy in range(policies.num_policies):
        for name, layer in _layers(actor.stack).items():
            weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
            found[f"policy-{policy}/{name}/weight"] = weight[policy] if weight.ndim == 3 else weight
            found[f"policy-{policy}/{name}/bias"] = bias[policy, 0] if bias.ndim == 3 else bias
        if actor.log_std is not None:
            found[f"policy-{policy}/log_std"] = np.asarray(actor.log_std)[policy]
        for name in ("count", "mean", "variance"):
            values = np.asarray(getattr(normalizer, name))
            found[f"policy-{policy}/observations/{name}"] = values[policy]
    return found


def _described(policies: Policies) -> dict[str, Any]:
    """What the file says of its policies beside their arrays."""
    layers, clip = _layers(policies.actor.stack), policies.normalizer.clip
    return {
        "num_policies": policies.num_policies,
        "observation_size": policies.observation_size,
        "action_space": _described_space(policies.action_space),
        "activation": "tanh",
        "clip": clip if math.isfinite(clip) else None,
        "epsilon": EPSILON,
        "layers": {
            name: {
                "kind": "lookup" if isinstance(layer, Lookup) else "affine",
                "shared_weight": layer.weight.ndim == 2,
                "shared_bias": layer.bias.ndim == 1,
            }
            for name, layer in layers.items()
        },
    }


def _described_space(space: ActionSpace) -> dict[str, Any]:
    if isinstance(space, Discrete):
        return {"kind": "discrete", "num_actions": space.num_actions}
    return {"kind": "box", "low": list(space.low), "high": list(space.high)}


def _layers(stack: NetworkStack) -> dict[str, Layer]:
    """The layers by the names that they have in the file, from the first to the last."""
    named = {f"hidden-{number}": layer for number, layer in enumerate(stack.hidden)}
    return {**named, "head": stack.head}


def _policies(arrays: dict[str, NumpyArray], described: dict[str, Any]) -> Policies:
    num_policies = described["num_policies"]

    def stacked(name: str) -> NumpyArray:
        return np.stack([arrays[f"policy-{policy}/{name}"] for policy in range(num_policies)])

    layers = []
    for name, kind in described["layers"].items():
        weight, bias = stacked(f"{name}/weight"), stacked(f"{name}/bias")[:, None]
        layers.append(
            _KINDS[kind["kind"]](
                jnp.asarray(weight[0] if kind["shared_weight"] else weight),
                jnp.asarray(bias[0, 0] if kind["shared_bias"] else bias),
            )
        )
    has_spread = "policy-0/log_std" in arrays
    actor = Actor(
        NetworkStack(tuple(layers[:-1]), layers[-1]),
        jnp.asarray(stacked("log_std")) if has_spread else None,
    )
    normalizer = Normalizer(
        count=jnp.asarray(stacked("observations/count")),
        mean=jnp.asarray(stacked("observations/mean")),
        variance=jnp.asarray(stacked("observations/variance")),
        clip=math.inf if described["clip"] is None else described["clip"],
    )
    return Policies(actor, normalizer, _space(described["action_space"]))


def _space(described: dict[str, Any]) -> ActionSpace:
    if described["kind"] == "discrete":
        return Discrete(described["num_actions"])
    return Box(tuple(described["low"]), tuple(described["high"]))
