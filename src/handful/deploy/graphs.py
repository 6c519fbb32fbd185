"""Graphs in ONNX that compute a policy, computed by ``onnxruntime``.

A file of a stranger could ask for other files, for operators that do more than compute, or for more
memory than there is. So only graphs are run that consist of operators on arrays, with all constants
inside, without loops, and with arrays whose sizes follow from the graph and are small enough.
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.errors import HandfulError

INPUT, ACTION, OUTPUTS = "observations", "action", "outputs"
"""The names of a graph's input and of its outputs."""

# fmt: off
OPERATORS = frozenset((
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh",
    "AveragePool", "Cast", "Ceil", "Celu", "Clip", "Concat", "ConstantOfShape", "Conv",
    "ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace", "Div", "Einsum", "Elu", "Equal",
    "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu",
    "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GroupNormalization",
    "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "InstanceNormalization",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max",
    "MaxPool", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "OneHot", "Or", "PRelu", "Pad",
    "Pow", "RMSNormalization", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare", "Relu", "Reshape", "Round", "ScatterElements", "ScatterND", "Selu", "Shape",
    "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax", "Softplus", "Softsign",
    "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tan", "Tanh", "Tile", "Transpose",
    "Trilu", "Unsqueeze", "Where", "Xor",
))
# fmt: on
"""The operators that a policy's graph may have: each computes arrays from arrays."""

MOST_NUMBERS = 2**27
"""The most numbers in all arrays that a graph computes for one observation."""


MOST_KNOWN = 64
"""The most whole numbers of an array from which sizes of others may follow."""


class GraphError(Exception):
    """What is wrong with a graph, as the end of a sentence."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A policy's graph, ready to be computed. Several threads may use it.

    Attributes:
        session: onnxruntime's session.
        numbers: the number of numbers in all arrays that it computes for one observation.
        place: the path of the file, for error messages.
    """

    session: Any
    numbers: int
    place: str

    def __call__(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Return an output of the graph, by its name, for observations float32 [M, O].

        Raises:
            HandfulError: if the graph does not take them.
        """
        at_once = max(1, MOST_NUMBERS // self.numbers)
        try:
            found = [
                self.session.run([name], {INPUT: rows[start : start + at_once]})[0]
                for start in range(0, max(len(rows), 1), at_once)
            ]
        except Exception as error:  # onnxruntime's errors have no common type
            raise HandfulError(
                f"'{self.place}' does not take the bundle's observations "
                f"({type(error).__name__}): do not use this bundle."
            ) from None
        return found[0] if len(found) == 1 else np.concatenate(found)


def read_graph(data: bytes, place: str) -> Graph:
    """Return the graph of a file.

    Args:
        data: the content of the file.
        place: its path, for error messages.

    Raises:
        HandfulError: if it is no graph of a policy.
    """
    import onnx
    import onnxruntime

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has its own types of errors
        raise HandfulError(
            f"'{place}' is no ONNX file ({type(error).__name__}): get another copy of the bundle."
        ) from None
    try:
        numbers = check_graph(model)
    except GraphError as error:
        raise HandfulError(
            f"'{place}' is not run, as it holds more than a policy ({error}): do not use this "
            f"bundle."
        ) from None
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1  # a small network gains nothing from threads
        session = onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common type
        raise HandfulError(
            f"'{place}' cannot be run by onnxruntime ({type(error).__name__}): get another copy "
            f"of the bundle."
        ) from None
    return Graph(session, numbers, place)


def check_graph(model: Any) -> int:
    """Check that a model only computes arrays, of sizes that are known and not too large.

    Args:
        model: the ``onnx.ModelProto``.

    Returns:
        how many numbers are in all arrays that it computes for one observation, at least 1.

    Raises:
        GraphError: if it does anything else.
    """
    graph = model.graph
    strange = {node.op_type for node in graph.node} - OPERATORS
    if strange:
        raise GraphError(f"the operator {min(strange)[:40]}")
    if model.functions or any(node.domain for node in graph.node):
        raise GraphError("operators of its own")
    attributes = [one for node in graph.node for one in node.attribute]
    if any(one.HasField("g") or one.graphs or one.HasField("sparse_tensor") for one in attributes):
        raise GraphError("a graph within a graph")
    inside = (tensor for one in attributes for tensor in (one.t, *one.tensors))
    constants = [*graph.initializer, *inside]
    if graph.sparse_initializer or any(c.external_data or c.data_location for c in constants):
        raise GraphError("constants in other files")
    return _numbers_of(model)


def _numbers_of(model: Any) -> int:
    """Return how many numbers are in all arrays of a graph, for one observation.

    Nothing that the file says of its arrays' sizes is believed: they are inferred node by node. A
    size may follow from small arrays of whole numbers, which are computed as far as they are known.
    """
    from onnx import TensorProto, defs, helper, numpy_helper, shape_inference

    version = max((one.version for one in model.opset_import if not one.domain), default=1)
    types, known, total = {}, {}, 0
    for one in model.graph.initializer:
        types[one.name] = helper.make_tensor_type_proto(one.data_type, list(one.dims))
        if one.data_type == TensorProto.INT64 and math.prod(one.dims) <= MOST_KNOWN:
            known[one.name] = numpy_helper.to_array(one)
    for one in model.graph.input:
        dims = [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        kind = one.type.tensor_type.elem_type
        types[one.name] = helper.make_tensor_type_proto(kind, [1, *dims[1:]])
    for node in model.graph.node:
        given = [name for name in node.input if name]
        try:
            inferred = shape_inference.infer_node_outputs(
                defs.get_schema(node.op_type, version, ""),
                node,
                {name: types[name] for name in given},
                {n: numpy_helper.from_array(known[n]) for n in given if n in known},
                opset_imports=list(model.opset_import),
                ir_version=model.ir_version,
            )
        except Exception as error:  # its errors have no common type
            raise GraphError(
                f"operators that do not fit together ({type(error).__name__})"
            ) from None
        for name in filter(None, node.output):
            kind = inferred.get(name)
            dims = kind.tensor_type.shape.dim if kind else []
            if kind is None or not kind.tensor_type.HasField("shape"):
                raise GraphError("an array whose size does not follow from the graph")
            if not all(dim.HasField("dim_value") for dim in dims):
                raise GraphError("an array whose size does not follow from the graph")
            types[name] = kind
            total += math.prod(dim.dim_value for dim in dims)
        if total > MOST_NUMBERS:
            raise GraphError(f"{total:,} numbers for an observation, more than {MOST_NUMBERS:,}")
        _compute_small(node, types, known)
    return max(total, 1)


def _compute_small(node: Any, types: dict[str, Any], known: dict[str, NDArray[Any]]) -> None:
    """Compute what a node puts out, if it is a few whole numbers that follow from known ones."""
    from onnx import TensorProto
    from onnx.reference import ReferenceEvaluator

    (name, *others), kind = node.output, types[node.output[0]].tensor_type
    size = math.prod(dim.dim_value for dim in kind.shape.dim)
    if others or kind.elem_type != TensorProto.INT64 or size > MOST_KNOWN:
        return
    given = [one for one in node.input if one]
    feeds = {one: known[one] for one in given if one in known}
    if node.op_type == "Shape":  # it needs no numbers
        dims = [dim.dim_value for dim in types[given[0]].tensor_type.shape.dim]
        if math.prod(dims) > MOST_NUMBERS:
            return
        feeds = {given[0]: np.broadcast_to(np.int64(0), dims)}
    if len(feeds) == len(set(given)):
        try:
            with np.errstate(all="ignore"):
                (found,) = ReferenceEvaluator(node).run(None, feeds)
                known[name] = np.asarray(found)
        except Exception as error:  # whatever NumPy raises
            raise GraphError(
                f"operators that do not fit together ({type(error).__name__})"
            ) from None


def missing() -> str | None:
    """Return which packages must be installed to run the format; None if none is missing."""
    lacking = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    return " and ".join(lacking) or None
