"""Policies with a network of their maker's own, which a bundle holds as a graph in ONNX.

NumPy cannot compute such a network: onnxruntime does. All else of a bundle, who gets which policy
and what it earns them, is as for other policies and needs NumPy alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.deploy.arrays import read_safetensors
from handful.deploy.graphs import OUTPUTS, Graph, missing, read_graph
from handful.errors import HandfulError

GRAPH = "onnx"
"""The value of ``network`` in a policy file's metadata that says that its network is a graph."""


@dataclass(frozen=True, eq=False)
class GraphPolicy:
    """A policy whose network is its maker's own: its graph computes it, which ends in actions.

    Attributes:
        mean, variance: the statistics of each entry of an observation, [O]; the graph holds them.
        count: the number of observations that these statistics are of.
        num_outputs: how many numbers ``H`` the network puts out.
        log_std: the logarithms of the standard deviations [A] that do not depend on observations;
            None if actions are finite or squashed.
        data: the content of the policy's ONNX file.
        place: the path of that file, for error messages.
    """

    mean: NDArray[Any]
    variance: NDArray[Any]
    count: float
    num_outputs: int
    log_std: NDArray[Any] | None
    data: bytes
    place: str

    @property
    def observation_size(self) -> int:
        """The number ``O`` of entries of an observation."""
        return self.mean.shape[0]

    @cached_property
    def graph(self) -> Graph:
        """The graph; it is checked when it is first needed."""
        lacking = missing()
        if lacking is not None:
            raise HandfulError(
                f"'{self.place}' holds a network of its maker's own, which NumPy cannot compute: "
                f"install {lacking} (the extra 'onnx' of handful), which the bundle then runs."
            )
        return read_graph(self.data, self.place)

    def outputs(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the logits or the means [M, H] at observations float32 [M, O].

        Raises:
            HandfulError: if a package is missing, or the file holds no such network.
        """
        found = self.graph(OUTPUTS, np.ascontiguousarray(rows, np.float32))
        if found.shape != (len(rows), self.num_outputs) or found.dtype != np.float32:
            raise HandfulError(
                f"'{self.place}' puts out {found.dtype}{list(found.shape)}, and the bundle's "
                f"actions need float32{[len(rows), self.num_outputs]}: do not use this bundle."
            )
        return found


def graph_file(number: int) -> str:
    """Return the name of a policy's ONNX file."""
    return f"policies/{number}.onnx"


def is_graph(said: Any) -> bool:
    """Return whether a policy file's metadata say that its network is a graph."""
    return isinstance(said, Mapping) and said.get("network") == GRAPH


def read_graph_policy(
    data: bytes, source: str, graph: bytes, place: str, num_outputs: int
) -> GraphPolicy:
    """Return the policy of a file whose network is a graph.

    Args:
        data: the content of the file, which holds the statistics of observations and the spread of
            actions.
        source: its path, for error messages.
        graph: the content of the policy's ONNX file.
        place: the path of that file, for error messages.
        num_outputs: how many numbers the bundle's actions need.

    Raises:
        HandfulError: if the file is damaged or holds anything else.
    """
    arrays, _ = read_safetensors(data, source)
    spread = arrays.pop("log_std", None)
    parts = [arrays.pop(f"observations/{name}", None) for name in ("mean", "variance", "count")]
    mean, variance, count = parts
    if (
        arrays
        or mean is None
        or variance is None
        or count is None
        or mean.ndim != 1
        or variance.shape != mean.shape
        or count.shape != ()
        or (spread is not None and spread.shape != (num_outputs,))
        or not all(
            one.dtype == np.float32 and np.isfinite(one).all()
            for one in (mean, variance, count, *(() if spread is None else (spread,)))
        )
    ):
        raise HandfulError(
            f"'{source}' does not hold the statistics of a policy whose network is in '{place}': "
            f"get another copy of the bundle."
        )
    return GraphPolicy(mean, variance, float(count), num_outputs, spread, graph, place)
