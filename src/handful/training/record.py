"""What a run leaves behind besides its checkpoint: settings, tables, what it measured."""

import dataclasses
import math
import platform
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from handful.evaluation.gap import Gap
from handful.evaluation.returns import Evaluation, Measurement
from handful.exact.optimum import Optimum
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.runs import RunFolder, write_csv, write_json
from handful.training.config import TrainConfig
from handful.training.description import describe_problem, described_attributes
from handful.training.step import StepMetrics
from handful.training.traces import trace_policies
from handful.types import NumpyArray

RECORDED_PACKAGES = ("handful", "jax", "jaxlib", "numpy", "equinox", "optax")
"""Those whose version can change a result."""


def describe_run(problem: RMDP, config: TrainConfig) -> dict[str, Any]:
    """Everything that a stranger needs to do the run again: problem, settings, versions."""
    return {
        "problem": describe_problem(problem),
        "settings": config.to_dict(),
        "method_revision": config.make_method().revision,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in RECORDED_PACKAGES},
        },
        "machine": {
            "platform": platform.platform(),
            "device": jax.devices()[0].device_kind,
        },
    }


def evaluation_record(
    problem: RMDP, evaluation: Evaluation, gap: Gap | None, training: dict[str, Any]
) -> dict[str, Any]:
    """An evaluation as JSON; ``handful evaluate --json`` prints the same.

    The top level is the deterministic measurement under the learned assignment.
    """
    deterministic = evaluation.deterministic
    return {
        "welfare": evaluation.welfare,
        "welfare_stderr": evaluation.welfare_stderr,
        "optimum": None if gap is None else gap.optimum.welfare,
        "optimum_kind": None if gap is None else gap.optimum.kind,
        "percent_of_optimum": None if gap is None else gap.percent,
        "bound": None if gap is None else _bound_record(gap.optimum),
        "soft_welfare": deterministic.soft_welfare,
        "reassigned_welfare": deterministic.reassigned_welfare,
        "reassigned_welfare_stderr": deterministic.reassigned_welfare_stderr,
        "worst_user": problem.population.user_ids[deterministic.worst_user],
        "worst_user_return": float(deterministic.utilities.min()),
        "num_episodes": evaluation.num_episodes,
        "evaluation_seed": evaluation.seed,
        "users": list(problem.population.user_ids),
        "attributes": described_attributes(problem),
        "assignment": evaluation.assignment.tolist(),
        "returns": deterministic.returns.tolist(),
        "returns_stderr": deterministic.returns_stderr.tolist(),
        "deterministic": _measurement_record(deterministic),
        "stochastic": _measurement_record(evaluation.stochastic),
        **training,
    }


def _bound_record(optimum: Optimum) -> dict[str, Any]:
    """What each user would get from the best possible choice, and why none is better."""
    users = np.arange(len(optimum.assignment))
    record = {
        "kind": optimum.kind,
        "welfare": optimum.welfare,
        "explanation": optimum.explanation,
        "utilities": optimum.returns[optimum.assignment, users].tolist(),
    }
    if optimum.unit == "m/s":
        record["velocities"] = [float(part[0]) for part in optimum.certificate]
    return record


def _measurement_record(measurement: Measurement) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(measurement) if field.name != "played"]
    values = {name: getattr(measurement, name) for name in ("returns", "returns_stderr", *names)}
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


def write_results(
    folder: RunFolder, problem: RMDP, policies: Policies, alpha: NumpyArray, record: dict[str, Any]
) -> None:
    """Tables and traces first, the evaluation last: its file says that the run is finished."""
    users, attributes = problem.population.user_ids, problem.population.attributes
    utilities = record["deterministic"]["utilities"]
    write_csv(
        folder.assignment,
        ["user", *attributes, "policy", "return", *[f"share_{k}" for k in range(alpha.shape[1])]],
        [
            [
                user,
                *[values[i] for values in attributes.values()],
                record["assignment"][i],
                utilities[i],
                *alpha[i].tolist(),
            ]
            for i, user in enumerate(users)
        ],
    )
    write_csv(
        folder.returns,
        ["user", "policy", "actions", "return", "stderr"],
        [
            [
                user,
                k,
                actions,
                record[actions]["returns"][k][i],
                record[actions]["returns_stderr"][k][i],
            ]
            for actions in ("deterministic", "stochastic")
            for k in range(policies.num_policies)
            for i, user in enumerate(users)
        ],
    )
    write_json(folder.traces, trace_policies(problem, policies, record["evaluation_seed"]))
    write_json(folder.evaluation, record)


def metrics_record(metrics: StepMetrics) -> dict[str, Any]:
    """An iteration's metrics as plain numbers and lists by policy."""
    actor, best = metrics.learner.actor, float(metrics.best_welfare)
    return {
        "welfare": float(metrics.welfare),
        **({"best_welfare": best} if math.isfinite(best) else {}),
        "learning_rate": float(metrics.learning_rate),
        "entropy_coefficient": float(metrics.entropy_coefficient),
        "users": metrics.users.tolist(),
        "moved": float(metrics.moved),
        "episodes": metrics.episodes.tolist(),
        "entropy": actor.entropy.tolist(),
        "approx_kl": actor.approx_kl.tolist(),
        "clip_fraction": actor.clip_fraction.tolist(),
        "critic_loss": metrics.learner.critic_loss.tolist(),
    }
