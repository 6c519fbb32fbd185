"""The parts of a finished run's evaluation outside ``evaluation.json``, and reading them back.

The file ``users.safetensors`` holds the facts about each user, and the returns of every evaluation
episode in features, from which every user's return from every policy follows. So nothing is played
again, and no table of all users and policies is stored.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from handful.environment import outcome_shape
from handful.errors import HandfulError
from handful.evaluation.played import FeatureReturns, PaidReturns, Played, ReturnTable
from handful.evaluation.returns import Evaluation, Measurement
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.tensors import read_tensors, write_tensors
from handful.training.findings import Finding
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
    shown = _shown(evaluation.deterministic.utilities)
    returns = np.mean(evaluation.deterministic.played.of(shown), axis=0)
    arrays |= {"shown.users": shown, "shown.returns": returns}
    write_tensors(folder.users, arrays, {})


def read_evaluation(
    folder: RunFolder, record: Mapping[str, Any], problem: RMDP
) -> tuple[Evaluation, NumpyArray | None]:
    """Read the evaluation of a finished run, without playing.

    Args:
        folder: the folder of the run.
        record: the content of its ``evaluation.json``.
        problem: the problem that the run was trained on.

    Returns:
        the evaluation, and the users' shares if the run has kept them.

    Raises:
        HandfulError: if a file is damaged or does not fit the problem.
    """
    arrays, _ = read_tensors(folder.users, "The file")
    try:
        deterministic, stochastic = (
            _measurement(record[kind], arrays, kind, problem) for kind in KINDS
        )
        assignment = arrays["assignment"].astype(np.int64).reshape(problem.num_users)
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
    record: Mapping[str, Any], arrays: Mapping[str, NumpyArray], kind: str, problem: RMDP
) -> Measurement:
    utilities, worst, reassigned = (
        arrays[f"{kind}.{name}"].reshape(problem.num_users) for name in BY_USER
    )
    return Measurement(
        lengths=np.array(record["lengths"], dtype=np.float64),
        **{name: float(record.get(name, record[_BEFORE.get(name, name)])) for name in SCALARS},
        utilities=utilities,
        worst_episodes=worst,
        reassigned=reassigned,
        played=_played(arrays, kind, problem),
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


def _played(arrays: Mapping[str, NumpyArray], kind: str, problem: RMDP) -> Played:
    population = problem.population
    if population.reward_fn is None:
        return FeatureReturns(arrays[f"{kind}.features"].astype(np.float64), population)
    if f"{kind}.returns" in arrays:
        return ReturnTable(arrays[f"{kind}.returns"].astype(np.float64))
    structure = jax.tree.structure(outcome_shape(problem.environment))
    leaves = [arrays[f"{kind}.outcomes.{i}"] for i in range(structure.num_leaves)]
    lengths = arrays[f"{kind}.lengths"]
    outcomes = jax.tree.unflatten(structure, leaves)
    return PaidReturns(outcomes, lengths, population.reward_fn, population.num_users)


def _shown(utilities: NumpyArray) -> NumpyArray:
    """Return the users to show: the worst served, and others evenly from the worst to the best."""
    order = np.argsort(utilities, kind="stable")
    evenly = np.linspace(0, len(order) - 1, SHOWN).astype(int)
    return np.unique(np.concatenate([order[:SHOWN], order[evenly]]))
