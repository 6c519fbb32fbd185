"""A bundle in service of users: what a comparison needs of it, from its files alone."""

import tempfile
from pathlib import Path

import numpy as np

from handful.deploy.bundle import Bundle
from handful.deploy.files import CheckedFiles, open_files
from handful.deploy.parts import policy_file
from handful.errors import HandfulError
from handful.export.bundle import USERS
from handful.population import Population
from handful.service import Service


def holds_wishes(path: Path) -> bool:
    """Return whether a bundle says what its users want."""
    return USERS in CheckedFiles(open_files(path)).names


def bundle_service(path: Path, other: Service | None) -> Service:
    """Return the policies of a bundle in service of its users.

    Args:
        path: the bundle's folder, or its zip file.
        other: a service of the same users, whose wishes are taken if the bundle does not hold any.

    Raises:
        HandfulError: if the bundle is damaged, it holds no returns in features, or the wishes of
            its users are not known.
    """
    files = CheckedFiles(open_files(path))
    bundle = Bundle(files)
    measured = bundle.features["policies"]
    if not measured:
        raise HandfulError(
            f"The bundle '{path}' holds no returns in features, as its users' rewards are not "
            f"linear in them: it cannot be compared without playing."
        )
    names = tuple(bundle.features["names"])
    population = _own_users(files, names)
    if population is not None:
        wishes = dict(zip(population.user_ids, population.coefficients, strict=True))
    elif other is not None:
        wishes = dict(zip(other.user_ids, other.coefficients, strict=True))
    else:
        raise HandfulError(
            f"The bundle '{path}' does not say what its users want: export it with --with-users, "
            f"or compare it with a run or a bundle that does."
        )
    served = {user: policy for user, policy in bundle.assignment.items() if user in wishes}
    if not served:
        raise HandfulError(f"None of the users of '{path}' has wishes that are known.")
    errors = np.array([one["stderr"] for one in measured], np.float64)
    covariance = [
        np.diag(errors[k] ** 2) if one["covariance"] is None else np.asarray(one["covariance"])
        for k, one in enumerate(measured)
    ]
    return Service(
        label=str(path),
        policies=tuple(files.sums[policy_file(k)] for k in range(bundle.num_policies)),
        returns=np.array([one["mean"] for one in measured], np.float64),
        covariance=np.stack(covariance).astype(np.float64),
        user_ids=tuple(served),
        coefficients=np.array([wishes[user] for user in served], np.float64),
        assignment=np.array(list(served.values()), np.int64),
        feature_names=names,
    )


def _own_users(files: CheckedFiles, names: tuple[str, ...]) -> Population | None:
    """Return the users whom a bundle holds; None if it holds none."""
    if USERS not in files.names:
        return None
    with tempfile.TemporaryDirectory() as folder:  # the bundle may be a zip file
        table = Path(folder) / USERS
        table.write_bytes(files.read(USERS))
        return Population.from_table(table, names)
