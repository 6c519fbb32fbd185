"""Checking a bundle: every file's digest, and that each format acts as the policies did.

The bundle holds observations, and what the policies did with them on the machine where the bundle
was made. The same actions must follow here, from every format that this machine can run.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.deploy.actions import Choices
from handful.deploy.arrays import read_npz
from handful.deploy.bundle import Bundle
from handful.deploy.files import CheckedFiles, open_files
from handful.deploy.formats import NUMPY, formats
from handful.deploy.onnx_format import ONNX
from handful.deploy.parts import VECTORS
from handful.errors import HandfulError

TOLERANCE = 1e-5
"""The largest difference of a continuous action, in parts of the larger of its range and 1, and of
a network's outputs, in parts of the larger of their size and 1. Machines round differently."""


@dataclass(frozen=True)
class Replayed:
    """One format's answer to the recorded observations.

    Attributes:
        name: the name of the format.
        num_vectors: the number of observations that it was given, of all policies.
        largest_difference: the largest difference of an action from the recorded one, in parts of
            its range; of finite actions, the share of those that differ.
        skipped: what must be installed before the format can be run here; None if it was run.
    """

    name: str
    num_vectors: int
    largest_difference: float
    skipped: str | None = None


@dataclass(frozen=True)
class Verified:
    """What was checked of a bundle that is sound.

    Attributes:
        digest: the SHA-256 that stands for the bundle.
        num_files: the number of files whose digests were checked.
        formats: the answers of all formats in it.
    """

    digest: str
    num_files: int
    formats: tuple[Replayed, ...]


@dataclass(frozen=True, eq=False)
class Recorded:
    """What was recorded of one policy.

    Attributes:
        observations: the flattened observations, float32 [V, O].
        outputs: what its network put out, float32 [V, H].
        actions: its likeliest actions as the simulator takes them, [V, *shape].
    """

    observations: NDArray[Any]
    outputs: NDArray[Any]
    actions: NDArray[Any]


def verify(path: str | Path) -> Verified:
    """Check a bundle: all digests, the form of all files, and the recorded actions.

    Args:
        path: the bundle's folder, or its zip file.

    Returns:
        what was checked.

    Raises:
        HandfulError: if a file was changed, is missing, or is one that no bundle has, or a format
            acts differently than was recorded; the sentence names the first.
    """
    files = CheckedFiles(open_files(path))
    for name in files.names:
        files.read(name)
    bundle = Bundle(files)
    if len(bundle.assignment) != bundle.manifest["num_users"]:
        raise HandfulError(
            f"'{path}' is damaged: its assignment has {len(bundle.assignment)} users, and its "
            f"manifest {bundle.manifest['num_users']}."
        )
    recorded = read_recorded(files, bundle)
    known = formats()
    suffixes = {PurePosixPath(name).suffix for name in files.names if name.startswith("policies/")}
    if bundle.has_graphs:
        suffixes -= {NUMPY.suffix}  # these files hold no network
    if not bundle.has_graphs or ONNX.missing() is None:
        for number, one in enumerate(recorded):
            _check_outputs(bundle, number, one)
    replayed = []
    for suffix in sorted(suffixes & set(known)):
        found = known[suffix]
        missing = found.missing()
        if missing is not None:
            replayed.append(Replayed(found.name, 0, 0.0, missing))
            continue
        differences = [
            _difference(bundle, one, found.open(files, bundle, k)(one.observations), found.name, k)
            for k, one in enumerate(recorded)
        ]
        total = sum(len(one.observations) for one in recorded)
        replayed.append(Replayed(found.name, total, max(differences)))
    return Verified(files.digest, len(files.names), tuple(replayed))


def read_recorded(files: CheckedFiles, bundle: Bundle) -> tuple[Recorded, ...]:
    """Return what was recorded of each policy.

    Raises:
        HandfulError: if it is damaged or does not fit the bundle.
    """
    place = files.place(VECTORS)
    arrays, found = read_npz(files.read(VECTORS), place), []
    actions = bundle.interface.actions
    parts = ("observations", "outputs", "actions")
    if set(arrays) != {f"{k}/{part}" for k in range(bundle.num_policies) for part in parts}:
        raise HandfulError(f"'{place}' is damaged: it does not hold three arrays for each policy.")
    for k in range(bundle.num_policies):
        one = Recorded(*(arrays[f"{k}/{part}"] for part in parts))
        number = len(one.observations) if one.observations.ndim else 0
        shapes = (one.observations.shape, one.outputs.shape, one.actions.shape)
        if shapes != (
            (number, bundle.interface.observation_size),
            (number, actions.num_outputs),
            (number, *actions.shape),
        ):
            raise HandfulError(f"'{place}' is damaged: the shapes for policy {k} do not fit it.")
        numbers = (one.observations.dtype, one.outputs.dtype, one.actions.dtype)
        if numbers != (np.float32, np.float32, actions.dtype):
            raise HandfulError(f"'{place}' is damaged: the types for policy {k} do not fit it.")
        found.append(one)
    return tuple(found)


def _check_outputs(bundle: Bundle, policy: int, recorded: Recorded) -> None:
    outputs = bundle.outputs(policy, recorded.observations)
    allowed = TOLERANCE * np.maximum(1.0, np.abs(recorded.outputs))
    wrong = ~(np.abs(outputs - recorded.outputs) <= allowed)
    if wrong.any():
        row = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise HandfulError(
            f"Policy {policy} of '{bundle.source}' computes other numbers than were recorded, "
            f"first at vector {row}: its weights are not those that were recorded with it."
        )


def _difference(
    bundle: Bundle, recorded: Recorded, actions: NDArray[Any], name: str, policy: int
) -> float:
    """Return how far actions are from the recorded ones.

    Raises:
        HandfulError: if it is more than the rounding of two machines explains.
    """
    kind = bundle.interface.actions
    wanted = recorded.actions
    if actions.shape != wanted.shape:
        raise HandfulError(
            f"Policy {policy} of '{bundle.source}' gives actions of another shape as {name} than "
            f"were recorded."
        )
    if isinstance(kind, Choices):
        differs = (actions != wanted).reshape(len(wanted), -1).any(axis=1)
        wrong = differs & ~_is_tie(recorded.outputs)
        difference = float(differs.mean())
    else:
        width = (kind.env_high - kind.env_low) / 2
        reach = np.maximum(np.where(np.isfinite(width), width, 1.0), 1.0).reshape(kind.shape)
        apart = np.abs(actions.astype(np.float64) - wanted.astype(np.float64))
        share = apart / np.maximum(reach, np.abs(wanted))
        difference = float(share.max(initial=0.0))
        wrong = ~(share <= TOLERANCE).reshape(len(wanted), -1).all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise HandfulError(
            f"Policy {policy} of '{bundle.source}' acts differently as {name} than was recorded, "
            f"first at vector {row}: do not use it."
        )
    return difference


def _is_tie(outputs: NDArray[Any]) -> NDArray[Any]:
    """Return where the two largest logits are as near to each other as rounding puts them."""
    if outputs.shape[1] < 2:
        return np.zeros(len(outputs), bool)
    best = np.sort(outputs, axis=1)[:, -2:]
    return best[:, 1] - best[:, 0] <= 2 * TOLERANCE * np.maximum(1.0, np.abs(best[:, 1]))
