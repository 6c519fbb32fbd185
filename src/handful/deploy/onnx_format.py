"""The format ONNX of a bundle, replayed by ``onnxruntime``.

A file of a stranger could ask for other files, or for operators that do more than compute. So only
graphs are run that consist of the operators that policies have, with all constants inside.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from handful.deploy.files import CheckedFiles
from handful.deploy.formats import Act, Format
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.deploy.bundle import Bundle

OPERATORS = frozenset(
    (
        "Add",
        "ArgMax",
        "Cast",
        "Concat",
        "Div",
        "Gather",
        "MatMul",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Reshape",
        "Round",
        "Slice",
        "Sub",
        "Tanh",
    )
)
"""The operators of a policy's graph."""


def _open(files: CheckedFiles, bundle: "Bundle", policy: int) -> Act:
    """Return what acts by a policy's ONNX file."""
    import onnx
    import onnxruntime

    name = f"policies/{policy}.onnx"
    data, place = files.read(name), files.place(name)
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has its own types of errors
        raise HandfulError(
            f"'{place}' is no ONNX file ({type(error).__name__}): get another copy of the bundle."
        ) from None
    graph = model.graph
    strange = {node.op_type for node in graph.node} - OPERATORS
    is_closed = not any(one.external_data or one.data_location for one in graph.initializer)
    if strange or not is_closed or model.functions or any(n.domain for n in graph.node):
        raise HandfulError(
            f"'{place}' is not run, as it holds more than a policy: do not use this bundle."
        )
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common type
        raise HandfulError(
            f"'{place}' cannot be run by onnxruntime ({type(error).__name__}): get another copy "
            f"of the bundle."
        ) from None

    def act(vectors: NDArray[Any]) -> NDArray[Any]:
        try:
            return session.run(["action"], {"observations": vectors})[0]
        except Exception as error:
            raise HandfulError(
                f"'{place}' does not take the bundle's observations ({type(error).__name__}): do "
                f"not use this bundle."
            ) from None

    return act


def _missing() -> str | None:
    """Return which packages must be installed to run the format; None if none is missing."""
    lacking = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    return " and ".join(lacking) or None


ONNX = Format("onnx", ".onnx", _open, _missing)
