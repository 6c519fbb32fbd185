"""Run folders of robots made by hand: users who want a velocity, and policies that stride."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.report.folders import evaluation_record, write_run
from tests.sealing import seal

TOP_SPEED = 4.0
STEPS = 1000


def write_robot_run(
    path: Path,
    *,
    num_users: int = 100,
    num_policies: int = 5,
    updates: int = 4,
    assign: str = "best",
    attributes: dict[str, Any] | None = None,
    finished: bool = True,
    fall: int | None = None,
    **changes: Any,
) -> Path:
    """A run of policies that stride at speeds in the middle of equal intervals of targets.

    Args:
        path: of the folder.
        num_users: whose targets are drawn evenly from 0 to `TOP_SPEED`.
        num_policies: in an order that has nothing to do with their speeds.
        updates: lines of metrics.
        assign: "best" for the policy that serves a user best, the nearest of equals, or "random".
        attributes: other than the users' targets.
        finished: whether it was evaluated.
        fall: the step at which the first policy falls.
        changes: of ``evaluation.json``.
    """
    rng = np.random.default_rng(num_users + num_policies)
    targets = rng.uniform(0, TOP_SPEED, num_users)
    velocities = [stride(speed, rng) for speed in speeds_of_policies(num_policies, rng)]
    if fall is not None:
        velocities[0] = velocities[0][:fall]
    returns = np.array([[return_of(v, target) for target in targets] for v in velocities])
    means = np.array([v[STEPS // 10 :].mean() for v in velocities])
    nearest = np.abs(means[:, None] - targets).argmin(axis=0)
    assignment = returns.argmax(axis=0)
    assignment[returns.max(axis=0) == 0] = nearest[returns.max(axis=0) == 0]
    if assign == "random":
        assignment = rng.permutation(np.arange(num_users) % num_policies)
    users = [f"user-{i}" for i in range(num_users)]
    evaluation = robot_evaluation(users, targets, returns, assignment)
    evaluation["deterministic"]["lengths"] = [float(len(v)) for v in velocities]
    write_run(
        path,
        users=users,
        num_policies=num_policies,
        environment={
            "name": "half-cheetah",
            "gymnasium_id": "HalfCheetah-v4",
            "top_speed": TOP_SPEED,
            "seconds_per_step": 0.05,
            "time_limit": STEPS,
            "observation_size": 17,
            "num_joints": 6,
        },
        name="half-cheetah",
        attributes={"target": targets.tolist()} if attributes is None else attributes,
        traces=[{"length": len(v), "velocity": v.tolist()} for v in velocities],
        finished=finished,
        updates=updates,
        **{**evaluation, **changes},
    )
    if updates > 4:
        write_long_metrics(path / "metrics.jsonl", updates, evaluation, num_policies)
    if finished:
        seal(path)
    return path


def speeds_of_policies(num_policies: int, rng: np.random.Generator) -> np.ndarray:
    """[K] middles of equal intervals, shuffled."""
    return rng.permutation((np.arange(num_policies) + 0.5) * TOP_SPEED / num_policies)


def stride(speed: float, rng: np.random.Generator) -> np.ndarray:
    """[T] velocity of a robot that speeds up, then swings about its speed."""
    steps = np.arange(STEPS)
    swing = (0.05 + 0.12 * speed) * np.sin(2 * np.pi * steps / 6.3 + rng.uniform(0, 6))
    drift = 0.03 * np.cumsum(rng.normal(0, 0.05, STEPS))
    return speed * (1 - np.exp(-steps / 12)) + swing + drift + rng.normal(0, 0.06, STEPS)


def return_of(velocity: np.ndarray, target: float) -> float:
    """What a user earns in an episode [T]: 100 for 1,000 steps at their target."""
    return float(0.1 * (1 - np.minimum(1, 20 * np.abs(target - velocity) / TOP_SPEED)).sum())


def robot_evaluation(
    users: list[str], targets: np.ndarray, returns: np.ndarray, assignment: np.ndarray
) -> dict[str, Any]:
    """``evaluation.json`` with the bound of constant velocities, here evenly spaced ones."""
    num_policies, num_users = returns.shape
    record = evaluation_record(users, num_policies)
    del record["users"], record["num_policies"]  # `write_run` knows them
    utilities = returns[assignment, np.arange(num_users)]
    constants = (np.arange(num_policies) + 0.5) * TOP_SPEED / num_policies
    gaps = np.abs(targets - constants[:, None]).min(axis=0)
    bounds = 100 * (1 - np.minimum(1, 20 * gaps / TOP_SPEED))
    welfare, bound = float(utilities.mean()), float(bounds.mean())
    record["deterministic"] |= {
        "returns": returns.tolist(),
        "welfare": welfare,
        "soft_welfare": welfare,
        "reassigned_welfare": welfare,
        "utilities": utilities.tolist(),
        "worst_episodes": (0.95 * utilities).tolist(),
        "worst_user_return": float(utilities.min()),
        "worst_episode": float(0.95 * utilities.min()),
    }
    worst = int(utilities.argmin())
    return record | {
        "welfare": welfare,
        "assignment": assignment.tolist(),
        "returns": returns.tolist(),
        "worst_user": users[worst],
        "worst_user_return": float(utilities[worst]),
        "optimum": bound,
        "optimum_kind": "upper bound",
        "percent_of_optimum": 100 * welfare / bound,
        "bound": {
            "welfare": bound,
            "kind": "upper bound",
            "explanation": "No policy is closer to a target than a constant velocity.",
            "utilities": bounds.tolist(),
            "velocities": constants.tolist(),
        },
    }


def write_long_metrics(
    path: Path, updates: int, evaluation: dict[str, Any], num_policies: int
) -> None:
    """Training in ``updates`` updates of 2,048: welfare rises, users move, entropy falls."""
    rng = np.random.default_rng(updates)
    share = np.arange(1, updates + 1) / updates
    welfare = evaluation["welfare"] * (1 - np.exp(-4 * share)) + rng.normal(0, 0.4, updates)
    last = np.bincount(evaluation["assignment"], minlength=num_policies)
    moves = rng.integers(-1, 2, (updates, num_policies // 2)) * (last.min() > 0)
    lines = []
    for update in range(updates):
        users = last.copy()
        users[: num_policies // 2] += moves[update]
        users[num_policies // 2 : num_policies // 2 * 2] -= moves[update]
        entropy = 8.5 - 6 * share[update] + 0.05 * rng.normal(size=num_policies)
        line = {
            "update": update + 1,
            "transitions": 2048 * (update + 1),
            "seconds": 0.4 * (update + 1),
            "welfare": float(welfare[update]),
            "users": users.tolist(),
            "entropy": entropy.tolist(),
        }
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines) + "\n")
