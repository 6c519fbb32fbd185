"""The further formats of a bundle: ONNX, C and StableHLO, beside the files that NumPy reads.

Each is a file of one policy, made from what the bundle itself says of it, so that no two formats
can differ in what they were made from. A format may need packages that are an extra.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import did_you_mean
from handful._support.installing import install_command
from handful.deploy.actions import Actions, Choices
from handful.deploy.policy import Policy
from handful.errors import HandfulError
from handful.export.onnx_graph import onnx_model
from handful.export.own_network import OwnNetwork
from handful.types import Array

NEVER = "0"
"""The size from which the C compiler of ONNX puts temporary arrays on the heap, and weights into a
second file: it stands for no size at all."""


_WEIGHTS = re.compile(r"^(?:extern )?const (?=(?:EMX_UNUSED )?\w+ weight\d+_)", re.MULTILINE)
"""The beginning of a line of C that declares or defines an array of weights."""


@dataclass(frozen=True)
class FurtherFormat:
    """A format that a bundle may hold besides its own.

    Attributes:
        suffix: the ending of its files.
        write: a function of a policy, its actions and its number that returns its file's content.
        modules: the modules that it needs.
        extra: the extra of handful that brings them; empty if it needs none.
    """

    suffix: str
    write: Callable[[Policy | OwnNetwork, Actions, int], bytes]
    modules: tuple[str, ...]
    extra: str


def onnx_file(policy: Policy | OwnNetwork, actions: Actions, number: int = 0) -> bytes:
    """Return a policy's ONNX file, for any number of observations at a time."""
    del number
    return onnx_model(policy, actions).SerializeToString(deterministic=True)


def c_file(policy: Policy | OwnNetwork, actions: Actions, number: int = 0) -> bytes:
    """Return a policy's C file, for one observation at a time.

    It is C99 without dependencies and allocates nothing: a function ``policy_2`` takes the
    observation and writes the action and what the network puts out. ``emx-onnx-cgen`` makes it from
    the ONNX graph. Everything else in it is static, so that one program can hold many policies.

    Raises:
        HandfulError: if the package cannot translate the graph.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "policy.onnx", Path(folder) / "policy.c"
        source.write_bytes(onnx_model(policy, actions, 1).SerializeToString(deterministic=True))
        command = [sys.executable, "-m", "emx_onnx_cgen", "compile", str(source), str(target)]
        options = ["--model-name", f"policy_{number}"]
        options += ["--large-temp-threshold", NEVER, "--large-weight-threshold", NEVER]
        done = subprocess.run(
            [*command, *options, "--color", "never"], capture_output=True, text=True, check=False
        )
        if done.returncode or not target.is_file():
            last = " ".join((done.stderr or done.stdout).split())[-300:]
            raise HandfulError(
                f"emx-onnx-cgen could not write a policy as C ({last}): leave out the format 'c'."
            )
        # The head of the file names the command, with a folder that is gone.
        text = re.sub(rf"{re.escape(folder)}/?", "", target.read_text())
        return _WEIGHTS.sub("static const ", text).encode()


def stablehlo_file(policy: Policy | OwnNetwork, actions: Actions, number: int = 0) -> bytes:
    """Return what ``jax.export.deserialize`` reads: a function of observations float32 [N, O].

    It returns what the network puts out [N, H], and the likeliest actions in the policy's own units
    or numbers; ``interface.json`` says how these become the simulator's.
    """
    from jax import export

    del number

    def act(rows: Array) -> tuple[Array, Array]:
        values = policy.outputs(rows) if isinstance(policy, OwnNetwork) else _outputs(policy, rows)
        if isinstance(actions, Choices):
            return values, jnp.argmax(values, axis=1)
        low, high, means = actions.low[None], actions.high[None], values[:, : actions.size]
        if actions.squashed:
            means = (low + high) / 2 + (high - low) / 2 * jnp.tanh(means)
        return values, jnp.clip(means, low, high)

    rows = jax.ShapeDtypeStruct(
        (*export.symbolic_shape("N"), policy.observation_size), np.dtype(np.float32)
    )
    exported = export.export(jax.jit(act), platforms=("cpu", "cuda", "tpu"))(rows)
    return bytes(exported.serialize())


def _outputs(policy: Policy, rows: Array) -> Array:
    """Return what the library's own network puts out [N, H] at observations [N, O], in JAX."""
    values = jnp.clip((rows - policy.mean[None]) * policy.scale[None], -policy.clip, policy.clip)
    last = len(policy.layers) - 1
    for index, (weight, bias) in enumerate(policy.layers):
        if index == 0 and policy.num_symbols is not None:
            symbols = jnp.rint(values[:, 0] * policy.num_symbols).astype(jnp.int32)
            values = jnp.asarray(weight)[symbols] + bias[None]
        else:
            values = jnp.matmul(values, weight, precision="highest") + bias[None]
        values = jnp.tanh(values) if index < last else values
    return values


FURTHER = {
    "onnx": FurtherFormat(".onnx", onnx_file, ("onnx",), "onnx"),
    "c": FurtherFormat(".c", c_file, ("onnx", "emx_onnx_cgen"), "c"),
    "stablehlo": FurtherFormat(".stablehlo", stablehlo_file, (), ""),
}
"""The further formats, by name."""


def check_formats(names: Sequence[str]) -> None:
    """Check further formats before anything slow starts.

    Raises:
        HandfulError: if one does not exist, or needs a package that is not installed.
    """
    for name in names:
        if name not in FURTHER:
            raise HandfulError(
                f"There is no format '{name}'{did_you_mean(name, FURTHER)}: choose from "
                f"{', '.join(FURTHER)}. Every bundle holds the one that NumPy reads."
            )
        missing = [module for module in FURTHER[name].modules if find_spec(module) is None]
        if missing:
            raise HandfulError(
                f"The format '{name}' needs {' and '.join(missing)}: "
                f"{install_command(FURTHER[name].extra)}."
            )


def further_files(
    names: Iterable[str], policies: Iterable[Policy | OwnNetwork], actions: Actions
) -> dict[str, bytes]:
    """Return the files of further formats, by name.

    Args:
        names: the formats.
        policies: the policies, as the bundle holds them.
        actions: the actions, as the bundle describes them.
    """
    return {
        f"policies/{k}{FURTHER[name].suffix}": FURTHER[name].write(policy, actions, k)
        for name in dict.fromkeys(names)
        for k, policy in enumerate(policies)
    }
