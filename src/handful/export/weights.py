"""One policy as the content of a safetensors file."""

import json
import math
from typing import Any

import numpy as np
from safetensors.numpy import save

from handful.deploy.policy import ABOUT
from handful.errors import HandfulError
from handful.learner.modules import ModuleStack
from handful.learner.networks import Lookup
from handful.learner.normalize import EPSILON
from handful.learner.policies import Policies
from handful.learner.policies_file import arrays_of
from handful.types import NumpyArray


def check_exportable(policies: Policies) -> None:
    """Check that NumPy can compute policies.

    Raises:
        HandfulError: if they have a network of the caller's own.
    """
    stack = policies.actor.stack
    if isinstance(stack, ModuleStack):
        raise HandfulError(
            f"The policies have a network of your own ('{stack.blueprint.name}'), which only its "
            f"code computes, and a bundle runs no code: train with the library's own networks to "
            f"export them."
        )


def policy_files(policies: Policies) -> list[bytes]:
    """Return the content of each policy's file, in order.

    A file holds one policy in full, also if policies share layers: ``observations/mean`` and
    ``observations/variance``, the ``weight`` [inputs, outputs] and ``bias`` of each layer, and
    ``log_std`` if actions are continuous and not squashed.
    """
    check_exportable(policies)
    stack, clip = policies.actor.stack, policies.normalizer.clip
    assert not isinstance(stack, ModuleStack)
    first = (*stack.hidden, stack.head)[0]
    about: dict[str, Any] = {
        "activation": "tanh",
        "layers": [*(f"hidden-{i}" for i in range(len(stack.hidden))), "head"],
        "first_layer": "lookup" if isinstance(first, Lookup) else "affine",
        "clip": clip if math.isfinite(clip) else None,
        "epsilon": EPSILON,
    }
    everything, files = arrays_of(policies), []
    for k in range(policies.num_policies):
        own = f"policy-{k}/"
        arrays: dict[str, NumpyArray] = {
            name.removeprefix(own): np.array(array, "<f4", order="C")
            for name, array in everything.items()
            if name.startswith(own)
        }
        files.append(save(arrays, {ABOUT: json.dumps(about)}))
    return files
