"""Writing a bundle: all of its files at once, or none."""

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handful._support.backend import computing
from handful._support.controls import csv_line
from handful._support.files import check_writable
from handful._support.foreign import in_same_directory
from handful.deploy.actions import read_actions
from handful.deploy.assignment import NAME as ASSIGNMENT
from handful.deploy.distributions import NAME as DISTRIBUTIONS
from handful.deploy.files import LIMITS, SUMS
from handful.deploy.graphs import OUTPUTS, read_graph
from handful.deploy.interface import NAME as INTERFACE
from handful.deploy.own_network import graph_file
from handful.deploy.parts import FEATURES, FORMAT, MANIFEST, VECTORS, policy_file
from handful.deploy.policy import read_policy
from handful.deploy.wishes import USERS
from handful.errors import HandfulError
from handful.evaluation.returns import Evaluation, users_per_policy
from handful.export.distributions import arrays_of
from handful.export.further import further_files
from handful.export.own_network import check_own, check_same, own_networks
from handful.export.recording import record, vectors_of
from handful.export.spaces import describe_actions, describe_observations
from handful.export.tables import (
    assignment_header,
    assignment_rows,
    feature_returns,
    users_header,
    users_rows,
)
from handful.export.weights import policy_files
from handful.learner.modules import ModuleStack
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.types import NumpyArray

_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of all files in a zip file, so that equal bundles are equal files."""


@dataclass(frozen=True, eq=False)
class Release:
    """What a bundle is made from.

    Attributes:
        problem: the problem that the policies were trained on.
        policies: the ``K`` policies.
        evaluation: their evaluation.
        shares: the users' distributions over policies [N, K]; None if each user has one policy.
        feature_names: the names of the features [D]; empty if they have none.
        about: what else the manifest says, by name.
        weights: for each policy, the words that name its weights.
    """

    problem: RMDP
    policies: Policies
    evaluation: Evaluation
    shares: NumpyArray | None
    feature_names: Sequence[str]
    about: Mapping[str, Any]
    weights: Sequence[str]


def check_target(path: str | Path, zipped: bool) -> tuple[Path | None, Path | None]:
    """Return the folder and the zip file to write, or None for either, before anything is slow.

    Args:
        path: the path that the caller gave; one that ends with ``.zip`` asks for a zip file alone.
        zipped: whether a zip file is asked for besides the folder.

    Raises:
        HandfulError: if there is something at a path already, or it cannot be written.
    """
    place = Path(path).absolute()
    if place.suffix == ".zip":
        folder, archive = None, place
    else:
        folder, archive = place, place.with_name(f"{place.name}.zip") if zipped else None
    for target in (folder, archive):
        if target is not None and (target.exists() or target.is_symlink()):
            raise HandfulError(
                f"'{target}' exists already, and a bundle is never changed: choose another path."
            )
    check_writable(place.parent)
    return folder, archive


@computing
@in_same_directory
def write_bundle(
    release: Release,
    folder: Path | None,
    archive: Path | None,
    with_users: bool,
    formats: Sequence[str] = (),
) -> None:
    """Write a bundle into a folder, a zip file or both.

    Args:
        release: what the bundle is made from.
        folder, archive: the paths that :func:`check_target` returned.
        with_users: whether the users' preferences go into the bundle.
        formats: the further formats of the policies (:mod:`handful.export.further`).

    Raises:
        HandfulError: if the policies cannot be exported, or something else is in the place by now.
        OSError: if a file cannot be written.
    """
    files = bundle_files(release, with_users, formats)
    if archive is not None:
        _write_zip(archive, files)
    if folder is not None:
        _write_folder(folder, files)


def bundle_files(
    release: Release, with_users: bool, formats: Sequence[str] = ()
) -> dict[str, bytes]:
    """Return the content of each file of a bundle, by name.

    Raises:
        HandfulError: if the policies cannot be exported.
    """
    problem, policies, evaluation = release.problem, release.policies, release.evaluation
    check_own(policies)
    recording = record(problem, policies, evaluation.seed)
    action = describe_actions(problem, policies)
    observation = describe_observations(problem, recording.low, recording.high)
    observation["seen"] |= {
        "observations": recording.num_observations,
        "source": recording.source,
    }
    decode = None if action["decode"] is None else _decoder(problem)
    files = {policy_file(k): data for k, data in enumerate(policy_files(policies))}
    vectors = vectors_of(policies, recording, decode)
    is_own = isinstance(policies.actor.stack, ModuleStack)
    if is_own:
        formats = ["onnx", *formats]  # it is where the network is
        networks = own_networks(policies)
        files |= further_files(formats, networks, read_actions(action))
        for k, network in enumerate(networks):
            graph = read_graph(files[graph_file(k)], graph_file(k))
            found = graph(OUTPUTS, vectors[f"{k}/observations"])
            check_same(network, found, vectors[f"{k}/outputs"])
    elif formats:
        stored = [read_policy(data, name) for name, data in files.items()]
        files |= further_files(formats, stored, read_actions(action))
    files[INTERFACE] = _json({"observation": observation, "action": action})
    files[FEATURES] = _json(feature_returns(problem, evaluation, release.feature_names))
    files[ASSIGNMENT] = _csv(
        assignment_header(release.shares), assignment_rows(problem, evaluation, release.shares)
    )
    files[VECTORS] = _npz(vectors)
    if recording.distributions is not None:
        files[DISTRIBUTIONS] = _npz(arrays_of(recording.distributions))
    if with_users:
        population = problem.population
        header = users_header(population, release.feature_names)
        files[USERS] = _csv(header, users_rows(population))
    assignment = evaluation.assignment
    counts = users_per_policy(assignment, policies.num_policies).tolist()
    unserved = [problem.population.user_ids[user] for user in np.flatnonzero(assignment < 0)]
    sums = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    manifest = {
        "format": FORMAT,
        **release.about,
        "num_policies": policies.num_policies,
        "num_users": problem.num_users - len(unserved),
        **({"no_policy_fits": unserved} if unserved else {}),
        "with_users": with_users,
        "formats": list(dict.fromkeys(formats)),
        "policies": [
            {"policy": k, "file": policy_file(k), "weights": words, "users": users}
            for k, (words, users) in enumerate(zip(release.weights, counts, strict=True))
        ],
        "files": sums,
    }
    files[MANIFEST] = _json(manifest)
    for name, data in files.items():
        limit = LIMITS.get(Path(name).suffix, len(data))
        if len(data) > limit:
            raise HandfulError(
                f"{name} would hold {len(data):,} bytes, and a bundle's file of this kind has at "
                f"most {limit:,}: the problem is too large for a bundle."
            )
    sums[MANIFEST] = hashlib.sha256(files[MANIFEST]).hexdigest()
    files[SUMS] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    return files


def _decoder(problem: RMDP) -> Any:
    """Return the function that turns a policy's action into the simulator's."""
    environment: Any = problem.environment
    inner = getattr(environment, "environment", environment)  # below a window of observations
    return inner.decode


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    return "".join([csv_line(header), *map(csv_line, rows)]).encode()


def _npz(arrays: Mapping[str, NumpyArray]) -> bytes:
    """Return an npz file; it holds no date, so that equal arrays give equal files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array, order="C"), allow_pickle=False)
            archive.writestr(_entry(f"{name}.npy", zipfile.ZIP_DEFLATED), content.getvalue())
    return file.getvalue()


def _entry(name: str, kind: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type, entry.external_attr = kind, 0o100444 << 16
    return entry


def _write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the zip file in one step; one that is there by now stays."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for name, data in files.items():
                packs = name.endswith((".json", ".csv"))
                kind = zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED
                archive.writestr(_entry(name, kind), data)
        os.chmod(temporary, 0o444)
        os.link(temporary, path)  # it fails if something is there, as replacing would not
    except FileExistsError:
        raise _taken(path) from None
    finally:
        os.unlink(temporary)


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the folder in one step; one that is there by now stays, unless it is empty."""
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        for name, data in files.items():
            place = staging / name
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(data)
            place.chmod(0o444)
        staging.chmod(0o755)
        os.rename(staging, path)
    except OSError as error:
        if path.exists():
            raise _taken(path) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _taken(path: Path) -> HandfulError:
    return HandfulError(f"'{path}' exists by now: choose another path for the bundle.")
