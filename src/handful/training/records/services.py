"""Finished runs in service: two of them compared, and one of them given to further users.

Nothing is played and no problem is made: everything follows from returns in features that the run
folder keeps. Assignments have versions, in the folder ``assignments`` of the run: version 0 is that
of the run itself, and each further one says what it changed.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from handful._support.files import read_json, write_csv, write_json
from handful._support.storage import digest_of_arrays
from handful._support.text import count
from handful.deploy.bundle import is_bundle
from handful.errors import HandfulError
from handful.learner.policies_file import digests_of_policies
from handful.population import Population
from handful.service import Comparison, Service, compare_services
from handful.tensors import read_tensors, write_tensors
from handful.training.records.bundle_service import bundle_service, holds_wishes
from handful.training.records.provenance import now
from handful.training.records.stored_run import StoredRun, load_run

CHANGES = "changes.json"
"""The file of a version that says what it changed and which policies it is of."""

ASSIGNMENT = "assignment.csv"
"""The file of a version with a row for each user."""

WISHES = "wishes.safetensors"
"""The file of a version with the users' coefficients and policies."""

_VERSION = re.compile(r"v([1-9][0-9]{0,6})")


def compare(
    before: Any, after: Any, *, margin: float | None = None, confidence: float = 0.95
) -> Comparison:
    """Compare two finished runs, or anything else that serves users, for the users of both.

    Args:
        before: the first: the path of the folder of a finished run, a run from
            :func:`handful.load_run`, a result of training, a :class:`~handful.Service`, or the path
            of a bundle. One that does not hold its users' wishes takes those of the other side.
        after: the second, in the same forms.
        margin: the loss of welfare, in the unit of returns, that counts as none; None takes one
            hundredth of the first one's welfare. Welfare is the mean return over users here,
            whatever the runs were trained for.
        confidence: the confidence of the intervals, above 0 and below 1.

    Returns:
        Which policies changed, every user's difference with its interval, who loses, and whether
        the second is non-inferior.

    Raises:
        HandfulError: if one of the two is none of these, or they cannot be compared.
    """
    one, other = _opened(before), _opened(after)
    if isinstance(one, Path) and isinstance(other, Path) and not holds_wishes(one):
        other = bundle_service(other, None)
    if isinstance(one, Path):
        one = bundle_service(one, other if isinstance(other, Service) else None)
    if isinstance(other, Path):
        other = bundle_service(other, one)
    return compare_services(one, other, margin=margin, confidence=confidence)


def _opened(source: Any) -> Service | Path:
    """Return a service, or the path of a bundle, whose users another service may have to tell."""
    if isinstance(source, str | Path) and is_bundle(Path(source)):
        return Path(source)
    return service_of(source)


def service_of(source: Any) -> Service:
    """Return a run, a result or a service as a service.

    Args:
        source: the same as in :func:`compare`, but no bundle.

    Raises:
        HandfulError: if it is none of these, or it has not kept what its users want.
    """
    if isinstance(source, Service):
        return source
    if isinstance(source, str | Path):
        return load_run(source).service
    if isinstance(source, StoredRun):
        return source.service
    evaluation, policies = (getattr(source, name, None) for name in ("evaluation", "policies"))
    if evaluation is None or policies is None:
        raise HandfulError(
            f"Services are compared: give run folders, runs or results, not an object of the class "
            f"{type(source).__name__}."
        )
    played = evaluation.deterministic.played
    features, population = getattr(played, "features", None), source.problem.population
    if features is None:
        raise HandfulError(
            "The users' rewards are not linear in features, so that returns say nothing of other "
            "policies or users: compare evaluations instead."
        )
    users = np.flatnonzero(evaluation.assignment >= 0)  # no policy serves the others
    return Service.of_episodes(
        str(source.folder or source.problem.name),
        features,
        policies=digests_of_policies(policies),
        user_ids=tuple(population.user_ids[user] for user in users.tolist()),
        coefficients=np.asarray(population.coefficients[users], np.float64),
        assignment=np.asarray(evaluation.assignment[users], np.int64),
        feature_names=population.feature_names,
        chance=f"seed {evaluation.seed}",
    )


@dataclass(frozen=True, eq=False)
class Reassignment:
    """A version of who is served by which policy of a run.

    Attributes:
        version: its number, from 1; the run's own assignment is version 0.
        service: the policies with the users of this version.
        changes: what is different from the version before, for the users of both.
        folder: the folder in which it is kept; None if it is not.
    """

    version: int
    service: Service
    changes: Comparison
    folder: Path | None


def assign_users(
    run: StoredRun | str | Path, population: Population, *, keep: bool = True
) -> Reassignment:
    """Give users the best of a finished run's policies, without playing: new ones, or all again.

    Users who had a policy keep it, unless another earns them more by their present wishes.

    Args:
        run: the run, or the path of its folder.
        population: all users from now on. They weigh the features of the run; their feature
            function is not needed.
        keep: whether the assignment is kept in the run's folder as its next version.

    Returns:
        The assignment, and what changed since the version before.

    Raises:
        HandfulError: if the users weigh other features, or the version before is damaged.
    """
    run = run if isinstance(run, StoredRun) else load_run(run)
    service = run.service
    names = population.feature_names, service.feature_names
    num_features = service.returns.shape[1]
    if population.num_features != num_features or (all(names) and names[0] != names[1]):
        raise HandfulError(
            f"The users weigh other features than the run in '{run.folder}' has "
            f"({count(num_features, 'reward feature')}"
            f"{': ' + ', '.join(names[1]) if names[1] else ''}): give a weight for each of them."
        )
    folder = run.folder / "assignments"
    number, before = latest_version(run, folder)
    after = before.for_users(
        population.user_ids,
        np.asarray(population.coefficients, np.float64),
        f"{run.folder} (assignment {number + 1})",
    )
    changes = compare_services(before, after, may_share_nobody=True)
    place = folder / f"v{number + 1}" if keep else None
    if place is not None:
        folder.mkdir(exist_ok=True)
        _write_version(place, after, changes, population)
    return Reassignment(number + 1, after, changes, place)


def latest_version(run: StoredRun, folder: Path) -> tuple[int, Service]:
    """Return the latest version of a run's assignment: its number, and the service with it.

    Args:
        run: the run.
        folder: the folder of its versions, which may not exist yet.

    Raises:
        HandfulError: if the version is damaged, or belongs to other policies.
    """
    found = [
        int(match[1])
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _VERSION.fullmatch(path.name)) and (path / CHANGES).is_file()
    ]
    if not found:
        return 0, run.service
    number = max(found)
    return number, _read_version(run, folder / f"v{number}", number)


def _write_version(
    place: Path, service: Service, changes: Comparison, population: Population
) -> None:
    """Write a version's files; the last of them makes it a version."""
    place.mkdir(exist_ok=True)
    arrays = {
        "coefficients": service.coefficients.astype(np.float64),
        "assignment": service.assignment.astype(np.int64),
    }
    write_tensors(place / WISHES, arrays, {})
    numbers = [service.utilities, *service.margins()]
    attributes = [np.asarray(values).tolist() for values in population.attributes.values()]
    rows = zip(
        service.user_ids,
        *attributes,
        service.assignment.tolist(),
        *[[None if np.isnan(one) else float(one) for one in column] for column in numbers],
        strict=True,
    )
    header = ["user", *population.attributes, "policy", "return", "margin", "margin_stderr"]
    write_csv(place / ASSIGNMENT, header, map(list, rows))
    write_json(
        place / CHANGES,
        {
            **changes.record(),
            "made": now(),
            "of_policies": _digest_of(service),
            "user_ids": list(service.user_ids),
            "wishes": digest_of_arrays(arrays),
        },
    )


def _read_version(run: StoredRun, place: Path, number: int) -> Service:
    content = read_json(place / CHANGES)
    arrays, _ = read_tensors(place / WISHES, "The file of the users' wishes")
    try:
        if content["wishes"] != digest_of_arrays(arrays):
            raise ValueError("its files do not belong together")
        if content["of_policies"] != _digest_of(run.service):
            raise HandfulError(
                f"The assignment in '{place}' is of other policies than the run has now: the run "
                f"went on since. Move the folder '{place.parent}' away, and assign again."
            )
        return replace(
            run.service,
            label=f"{run.folder} (assignment {number})",
            user_ids=tuple(content["user_ids"]),
            coefficients=arrays["coefficients"],
            assignment=arrays["assignment"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise HandfulError(
            f"The assignment in '{place}' is damaged ({error}): remove that folder, and the "
            f"version before it is the latest."
        ) from None


def _digest_of(service: Service) -> str:
    return "-".join(digest[:16] for digest in service.policies)
