"""The records of a run besides its checkpoint: settings, tables and measurements."""

import json
import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from handful._support.files import write_csv, write_json
from handful._support.storage import digest_of_arrays
from handful.collect.episodes import make_player
from handful.evaluation.gap import Gap
from handful.evaluation.played import FeatureReturns
from handful.evaluation.returns import (
    EVALUATION_STREAM,
    NOBODY,
    Evaluation,
    Measurement,
    mean_and_stderr,
    users_per_policy,
)
from handful.exact.bound import Optimum
from handful.learner.policies import Policies
from handful.learner.policies_file import digest_of_policies, save_policies
from handful.population import in_chunks
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.tensors import read_about
from handful.training.records.evaluation_files import BY_USER, KINDS, SCALARS, write_users
from handful.training.records.provenance import described_simulator, machine, now, versions
from handful.training.records.run_reader import (
    describe_problem,
    described_attributes,
    digest_of_population,
)
from handful.training.run import Run
from handful.training.step import StepMetrics
from handful.types import Array, NumpyArray, PyTree


def trace_policies(problem: RMDP, policies: Policies, seed: int) -> list[dict[str, Any]]:
    """Play one deterministic episode of each policy.

    Returns:
        for each policy the length of its episode and the outcome of each step, by name.
    """
    key = jax.random.fold_in(jax.random.key(seed), EVALUATION_STREAM)
    play = make_player(problem, policies.num_policies, 1, trace=True)
    episodes = play(key, policies, True)
    named = _named_leaves(episodes.outcomes)
    lengths = np.asarray(episodes.lengths)[0]
    return [
        {"length": int(length), **{n: _as_json(leaf[0, k, :length]) for n, leaf in named.items()}}
        for k, length in enumerate(lengths)
    ]


def _named_leaves(outcomes: PyTree) -> dict[str, NumpyArray]:
    """Return the arrays of an outcome by their path in it, as ``position`` or ``body.speed``.

    An outcome that is one array is ``outcome``. A name that is taken, by the episode's length or by
    another array, gets that before it.
    """
    named: dict[str, NumpyArray] = {}
    leaves: list[tuple[Any, Array]] = jax.tree_util.tree_flatten_with_path(outcomes)[0]
    for path, leaf in leaves:
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "outcome"
        while name == "length" or name in named:
            name = f"outcome.{name}"
        named[name] = np.asarray(leaf)
    return named


def _as_json(values: NumpyArray) -> list[Any]:
    """Return lists of numbers, with None for infinity and NaN, which JSON does not have."""
    listed = values.astype(object)
    listed[~np.isfinite(values)] = None
    return listed.tolist()


MOST_UNSERVED = 1000
"""The most users whom no policy fits who are listed by name."""

MOST_LISTED = 100_000
"""The most numbers of users and policies in ``evaluation.json``, and the most rows for each kind of
actions in ``returns.csv``. For larger runs ``users.safetensors`` holds the users' returns."""

ROW_NUMBERS = 64
"""About the numbers that take as much memory as a row of ``assignment.csv``."""


def describe_run(run: Run) -> dict[str, Any]:
    """Return all that is needed to repeat the run: problem, settings, versions, date."""
    return {
        "problem": {
            **describe_problem(run.problem),
            "simulator": described_simulator(run.problem),
        },
        "settings": run.config.to_dict(),
        "method_revision": run.method.info.revision,
        "method_summary": run.method.info.summary,
        "versions": versions(),
        "machine": machine(),
        "started": now(),
    }


def evaluation_record(
    problem: RMDP,
    policies: Policies,
    evaluation: Evaluation,
    gap: Gap | None,
    training: dict[str, Any],
) -> dict[str, Any]:
    """Return an evaluation in the types of JSON; ``handful evaluate --json`` prints the same.

    The top level is the deterministic measurement under the learned assignment. ``about`` has the
    digests of the policies, the assignment and the users that it belongs to.
    """
    deterministic = evaluation.deterministic
    num_policies = deterministic.played.shape[1]
    lists_users = _lists_users(problem, num_policies)
    unserved = np.flatnonzero(evaluation.assignment == NOBODY)
    return {
        "about": {
            "policies": digest_of_policies(policies),
            "assignment": digest_of_arrays({"assignment": evaluation.assignment.astype("<i8")}),
            "population": digest_of_population(problem.population),
        },
        "welfare_function": evaluation.welfare_function,
        "welfare": evaluation.welfare,
        "welfare_stderr": evaluation.welfare_stderr,
        "mean_utility": deterministic.mean_utility,
        "mean_utility_stderr": deterministic.mean_utility_stderr,
        "optimum": None if gap is None else gap.optimum.welfare,
        "optimum_kind": None if gap is None else gap.optimum.kind,
        "percent_of_optimum": None if gap is None else gap.percent,
        "bound": None if gap is None else _bound_record(gap.optimum, lists_users),
        "soft_welfare": deterministic.soft_welfare,
        "reassigned_welfare": deterministic.reassigned_welfare,
        "reassigned_welfare_stderr": deterministic.reassigned_welfare_stderr,
        "worst_user": problem.population.user_ids[deterministic.worst_user],
        "worst_user_return": float(deterministic.utilities.min()),
        "num_episodes": evaluation.num_episodes,
        "evaluation_seed": evaluation.seed,
        "num_users": problem.num_users,
        "num_policies": num_policies,
        "users_per_policy": users_per_policy(evaluation.assignment, num_policies).tolist(),
        **(_unserved_record(problem, unserved) if len(unserved) else {}),
        **(_users_record(problem, evaluation) if lists_users else {}),
        "deterministic": _measurement_record(deterministic, lists_users),
        "stochastic": _measurement_record(evaluation.stochastic, lists_users),
        **training,
    }


def _lists_users(problem: RMDP, num_policies: int) -> bool:
    return problem.num_users * num_policies <= MOST_LISTED


def _unserved_record(problem: RMDP, unserved: NumpyArray) -> dict[str, Any]:
    """Return how many users no policy fits, and the first of them by name."""
    first = unserved[:MOST_UNSERVED]
    return {
        "num_no_policy_fits": len(unserved),
        "no_policy_fits": [problem.population.user_ids[user] for user in first],
    }


def _users_record(problem: RMDP, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "users": list(problem.population.user_ids),
        "attributes": described_attributes(problem),
        "assignment": evaluation.assignment.tolist(),
        "returns": evaluation.deterministic.returns.tolist(),
        "returns_stderr": evaluation.deterministic.returns_stderr.tolist(),
    }


def _bound_record(optimum: Optimum, lists_users: bool) -> dict[str, Any]:
    """Return the proof of the best possible choice or its bound, and each user's return from it."""
    record: dict[str, Any] = {
        "kind": optimum.kind,
        "welfare": optimum.welfare,
        "explanation": optimum.explanation,
    }
    if lists_users:
        users = np.arange(len(optimum.assignment))
        record["utilities"] = optimum.returns[optimum.assignment, users].tolist()
    if optimum.unit:
        record["unit"] = optimum.unit
        record["certificate"] = [list(part) for part in optimum.certificate]
    return record


def _measurement_record(measurement: Measurement, lists_users: bool) -> dict[str, Any]:
    """Return a measurement in the types of JSON: Phi if rewards are linear, and some users."""
    record: dict[str, Any] = {"lengths": measurement.lengths.tolist()}
    record |= {name: getattr(measurement, name) for name in SCALARS}
    record["worst_user_return"] = float(measurement.utilities.min())
    record["worst_episode"] = float(measurement.worst_episodes.min())
    played = measurement.played
    if isinstance(played, FeatureReturns) and played.features[0].size <= MOST_LISTED:
        mean, stderr = mean_and_stderr(played.features)
        record |= {"feature_returns": mean.tolist(), "feature_returns_stderr": stderr.tolist()}
    if lists_users:
        names = (*BY_USER, "returns", "returns_stderr")
        record |= {name: getattr(measurement, name).tolist() for name in names}
    return record


def write_results(
    folder: RunFolder,
    problem: RMDP,
    policies: Policies,
    evaluation: Evaluation,
    shares: NumpyArray | None,
    record: dict[str, Any],
) -> None:
    """Write policies, tables and traces, and last the evaluation, which finishes the run.

    Args:
        folder: the folder of the run.
        problem: the problem that the run was trained on.
        policies: the run's final policies.
        evaluation: the evaluation of these policies.
        shares: the distribution of each user over policies, [N, K], if it is not one-hot.
        record: the :func:`evaluation_record` of the evaluation.

    Raises:
        HandfulError: if the folder was moved away while the run was trained.
        OSError: if a file cannot be written.
    """
    folder.check_in_place()
    about = read_about(folder.checkpoint, "The checkpoint")
    save_policies(folder.policies, policies, about["run"])
    num_policies = policies.num_policies
    lists_users = _lists_users(problem, num_policies)
    write_users(folder, evaluation, shares)
    has_shares = lists_users or shares is not None
    write_csv(
        folder.assignment,
        [
            "user",
            *problem.population.attributes,
            "policy",
            "return",
            *([f"share_{k}" for k in range(num_policies)] if has_shares else []),
        ],
        _assignment_rows(problem, evaluation, shares, num_policies if has_shares else 0),
    )
    if lists_users:
        write_csv(
            folder.returns,
            ["user", "policy", "actions", "return", "stderr"],
            _return_rows(problem, evaluation),
        )
    write_json(folder.traces, trace_policies(problem, policies, evaluation.seed))
    made = {"evaluated": now(), "sessions": json.loads(about["sessions"])}
    folder.write_evaluation({**record, **made})


def _assignment_rows(
    problem: RMDP, evaluation: Evaluation, shares: NumpyArray | None, num_shares: int
) -> Iterator[list[Any]]:
    """Yield a row for each user.

    Each row is made when it is written: a million rows at once would take gigabytes.
    """
    population, utilities = problem.population, evaluation.deterministic.utilities
    for users in in_chunks(population.num_users, ROW_NUMBERS):
        policies = evaluation.assignment[users]
        is_served = (policies >= 0)[:, None]
        columns = [
            population.user_ids[users],
            *[np.asarray(values[users]).tolist() for values in population.attributes.values()],
            policies.tolist(),
            utilities[users].tolist(),
        ]
        if num_shares:
            given = np.eye(num_shares)[policies] * is_served if shares is None else shares[users]
            columns += given.T.tolist()
        yield from map(list, zip(*columns, strict=True))


def _return_rows(problem: RMDP, evaluation: Evaluation) -> Iterator[list[Any]]:
    """Return a row for each kind of actions, policy and user."""
    for actions in KINDS:
        measured: Measurement = getattr(evaluation, actions)
        means, errors = measured.returns.tolist(), measured.returns_stderr.tolist()
        for policy, (of_policy, of_error) in enumerate(zip(means, errors, strict=True)):
            for row in zip(problem.population.user_ids, of_policy, of_error, strict=True):
                user, mean, stderr = row
                yield [user, policy, actions, mean, stderr]


def metrics_record(metrics: StepMetrics) -> dict[str, Any]:
    """Return an iteration's metrics as plain numbers and lists by policy."""
    best = float(metrics.best_welfare)
    return {
        "welfare": float(metrics.welfare),
        **({"best_welfare": best} if math.isfinite(best) else {}),
        "users": metrics.users.tolist(),
        "moved": float(metrics.moved),
        "episodes": metrics.episodes.tolist(),
        **{name: _numbers(value) for name, value in metrics.learner.items()},
    }


def _numbers(value: Any) -> Any:
    """Return a number, or a list by policy with None for policies that have no such number."""
    found = np.asarray(value).tolist()
    if not isinstance(found, list):
        return found
    return [None if math.isnan(number) else number for number in found]
