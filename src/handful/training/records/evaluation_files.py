"""The parts of a finished run's evaluation outside ``evaluation.json``, and reading them back.

The file ``users.safetensors`` holds the facts about each user, and the returns of every evaluation
episode in features, from which every user's return from every policy follows. So nothing is played
again, and no table of all users and policies is stored.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from handful.errors import HandfulError
from handful.evaluation.played import FeatureReturns, PaidReturns, Played, ReturnTable
from handful.evaluation.returns import Evaluation, Measurement
from handful.population import Population
from handful.run_folder import RunFolder
from handful.tensors import read_tensors, write_tensors
from handful.training.watching.findings import Finding
from handful.types import NumpyArray
from handful.welfare import UTILITARIAN

KINDS = ("deterministic", "stochastic")
"""The measurements of an evaluation, by the names of its attributes and in ``evaluation.json``."""

BY_USER = ("utilities", "worst_episodes", "reassigned")
"""The arrays of a measurement with an entry for each user."""

SCALARS = (
    "welfare",
    "welfare_stderr",
    "soft_welfare",
    "reassigned_welfare",
    "reassigned_welfare_stderr",
    "mean_utility",
    "mean_utility_stderr",
)
"""The numbers of a measurement."""

_BEFORE = {"mean_utility": "welfare", "mean_utility_stderr": "welfare_stderr"}
"""The names of numbers in older run folders, in which the mean was the only welfare."""

SHOWN = 1000
"""The number of the worst served users whose returns from all policies a report shows; it shows as
many users more, from the worst to the best served."""


def write_users(folder: RunFolder, evaluation: Evaluation, shares: NumpyArray | None) -> None:
    """Write the part of an evaluation that belongs to the users.

    Args:
        folder: the folder of the run.
        evaluation: the evaluation of the run's final policies.
        shares: the distribution of each user over policies, [N, K], if it is not one-hot.
    """
    arrays: dict[str, NumpyArray] = {"assignment": evaluation.assignment.astype(np.int32)}
    if shares is not None:
        arrays["shares"] = shares.astype(np.float32)
    for kind in KINDS:
        measured: Measurement = getattr(evaluation, kind)
        found = {name: getattr(measured, name) for name in BY_USER} | _stored(measured.played)
        arrays |= {f"{kind}.{name}": values for name, values in found.items()}
    played = evaluation.deterministic.played
    if isinstance(played, FeatureReturns):
        arrays |= _wishes(played.population.coefficients)
    shown = _shown(evaluation.deterministic.utilities)
    returns = np.mean(evaluation.deterministic.played.of(shown), axis=0)
    arrays |= {"shown.users": shown, "shown.returns": returns}
    write_tensors(folder.users, arrays, {})


def _wishes(coefficients: NumpyArray) -> dict[str, NumpyArray]:
    """Return the users' coefficients; of users with a feature each only that it is so."""
    num_users, num_features = coefficients.shape
    if num_users == num_features and np.array_equal(coefficients, np.eye(num_users)):
        return {"wishes.own_feature": np.ones(1, np.int32)}
    return {"wishes": coefficients.astype(np.float32)}


def read_population(folder: RunFolder, config: Mapping[str, Any]) -> Population | None:
    """Return the users of a finished run as its files have them, without their feature function.

    Args:
        folder: the folder of the run.
        config: the content of its ``config.json``.

    Returns:
        the users, or None if the run has kept no coefficients of theirs: their rewards are not
        linear in features, or an earlier version trained it.

    Raises:
        HandfulError: if a file is damaged.
    """
    arrays, _ = read_tensors(folder.users, "The file")
    described = config["problem"]
    if "wishes.own_feature" in arrays:
        coefficients: NumpyArray = np.eye(len(described["users"]), dtype=np.float32)
    elif "wishes" in arrays:
        coefficients = arrays["wishes"]
    else:
        return None
    return Population(
        coefficients,
        user_ids=tuple(described["users"]),
        attributes=described.get("attributes", {}),
        feature_names=tuple(described.get("feature_names", ())),
    )


def read_evaluation(
    folder: RunFolder,
    record: Mapping[str, Any],
    population: Population,
    outcomes: Callable[[], Any] | None = None,
) -> tuple[Evaluation, NumpyArray | None]:
    """Read the evaluation of a finished run, without playing.

    Args:
        folder: the folder of the run.
        record: the content of its ``evaluation.json``.
        population: the users of the run.
        outcomes: returns the shapes of an outcome of the run's environment. Only users whose
            rewards are not linear in features need it.

    Returns:
        the evaluation, and the users' shares if the run has kept them.

    Raises:
        HandfulError: if a file is damaged or does not fit the problem.
    """
    arrays, _ = read_tensors(folder.users, "The file")
    try:
        deterministic, stochastic = (
            _measurement(record[kind], arrays, kind, population, outcomes) for kind in KINDS
        )
        assignment = arrays["assignment"].astype(np.int64).reshape(population.num_users)
        evaluation = Evaluation(
            assignment,
            record["num_episodes"],
            record["evaluation_seed"],
            deterministic,
            stochastic,
            record.get("welfare_function", UTILITARIAN),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise HandfulError(
            f"'{folder.users}' is damaged or does not fit '{folder.evaluation}' "
            f"({type(error).__name__}: {error})."
        ) from None
    return evaluation, arrays.get("shares")


def read_assignment(folder: RunFolder, num_users: int) -> tuple[NumpyArray, NumpyArray | None]:
    """Return the policy of each user [N] of a finished run, and their shares if it has kept any.

    Args:
        folder: the folder of the run.
        num_users: ``N``.

    Raises:
        HandfulError: if the file of the users is damaged.
    """
    arrays, _ = read_tensors(folder.users, "The file")
    assignment = arrays.get("assignment")
    if assignment is None or assignment.shape != (num_users,):
        raise HandfulError(f"'{folder.users}' is damaged: it does not give each user a policy.")
    return assignment.astype(np.int64), arrays.get("shares")


def read_findings(folder: RunFolder, record: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return the findings of a finished run.

    Args:
        folder: the folder of the run.
        record: the content of its ``evaluation.json``.

    Raises:
        HandfulError: if the findings are damaged.
    """
    try:
        return tuple(Finding(**finding) for finding in record["findings"])
    except (KeyError, TypeError) as error:
        raise HandfulError(
            f"'{folder.evaluation}' is damaged or of another version of handful "
            f"({type(error).__name__}: {error})."
        ) from None


def _measurement(
    record: Mapping[str, Any],
    arrays: Mapping[str, NumpyArray],
    kind: str,
    population: Population,
    outcomes: Callable[[], Any] | None,
) -> Measurement:
    utilities, worst, reassigned = (
        arrays[f"{kind}.{name}"].reshape(population.num_users) for name in BY_USER
    )
    return Measurement(
        lengths=np.array(record["lengths"], dtype=np.float64),
        **{name: float(record.get(name, record[_BEFORE.get(name, name)])) for name in SCALARS},
        utilities=utilities,
        worst_episodes=worst,
        reassigned=reassigned,
        played=_played(arrays, kind, population, outcomes),
    )


def _stored(played: Played) -> dict[str, NumpyArray]:
    """Return returns in single precision, in which they are stored."""
    if isinstance(played, FeatureReturns):
        return {"features": played.features.astype(np.float32)}
    if isinstance(played, ReturnTable):
        return {"returns": played.table.astype(np.float32)}
    assert isinstance(played, PaidReturns)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(played.outcomes)]
    return {"lengths": played.lengths} | {f"outcomes.{i}": leaf for i, leaf in enumerate(leaves)}


def _played(
    arrays: Mapping[str, NumpyArray],
    kind: str,
    population: Population,
    outcomes: Callable[[], Any] | None,
) -> Played:
    if population.reward_fn is None:
        return FeatureReturns(arrays[f"{kind}.features"].astype(np.float64), population)
    if f"{kind}.returns" in arrays:
        return ReturnTable(arrays[f"{kind}.returns"].astype(np.float64))
    assert outcomes is not None
    structure = jax.tree.structure(outcomes())
    leaves = [arrays[f"{kind}.outcomes.{i}"] for i in range(structure.num_leaves)]
    lengths = arrays[f"{kind}.lengths"]
    return PaidReturns(
        jax.tree.unflatten(structure, leaves), lengths, population.reward_fn, population.num_users
    )


def _shown(utilities: NumpyArray) -> NumpyArray:
    """Return the users to show: the worst served, and others evenly from the worst to the best."""
    order = np.argsort(utilities, kind="stable")
    evenly = np.linspace(0, len(order) - 1, SHOWN).astype(int)
    return np.unique(np.concatenate([order[:SHOWN], order[evenly]]))
