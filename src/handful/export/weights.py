"""One policy as the content of a safetensors file."""

import json
import math
from typing import Any

import numpy as np
from safetensors.numpy import save

from handful.deploy.own_network import GRAPH
from handful.deploy.policy import ABOUT
from handful.learner.modules import ModuleStack
from handful.learner.networks import Lookup
from handful.learner.normalize import EPSILON
from handful.learner.policies import Policies
from handful.learner.policies_file import arrays_of, digests_of_policies
from handful.types import NumpyArray


def policy_files(policies: Policies) -> list[bytes]:
    """Return the content of each policy's file, in order.

    A file holds one policy in full, also if policies share layers: ``observations/mean`` and
    ``observations/variance``, the ``weight`` [inputs, outputs] and ``bias`` of each layer, and
    ``log_std`` if actions are continuous and not squashed. A network of the caller's own is not in
    it, as its ONNX file holds it: only the digest of its arrays is, by which it is known again.
    """
    stack, clip = policies.actor.stack, policies.normalizer.clip
    common: dict[str, Any] = {"clip": clip if math.isfinite(clip) else None, "epsilon": EPSILON}
    if isinstance(stack, ModuleStack):
        digests = digests_of_policies(policies)
        abouts = [{"network": GRAPH, "arrays": digest, **common} for digest in digests]
    else:
        first = (*stack.hidden, stack.head)[0]
        about = {
            "activation": "tanh",
            "layers": [*(f"hidden-{i}" for i in range(len(stack.hidden))), "head"],
            "first_layer": "lookup" if isinstance(first, Lookup) else "affine",
            **common,
        }
        abouts = [about] * policies.num_policies
    everything, files = arrays_of(policies), []
    for k, about in enumerate(abouts):
        own = f"policy-{k}/"
        arrays: dict[str, NumpyArray] = {
            name.removeprefix(own): np.array(array, "<f4", order="C")
            for name, array in everything.items()
            if name.startswith(own) and not name.startswith(f"{own}network/")
        }
        files.append(save(arrays, {ABOUT: json.dumps(about)}))
    return files
