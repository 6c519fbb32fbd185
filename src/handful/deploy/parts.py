"""Reading the parts of a bundle, each checked: its manifest, its features and its policies."""

from pathlib import Path
from typing import Any

from handful._support.storage import ANYTHING, NUMBER, TEXT, WHOLE, Shape, check_stored
from handful.deploy import interface as interfaces
from handful.deploy.arrays import metadata_of, read_metadata
from handful.deploy.distributions import NAME, read_distributions
from handful.deploy.drift import DriftWatch
from handful.deploy.files import CheckedFiles
from handful.deploy.interface import Interface
from handful.deploy.own_network import GraphPolicy, graph_file, is_graph, read_graph_policy
from handful.deploy.policy import ABOUT, Policy, read_policy
from handful.errors import HandfulError

FORMAT = 1
"""The version of the form of bundles that this version of handful writes and reads."""

MANIFEST, FEATURES, VECTORS = "manifest.json", "features.json", "vectors.npz"
"""The names of files in a bundle."""

MOST_POLICIES = 4096
"""The most policies of a bundle."""

_MANIFEST: Shape = {
    "format": WHOLE,
    "created": TEXT,
    "num_policies": WHOLE,
    "num_users": WHOLE,
    "policies": [{"policy": WHOLE, "file": TEXT, "weights": TEXT, ...: ANYTHING}],
    "task": {"name": TEXT, ...: ANYTHING},
    "versions": {...: TEXT},
    "training": {...: ANYTHING},
    "files": {...: TEXT},
}

_FEATURES: Shape = {
    "names": [TEXT],
    "episodes": WHOLE,
    "policies": [
        {
            "policy": WHOLE,
            "mean": [NUMBER],
            "stderr": [NUMBER],
            "covariance": ([ANYTHING], None),
            ...: ANYTHING,
        }
    ],
    ...: ANYTHING,
}


def policy_file(number: int) -> str:
    """Return the name of the file of a policy."""
    return f"policies/{number}.safetensors"


def read_manifest(files: CheckedFiles) -> dict[str, Any]:
    """Return the manifest after checking that it is of these files."""
    manifest, place = files.read_json(MANIFEST), Path(files.place(MANIFEST))
    if isinstance(manifest, dict) and manifest.get("format") not in (FORMAT, None):
        raise HandfulError(
            f"'{files.source}' is a bundle of format {str(manifest['format'])[:20]}, and this "
            f"version of handful reads format {FORMAT}: load it with the version that made it."
        )
    check_stored(manifest, _MANIFEST, place)
    number = manifest["num_policies"]
    numbered = [(one["policy"], one["file"]) for one in manifest["policies"]]
    is_whole = numbered == [(k, policy_file(k)) for k in range(min(number, MOST_POLICIES + 1))]
    if not 1 <= number <= MOST_POLICIES or not is_whole:
        raise HandfulError(
            f"'{place}' is damaged: it must name the files of from 1 to {MOST_POLICIES} policies, "
            f"in order."
        )
    others = {name: digest for name, digest in files.sums.items() if name != MANIFEST}
    if manifest["files"] != others:
        name = min(set(manifest["files"].items()) ^ set(others.items()))[0]
        raise HandfulError(
            f"'{place}' is not of this bundle: it has another SHA-256 for {name[:60]!r} than the "
            f"file has. Get another copy of the bundle."
        )
    return manifest


def read_features(files: CheckedFiles, num_policies: int) -> dict[str, Any]:
    """Return the content of ``features.json`` after checking it."""
    features, place = files.read_json(FEATURES), files.place(FEATURES)
    check_stored(features, _FEATURES, Path(place))
    size = len(features["names"])
    measured = features["policies"]
    lengths = [(len(one["mean"]), len(one["stderr"])) for one in measured]
    numbers = [one["policy"] for one in measured]
    if numbers not in ([], list(range(num_policies))) or set(lengths) - {(size, size)}:
        raise HandfulError(
            f"'{place}' is damaged: it must have the returns of every policy, or of none, in "
            f"{size} features."
        )
    for one in measured:
        rows = one["covariance"]
        is_square = rows is None or len(rows) == size
        if not is_square or not all(_is_row(row, size) for row in rows or ()):
            raise HandfulError(f"'{place}' is damaged: a covariance has another size.")
    return features


def read_drift(files: CheckedFiles, interface: Interface, number: int) -> DriftWatch | None:
    """Return the test for drift; None if the bundle does not say how observations are distributed.

    Bundles of earlier versions do not.
    """
    if NAME not in files.names:
        return None
    place = files.place(NAME)
    return DriftWatch(
        read_distributions(files.read(NAME), number, interface.observation_size, place)
    )


def _is_row(row: Any, size: int) -> bool:
    return isinstance(row, list) and len(row) == size and all(type(v) in (int, float) for v in row)


def read_policies(
    files: CheckedFiles, interface: Interface, number: int
) -> list[Policy | GraphPolicy]:
    """Return the policies, each of which sees and does what the interface says."""
    policies = []
    for k in range(number):
        policy, actions = _read_one(files, interface, k), interface.actions
        if (
            policy.observation_size != interface.observation_size
            or policy.num_outputs != actions.num_outputs
            or not actions.has_spread(policy)
        ):
            raise HandfulError(
                f"'{files.place(policy_file(k))}' does not fit {interfaces.NAME}: it sees or does "
                f"something else. Get another copy of the bundle."
            )
        policies.append(policy)
    return policies


def _read_one(files: CheckedFiles, interface: Interface, number: int) -> Policy | GraphPolicy:
    name = policy_file(number)
    data, place = files.read(name), files.place(name)
    if not is_graph(metadata_of(read_metadata(data, place), ABOUT, place)):
        return read_policy(data, place)
    graph = graph_file(number)
    return read_graph_policy(
        data, place, files.read(graph), files.place(graph), interface.actions.num_outputs
    )
