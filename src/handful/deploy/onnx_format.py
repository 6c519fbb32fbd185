"""The format ONNX of a bundle, replayed by ``onnxruntime``."""

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from handful.deploy.files import CheckedFiles
from handful.deploy.formats import Act, Format
from handful.deploy.graphs import ACTION, missing, read_graph
from handful.deploy.own_network import GraphPolicy, graph_file

if TYPE_CHECKING:
    from handful.deploy.bundle import Bundle


def _open(files: CheckedFiles, bundle: "Bundle", policy: int) -> Act:
    """Return what acts by a policy's ONNX file."""
    own, name = bundle.policies[policy], graph_file(policy)
    is_own = isinstance(own, GraphPolicy)
    graph = own.graph if is_own else read_graph(files.read(name), files.place(name))

    def act(vectors: NDArray[Any]) -> NDArray[Any]:
        return graph(ACTION, vectors)

    return act


ONNX = Format("onnx", ".onnx", _open, missing)
