"""The policies that a run hands out, in a file that holds all that is needed to act by them.

The file holds each policy in full, under a name of its own, also if policies share layers.
Policy 2 acts as follows. It subtracts ``policy-2/observations/mean`` from a raw observation,
divides by the square root of the sum of ``policy-2/observations/variance`` and ``epsilon``, and
clips to the range from ``-clip`` to ``clip``. It applies the layers ``policy-2/hidden-0``,
``policy-2/hidden-1`` and so on, with a tanh after each, and then the layer ``policy-2/head``. The
result is the logits of finite actions, or the means of continuous ones, whose standard deviations
are exp of ``policy-2/log_std``. If the metadata say that actions are ``squashed``, the result is
twice as many numbers: the first half are means, and the second half the logarithms of standard
deviations, which are clipped (:mod:`handful.squashing`); an action is then the tanh of a normal
variable, stretched to the action space. A layer multiplies by its ``weight`` [inputs, outputs] and
adds its ``bias``. A layer of the kind "lookup" takes a row of its weight instead: the row's number
is the observation times the number of rows.

Of a network of the caller's own the file holds the arrays, as ``policy-2/network/NAME``, where NAME
is an array's place in the Equinox module, and the name of the builder. Only the builder knows what
is computed with them, so that it must be given, or imported, to read such a file.

The numbers that are no arrays are in the file's metadata, as JSON under ``policies``.
"""

import json
import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from handful._support.storage import digest_of_arrays
from handful._support.text import count
from handful.environment import ActionSpace, Box, Discrete
from handful.errors import HandfulError
from handful.learner.builders import NetworkBuilder, settled_name
from handful.learner.modules import Blueprint, ModuleStack, skeleton_of
from handful.learner.networks import Actor, Layer, Lookup, NetworkStack, Stack
from handful.learner.normalize import EPSILON, Normalizer
from handful.learner.policies import Policies
from handful.learner.squashed import SquashedActor, squashed_actor
from handful.tensors import read_tensors, write_tensors
from handful.types import Array, NumpyArray

WHAT = "The file of policies"
"""The name of the file in sentences."""

_KINDS = {"affine": Layer, "lookup": Lookup}


def save_policies(path: Path, policies: Policies, run: str) -> None:
    """Write policies into a file; the old file stays until the new one is whole.

    Args:
        path: the path of the file.
        policies: the policies to write.
        run: the digest of the settings of the run that trained them.

    Raises:
        OSError: if the file cannot be written.
    """
    about = {"run": run, "policies": json.dumps(_described(policies))}
    write_tensors(path, arrays_of(policies), about)


def load_policies(
    path: Path, network: NetworkBuilder | str | None = None, trust: bool = False
) -> Policies:
    """Read the policies of a file.

    Args:
        path: the path of the file.
        network: the builder of a network of the caller's own, or its name. It is needed if the
            file's network cannot be imported, and instead of ``trust``.
        trust: whether the module that the file names for a network may be imported, which runs its
            code.

    Raises:
        HandfulError: if the file is missing or damaged, holds no policies, or has a network of the
            caller's own that is not known, does not fit, or needs ``trust``.
    """
    if not path.is_file():
        raise HandfulError(f"There are no policies at '{path}': check the path.")
    arrays, about = read_tensors(path, WHAT)
    try:
        described = json.loads(about["policies"])
        space = _space(described["action_space"])
        if "network" in described:
            named = str(described["network"])
            name = settled_name(named, network, f"{WHAT} '{path}'", trust)
            outputs = space.size if isinstance(space, Box) else space.num_actions
            blueprint = Blueprint.of(name, described["observation_size"], outputs)
            stack: Stack = _module_stack(arrays, described["num_policies"], blueprint, path)
        else:
            stack = _network_stack(arrays, described)
        return _policies(arrays, described, stack, space)
    except (KeyError, TypeError, ValueError) as error:
        raise HandfulError(
            f"{WHAT} '{path}' does not hold policies as this version of handful writes them "
            f"({type(error).__name__}: {error}): use the version that wrote it."
        ) from None


def unshared(policies: Policies) -> Policies:
    """Return the same policies, each with copies of the layers that it shares with others."""
    described, arrays = _described(policies), arrays_of(policies)
    if isinstance(policies.actor.stack, ModuleStack):
        return policies  # the caller's own networks share nothing
    layers = {
        name: {**layer, "shared_weight": False, "shared_bias": False}
        for name, layer in described["layers"].items()
    }
    stack = _network_stack(arrays, {**described, "layers": layers})
    apart = _policies(arrays, described, stack, policies.action_space)
    return Policies(apart.actor, apart.normalizer, policies.action_space, policies.reader)


def digests_of_policies(policies: Policies) -> tuple[str, ...]:
    """Return the digest of each policy alone [K], whatever layers it shares with others."""
    found = arrays_of(policies)
    alone: list[dict[str, NumpyArray]] = [{} for _ in range(policies.num_policies)]
    for name, array in found.items():
        owner, _, rest = name.removeprefix("policy-").partition("/")
        alone[int(owner)][rest] = array
    return tuple(map(digest_of_arrays, alone))


def digest_of_policies(policies: Policies) -> str:
    """Return the digest of the policies' arrays, by which other files name these policies."""
    return digest_of_arrays(arrays_of(policies))


def arrays_of(policies: Policies) -> dict[str, NumpyArray]:
    """Return the arrays of the file that holds the policies, by name."""
    actor, normalizer = policies.actor, policies.normalizer
    found = {}
    for policy in range(policies.num_policies):
        if isinstance(actor.stack, ModuleStack):
            for name, leaf in actor.stack.weights.items():
                found[f"policy-{policy}/network/{name}"] = np.asarray(leaf)[policy]
        else:
            for name, layer in _layers(actor.stack).items():
                weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
                own = weight[policy] if weight.ndim == 3 else weight
                found[f"policy-{policy}/{name}/weight"] = own
                found[f"policy-{policy}/{name}/bias"] = bias[policy, 0] if bias.ndim == 3 else bias
        if actor.log_std is not None:
            spread = np.asarray(actor.log_std)
            found[f"policy-{policy}/log_std"] = spread[0 if len(spread) == 1 else policy]
        for name in ("count", "mean", "variance"):
            values = np.asarray(getattr(normalizer, name))
            found[f"policy-{policy}/observations/{name}"] = values[policy]
    return found


def _described(policies: Policies) -> dict[str, Any]:
    """Return what the file's metadata says of the policies: everything but their arrays."""
    clip = policies.normalizer.clip
    return {
        "num_policies": policies.num_policies,
        "observation_size": policies.observation_size,
        "action_space": _described_space(policies.action_space),
        "clip": clip if math.isfinite(clip) else None,
        "epsilon": EPSILON,
        **({"squashed": True} if isinstance(policies.actor, SquashedActor) else {}),
        **_described_stack(policies.actor.stack),
    }


def _described_stack(stack: Stack) -> dict[str, Any]:
    if isinstance(stack, ModuleStack):
        return {"network": stack.blueprint.name}
    return {
        "activation": "tanh",
        "layers": {
            name: {
                "kind": "lookup" if isinstance(layer, Lookup) else "affine",
                "shared_weight": layer.weight.ndim == 2,
                "shared_bias": layer.bias.ndim == 1,
            }
            for name, layer in _layers(stack).items()
        },
    }


def _described_space(space: ActionSpace) -> dict[str, Any]:
    if isinstance(space, Discrete):
        return {"kind": "discrete", "num_actions": space.num_actions}
    return {"kind": "box", "low": list(space.low), "high": list(space.high)}


def _layers(stack: NetworkStack) -> dict[str, Layer]:
    """Return the layers by the names that they have in the file, from the first to the last."""
    named = {f"hidden-{number}": layer.folded() for number, layer in enumerate(stack.hidden)}
    return {**named, "head": stack.head.folded()}


def _stacked(arrays: dict[str, NumpyArray], num_policies: int, name: str) -> NumpyArray:
    """Return the arrays that all policies have under a name, with a leading axis [K]."""
    return np.stack([arrays[f"policy-{policy}/{name}"] for policy in range(num_policies)])


def _network_stack(arrays: dict[str, NumpyArray], described: dict[str, Any]) -> NetworkStack:
    layers = []
    for name, kind in described["layers"].items():
        weight = _stacked(arrays, described["num_policies"], f"{name}/weight")
        bias = _stacked(arrays, described["num_policies"], f"{name}/bias")[:, None]
        layers.append(
            _KINDS[kind["kind"]](
                jnp.asarray(weight[0] if kind["shared_weight"] else weight),
                jnp.asarray(bias[0, 0] if kind["shared_bias"] else bias),
            )
        )
    return NetworkStack(tuple(layers[:-1]), layers[-1])


def _module_stack(
    arrays: dict[str, NumpyArray], num_policies: int, blueprint: Blueprint, path: Path
) -> ModuleStack:
    """Return the caller's own modules with the arrays of the file.

    Raises:
        HandfulError: if the builder's modules have other arrays than the file.
    """
    shapes = skeleton_of(blueprint).shapes
    prefix = "policy-0/network/"
    there = {n.removeprefix(prefix): a.shape for n, a in arrays.items() if n.startswith(prefix)}
    if there != {name: shape.shape for name, shape in shapes.items()}:
        raise HandfulError(
            f"{WHAT} '{path}' has other arrays than the network '{blueprint.name}' makes for "
            f"{count(blueprint.observation_size, 'observation entry')} and "
            f"{count(blueprint.num_outputs, 'output')}: give the builder that the policies were "
            f"trained with."
        )
    weights = {n: jnp.asarray(_stacked(arrays, num_policies, f"network/{n}")) for n in shapes}
    return ModuleStack(weights, blueprint)


def _policies(
    arrays: dict[str, NumpyArray], described: dict[str, Any], stack: Stack, space: ActionSpace
) -> Policies:
    def stacked(name: str) -> Array:
        return jnp.asarray(_stacked(arrays, described["num_policies"], name))

    has_spread = "policy-0/log_std" in arrays
    normalizer = Normalizer(
        count=stacked("observations/count"),
        mean=stacked("observations/mean"),
        variance=stacked("observations/variance"),
        clip=math.inf if described["clip"] is None else described["clip"],
    )
    if described.get("squashed", False):  # files of older versions do not say it
        assert isinstance(space, Box)
        return Policies(squashed_actor(stack, space), normalizer, space)
    return Policies(Actor(stack, stacked("log_std") if has_spread else None), normalizer, space)


def _space(described: dict[str, Any]) -> ActionSpace:
    if described["kind"] == "discrete":
        return Discrete(described["num_actions"])
    return Box(tuple(described["low"]), tuple(described["high"]))
