"""A policy as an ONNX graph: from an observation to the action that the simulator takes.

Everything that a policy does is in the graph: the normalisation of observations, the clipping, the
network, the bounds of actions and their decoding. So what runs it needs to know no more than how an
observation is flattened (``interface.json``).

The graph has one input, ``observations`` (float32, [N, O]), and two outputs: ``action``, the
likeliest actions as the simulator takes them, [N, *shape], and ``outputs``, what the network puts
out, [N, H], from which sampled actions follow. It is written node by node with the package
``onnx``, in operators that any runtime has; of the caller's own networks ``jax2onnx`` writes the
part up to ``outputs`` (:mod:`handful.export.own_network`).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from handful.deploy.actions import Actions, Choices, Vectors
from handful.deploy.graphs import ACTION, INPUT, OUTPUTS
from handful.deploy.policy import Policy
from handful.export.own_network import OwnNetwork, network_graph

if TYPE_CHECKING:
    import onnx

OPSET = 17
"""The version of ONNX's operators."""

IR_VERSION = 8
"""The version of the file format, which runtimes since 2022 read."""


class _Graph:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        name = f"constant-{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(
        self, operator: str, *inputs: str, output: str | None = None, **attributes: Any
    ) -> str:
        """Add a node; return the name of its output."""
        from onnx import helper

        name = output or f"{operator.lower()}-{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


def onnx_model(
    policy: Policy | OwnNetwork, actions: Actions, batch: int | None = None
) -> "onnx.ModelProto":
    """Return the ONNX model of a policy.

    Args:
        policy: the policy, or the caller's own network of one.
        actions: how its outputs become the simulator's actions.
        batch: the number of observations at a time; None for any number.

    Returns:
        the model, checked by ONNX's own checker.

    Raises:
        HandfulError: if the caller's own network cannot be written.
    """
    import onnx
    from onnx import TensorProto, checker, helper

    graph = _Graph()
    if isinstance(policy, OwnNetwork):
        written = network_graph(policy, batch, OPSET).graph
        graph.nodes.extend(written.node)
        graph.constants.extend(written.initializer)
        outputs = OUTPUTS
    else:
        outputs = _network(graph, policy)
    decode = _choice if isinstance(actions, Choices) else _vector
    decode(graph, outputs, actions)  # pyright: ignore[reportArgumentType] -- chosen by its type
    rows = "N" if batch is None else batch
    kind = helper.np_dtype_to_tensor_dtype(actions.dtype)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "policy",
            [
                helper.make_tensor_value_info(
                    INPUT, TensorProto.FLOAT, [rows, policy.observation_size]
                )
            ],
            [
                helper.make_tensor_value_info(ACTION, kind, [rows, *actions.shape]),
                helper.make_tensor_value_info(
                    OUTPUTS, TensorProto.FLOAT, [rows, policy.num_outputs]
                ),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="handful",
    )
    model.ir_version = IR_VERSION
    checker.check_model(model, full_check=True)
    assert isinstance(model, onnx.ModelProto)
    return model


def _network(graph: _Graph, policy: Policy) -> str:
    """Add the network, with the normalisation before it; return the name of its outputs."""
    values = graph.node("Sub", INPUT, graph.constant(policy.mean))
    values = graph.node("Mul", values, graph.constant(policy.scale))
    if np.isfinite(policy.clip):
        values = _within(graph, values, -policy.clip, policy.clip)
    last = len(policy.layers) - 1
    for index, (weight, bias) in enumerate(policy.layers):
        if index == 0 and policy.num_symbols is not None:
            number = graph.node("Mul", values, graph.constant(policy.num_symbols))
            symbol = graph.node("Cast", graph.node("Round", number), to=_INT64)
            flat = graph.node("Reshape", symbol, graph.constant([-1], np.int64))
            values = graph.node("Gather", graph.constant(weight), flat, axis=0)
        else:
            values = graph.node("MatMul", values, graph.constant(weight))
        is_last = index == last
        values = graph.node(
            "Add", values, graph.constant(bias), output=OUTPUTS if is_last else None
        )
        if not is_last:
            values = graph.node("Tanh", values)
    return values


_INT64 = 7
"""ONNX's number of the type int64."""


def _within(graph: _Graph, values: str, low: Any, high: Any, dtype: Any = np.float32) -> str:
    """Add the clipping of values to bounds, of which some may be infinite."""
    above = graph.node("Max", values, graph.constant(low, dtype))
    return graph.node("Min", above, graph.constant(high, dtype))


def _choice(graph: _Graph, outputs: str, actions: Choices) -> None:
    """Add the likeliest of finite actions, and its decoding."""
    from onnx import helper

    if actions.is_plain:
        graph.node("ArgMax", outputs, axis=1, keepdims=0, output=ACTION)
        return
    left = graph.node("ArgMax", outputs, axis=1, keepdims=1)
    parts: list[str] = []
    for size in reversed(actions.sizes):  # the last choice changes fastest
        whole = graph.constant(size, np.int64)
        parts.insert(0, graph.node("Mod", left, whole))
        left = graph.node("Div", left, whole)
    together = graph.node("Concat", *parts, axis=1)
    values = graph.node("Add", together, graph.constant(actions.starts, np.int64))
    kind = helper.np_dtype_to_tensor_dtype(actions.dtype)
    _shaped(graph, graph.node("Cast", values, to=kind), actions)


def _vector(graph: _Graph, outputs: str, actions: Vectors) -> None:
    """Add the mean of continuous actions within its bounds, and its decoding."""
    from onnx import TensorProto, helper

    means, low, high = outputs, actions.low, actions.high
    if actions.squashed:
        ends = (graph.constant(v, np.int64) for v in ([0], [actions.size], [1]))
        means = graph.node("Tanh", graph.node("Slice", outputs, *ends))
        means = graph.node("Mul", means, graph.constant((high - low) / 2))
        means = graph.node("Add", means, graph.constant((low + high) / 2))
    if actions.is_plain:
        above = graph.node("Max", means, graph.constant(low))
        graph.node("Min", above, graph.constant(high), output=ACTION)
        return
    means = graph.node("Cast", _within(graph, means, low, high), to=TensorProto.DOUBLE)
    values = graph.node("Mul", means, graph.constant(actions.scale, np.float64))
    values = graph.node("Add", values, graph.constant(actions.shift, np.float64))
    values = _within(graph, values, actions.env_low, actions.env_high, np.float64)
    kind = helper.np_dtype_to_tensor_dtype(actions.dtype)
    _shaped(graph, graph.node("Cast", values, to=kind), actions)


def _shaped(graph: _Graph, values: str, actions: Actions) -> None:
    """Add the last node: values in the shape of the simulator's action."""
    shape = graph.constant([-1, *actions.shape], np.int64)
    graph.node("Reshape", values, shape, output=ACTION)
