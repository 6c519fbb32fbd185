"""Run folders made by hand: small, and without any training."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.sealing import seal

LOOP = [[1, 1], [0, 1], [0, 0], [1, 0], [2, 0], [2, 1]]
"""A closed walk on the 3 x 3 grid, from the middle of its bottom row."""

OUT_AND_BACK = [[1, 1], [0, 1], [0, 1], [1, 1], [2, 1]]
"""There and back with a bump in between."""

CUT = [[2, 2], [1, 2], [0, 2]]
"""Does not come home."""

GRID = {"height": 3, "width": 3, "start": [2, 1], "blocked": [[1, 1]], "time_limit": 12}


def write_run(
    path: Path,
    *,
    users: list[str],
    num_policies: int,
    environment: dict[str, Any] | None = None,
    name: str = "custom",
    attributes: dict[str, Any] | None = None,
    traces: list[dict[str, Any]] | None = None,
    finished: bool = True,
    updates: int = 4,
    **evaluation: Any,
) -> Path:
    """A run whose policy ``i % K`` serves user ``i`` with return ``80 + i % 7``, all others 10."""
    path.mkdir(parents=True)
    config = {
        "format": 2,
        "problem": {
            "name": name,
            "parameters": {},
            "environment": environment or {},
            "discount": 0.99,
            "return_scale": 1.0,
            "users": users,
            "num_features": 3,
        },
        "settings": {
            "num_policies": num_policies,
            "method": "em",
            "method_settings": {"warm_up": 2},
            "steps": 10_000,
            "seed": 7,
            "return_mixing": 0.05,
            "learner": {
                "name": "ppo",
                "learning_rate": 0.0003,
                "hidden_sizes": [64, 64],
                "share_hidden": True,
            },
            "collect": {"num_envs": 32},
        },
        "versions": {"python": "3.11.7", "handful": "0.1.0"},
        "machine": {"platform": "Linux", "device": "cpu"},
    }
    if attributes is not None:  # older folders have none
        config["problem"]["attributes"] = attributes
    (path / "config.json").write_text(json.dumps(config))
    share = len(users) / num_policies
    lines = [
        {
            "update": update,
            "transitions": 2048 * update,
            "seconds": float(update),
            "welfare": 80.0 - 70.0 / update,
            "users": [share] * num_policies,
            "entropy": [1.4 / (update + policy) for policy in range(num_policies)],
        }
        for update in range(1, updates + 1)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if finished:
        record = evaluation_record(users, num_policies) | evaluation
        (path / "traces.json").write_text(json.dumps(traces or []))
        seal(path, record)
    return path


def evaluation_record(users: list[str], num_policies: int) -> dict[str, Any]:
    """What ``evaluation.json`` holds."""
    num_users = len(users)
    assignment = np.arange(num_users) % num_policies
    utilities = 80.0 + np.arange(num_users) % 7
    returns = np.full((num_policies, num_users), 10.0)
    returns[assignment, np.arange(num_users)] = utilities
    measured = {
        "returns": returns.tolist(),
        "returns_stderr": np.zeros_like(returns).tolist(),
        "lengths": [6.0] * num_policies,
        "welfare": float(utilities.mean()),
        "welfare_stderr": 0.125,
        "soft_welfare": float(utilities.mean()),
        "reassigned": assignment.tolist(),
        "reassigned_welfare": float(utilities.mean()),
        "reassigned_welfare_stderr": 0.25,
        "utilities": utilities.tolist(),
        "worst_episodes": (utilities - 5).tolist(),
        "worst_user_return": float(utilities.min()),
        "worst_episode": float(utilities.min() - 5),
    }
    return {
        "welfare": measured["welfare"],
        "welfare_stderr": measured["welfare_stderr"],
        "optimum": 90.0,
        "optimum_kind": "exact",
        "percent_of_optimum": measured["welfare"] / 0.9,
        "soft_welfare": measured["soft_welfare"],
        "reassigned_welfare": measured["reassigned_welfare"],
        "reassigned_welfare_stderr": measured["reassigned_welfare_stderr"],
        "worst_user": users[int(utilities.argmin())],
        "worst_user_return": float(utilities.min()),
        "num_episodes": 100,
        "evaluation_seed": 7,
        "num_users": num_users,
        "num_policies": num_policies,
        "users_per_policy": np.bincount(assignment, minlength=num_policies).tolist(),
        "users": users,
        "assignment": assignment.tolist(),
        "returns": measured["returns"],
        "returns_stderr": measured["returns_stderr"],
        "deterministic": measured,
        "stochastic": measured,
        "transitions": 8192,
        "seconds": 12.5,
    }


def tile_names(height: int, width: int, blocked: tuple[tuple[int, int], ...] = ()) -> list[str]:
    """The users of a grid task."""
    tiles = [(row, column) for row in range(height) for column in range(width)]
    return [f"tile-{row}-{column}" for row, column in tiles if (row, column) not in blocked]


def write_grid_run(path: Path, num_policies: int = 3, **changes: Any) -> Path:
    """A run on a 3 x 3 grid with a wall in the middle; the first three walks differ in kind."""
    walks = [LOOP, OUT_AND_BACK, CUT]
    traces = [{"length": len(walks[k % 3]), "position": walks[k % 3]} for k in range(num_policies)]
    settings = {
        "users": tile_names(3, 3, ((1, 1),)),
        "num_policies": num_policies,
        "environment": GRID,
        "name": "resource-gathering",
        "traces": traces,
    }
    return write_run(path, **{**settings, **changes})
