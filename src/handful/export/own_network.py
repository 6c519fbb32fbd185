"""Networks of the caller's own as graphs in ONNX, which ``jax2onnx`` writes.

A network is what its Equinox module computes, so that it is traced and not read. Loops of a known
length (``jax.lax.scan``, as in a recurrent network over a window of observations) are written out
step by step: a graph without loops ends surely, and its size is known before it is run.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from handful._support.installing import install_command
from handful.deploy.graphs import INPUT, OUTPUTS, GraphError, check_graph
from handful.devices import in_full_precision
from handful.errors import HandfulError
from handful.learner.modules import ModuleStack, skeleton_of
from handful.learner.normalize import EPSILON
from handful.learner.policies import Policies
from handful.types import Array, NumpyArray

MODULES = ("jax2onnx", "onnx", "onnxruntime")
"""What must be installed to write such a network into a bundle."""

EXTRA = "own-onnx"
"""The extra of handful that brings them."""

MOST_STEPS = 20_000
"""The most operations of all loops together that are written out."""

TOLERANCE = 1e-5
"""The largest difference of what a graph puts out, in parts of the larger of its size and 1."""


@dataclass(frozen=True, eq=False)
class OwnNetwork:
    """One policy's network, which is the caller's own.

    Attributes:
        name: the name of its builder.
        mean, variance: the statistics that normalise observations, [O].
        clip: the largest absolute value of a normalised entry; infinite if none is clipped.
        module: maps one normalised observation [O] to outputs [H].
        num_outputs: ``H``.
    """

    name: str
    mean: NumpyArray
    variance: NumpyArray
    clip: float
    module: Callable[[Array], Array]
    num_outputs: int

    @property
    def observation_size(self) -> int:
        """The number ``O`` of entries of an observation."""
        return self.mean.shape[0]

    def outputs(self, rows: Array) -> Array:
        """Return the outputs [M, H] at raw observations [M, O], in JAX."""
        scale = 1.0 / np.sqrt(self.variance + np.float32(EPSILON))
        values = (rows - self.mean[None]) * scale[None]
        if np.isfinite(self.clip):
            values = jnp.clip(values, -self.clip, self.clip)
        return in_full_precision(jax.vmap(self.module))(values)


def check_own(policies: Policies) -> None:
    """Check that the policies' networks can be written into a bundle, before anything is slow.

    Raises:
        HandfulError: if they are the caller's own, and a package that writes them is missing.
    """
    stack = policies.actor.stack
    if not isinstance(stack, ModuleStack):
        return
    lacking = [name for name in MODULES if find_spec(name) is None]
    if lacking:
        raise HandfulError(
            f"The policies have a network of your own ('{stack.blueprint.name}'), which a bundle "
            f"holds as an ONNX graph, and {' and '.join(lacking)} to write it is not installed: "
            f"{install_command(EXTRA)}."
        )


def own_networks(policies: Policies) -> list[OwnNetwork]:
    """Return the networks of the ``K`` policies, which are the caller's own."""
    stack, normalizer = policies.actor.stack, policies.normalizer
    assert isinstance(stack, ModuleStack)
    skeleton = skeleton_of(stack.blueprint)
    found = []
    for k in range(policies.num_policies):
        weights = {name: np.asarray(leaf)[k] for name, leaf in stack.weights.items()}
        module = skeleton.filled({name: jnp.asarray(leaf) for name, leaf in weights.items()})
        found.append(
            OwnNetwork(
                name=stack.blueprint.name,
                mean=np.asarray(normalizer.mean)[k],
                variance=np.asarray(normalizer.variance)[k],
                clip=normalizer.clip,
                module=without_loops(module, policies.observation_size, stack.blueprint.name),
                num_outputs=stack.blueprint.num_outputs,
            )
        )
    return found


def network_graph(network: OwnNetwork, batch: int | None, opset: int) -> Any:
    """Return an ``onnx.ModelProto`` from raw observations to what the network puts out.

    Args:
        network: the network.
        batch: the number of observations at a time; None for any number.
        opset: the version of ONNX's operators.

    Raises:
        HandfulError: if ``jax2onnx`` cannot write it, or a bundle cannot hold what it wrote.
    """
    import jax2onnx

    what = f"The network '{network.name}' cannot be written as ONNX"
    with _quiet(), jax.numpy_rank_promotion("allow"):
        try:
            model = jax2onnx.to_onnx(
                network.outputs,
                [("N" if batch is None else batch, network.observation_size)],
                input_names=[INPUT],
                output_names=[OUTPUTS],
                opset=opset,
            )
        except Exception as error:  # its errors have no common type
            said = " ".join(str(error).split())[:200]
            raise HandfulError(
                f"{what}: jax2onnx ended with {type(error).__name__} ({said}). Compute the same "
                f"with operations that it knows."
            ) from None
    try:
        check_graph(model)
    except GraphError as error:
        raise HandfulError(
            f"{what} that a bundle may hold: jax2onnx made {error} of it. Compute the same with "
            f"other operations."
        ) from None
    return model


def check_same(network: OwnNetwork, found: NumpyArray, wanted: NumpyArray) -> None:
    """Check that a graph puts out what the network did at some observations.

    Args:
        network: the network.
        found: what its graph puts out, [V, H].
        wanted: what the network put out, [V, H].

    Raises:
        HandfulError: if they differ by more than rounding.
    """
    apart = np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted))
    if not (apart <= TOLERANCE).all():
        raise HandfulError(
            f"The network '{network.name}' cannot be exported: the ONNX graph that jax2onnx wrote "
            f"computes other numbers than the network, by up to {np.nanmax(apart):.1e}. Compute "
            f"the same with other operations."
        )


def without_loops(
    module: Callable[[Array], Array], size: int, name: str
) -> Callable[[Array], Array]:
    """Return a function that computes the same without loops of a known length.

    Args:
        module: maps one observation [O] to an array.
        size: ``O``.
        name: the name of the network, for error messages.

    Raises:
        HandfulError: if the loops have too many steps to be written out.
    """
    closed = jax.make_jaxpr(module)(jax.ShapeDtypeStruct((size,), jnp.float32))
    if not _has_scan(closed.jaxpr):
        return module
    if _operations(closed.jaxpr) > MOST_STEPS:
        raise HandfulError(
            f"The network '{name}' has loops of more than {MOST_STEPS:,} operations together, "
            f"which are written out one by one to export it: take a shorter window."
        )
    return lambda observation: _evaluated(closed.jaxpr, closed.consts, [observation])[0]


def _inner(equation: Any) -> list[Any]:
    """Return the programs within an operation."""
    return [
        getattr(part, "jaxpr", part)
        for value in equation.params.values()
        for part in (value if isinstance(value, tuple | list) else (value,))
        if hasattr(getattr(part, "jaxpr", part), "eqns")
    ]


def _has_scan(jaxpr: Any) -> bool:
    return any(
        equation.primitive.name == "scan" or any(map(_has_scan, _inner(equation)))
        for equation in jaxpr.eqns
    )


def _operations(jaxpr: Any) -> int:
    """Return the number of operations once all loops are written out."""
    total = 0
    for equation in jaxpr.eqns:
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        total += times * max(1, sum(map(_operations, _inner(equation))))
    return total


def _evaluated(jaxpr: Any, constants: Any, arguments: Any) -> list[Any]:
    """Return what a program computes, operation by operation, with all scans written out."""
    known: dict[Any, Any] = {}
    known.update(zip(jaxpr.constvars, constants, strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def value(variable: Any) -> Any:
        return variable.val if hasattr(variable, "val") else known[variable]

    for equation in jaxpr.eqns:
        given, inner = [value(v) for v in equation.invars], _inner(equation)
        if equation.primitive.name == "scan":
            results = _written_out(equation.params, given)
        elif len(inner) == 1 and _has_scan(inner[0]):
            (program,) = (p for p in equation.params.values() if _inner_of(p) is inner[0])
            results = _evaluated(inner[0], getattr(program, "consts", ()), given)
        else:
            bound = equation.primitive.get_bind_params(equation.params)
            # Before JAX 0.10.2 functions among the parameters came apart from the others.
            functions, parameters = bound if isinstance(bound, tuple) else ((), bound)
            is_known = not any(isinstance(one, Tracer) for one in given)
            # What depends on no observation is computed now, such as what the first state brings.
            with jax.ensure_compile_time_eval() if is_known else nullcontext():
                results = equation.primitive.bind(*functions, *given, **parameters)
            if not equation.primitive.multiple_results:
                results = [results]
        known.update(zip(equation.outvars, results, strict=True))
    return [value(v) for v in jaxpr.outvars]


def _inner_of(parameter: Any) -> Any:
    return getattr(parameter, "jaxpr", parameter)


def _written_out(parameters: Any, given: list[Any]) -> list[Any]:
    """Return the results of a scan: its carry at the end, and what each step gave, stacked."""
    body, length = parameters["jaxpr"], parameters["length"]
    first = parameters["num_consts"]
    second = first + parameters["num_carry"]
    constants, carry, rows = given[:first], given[first:second], given[second:]
    steps = range(length - 1, -1, -1) if parameters["reverse"] else range(length)
    outputs: list[Any] = [None] * length
    for step in steps:
        results = _evaluated(
            body.jaxpr, body.consts, [*constants, *carry, *(row[step] for row in rows)]
        )
        carry, outputs[step] = results[: len(carry)], results[len(carry) :]
    return [*carry, *(jnp.stack(column) for column in zip(*outputs, strict=True))]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the packages warn of their own workings from the user."""
    logger = logging.getLogger("onnx_ir")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
