"""Results folders made by hand, without any run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from handful.results.tables import manifest_path, schema, sibling

GRID = {"height": 2, "width": 2, "start": [1, 0], "blocked": []}
"""Of the task resource-gathering in `small_results`."""

LOOP = [(0, 0), (0, 1), (1, 1), (1, 0)]


def run_row(task: str, method: str, policies: int, seed: int, welfare: float, **changes: Any):
    """A row of the table of runs, 100 users, of which the best possible is 40."""
    return {
        "digest": f"{task}-{method}-{policies}-{seed}",
        "task": task,
        "method": method,
        "policies": policies,
        "users": 100,
        "seed": seed,
        "steps": 2000,
        "transitions": 1984,
        "seconds": 12.5,
        "welfare": welfare,
        "worst_user_return": welfare - 10,
        "optimum": 40.0,
        "optimum_kind": "upper bound",
        "percent_of_optimum": welfare / 0.4,
        **changes,
    }


def write_results(folder: Path, rows: list[dict[str, Any]], **beside: Any) -> Path:
    """A table of runs named as its folder, and what is given beside it (users=..., ...)."""
    folder.mkdir(parents=True)
    parquet = folder / f"{folder.name}.parquet"
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(parquet)
    manifest = beside.pop("manifest", None)
    if manifest is not None:
        manifest_path(parquet).write_text(json.dumps(manifest))
    for kind, content in beside.items():
        more = {"target": pl.Float32} if kind == "users" else {}
        table = pl.DataFrame(content, schema={**schema(kind), **more})
        table.write_parquet(sibling(parquet, kind))
    return parquet


def user_rows(digest: str, assignment: list[int], targets: list[float] | None = None):
    """Users who get 10, 11, 12, ..."""
    targets = targets or [None] * len(assignment)  # type: ignore[list-item]
    return [
        {
            "digest": digest,
            "user": f"user-{i}",
            "target": targets[i],
            "policy": policy,
            "return": 10.0 + i,
        }
        for i, policy in enumerate(assignment)
    ]


def curve_rows(digest: str, top: float):
    """Training that rises evenly to a welfare."""
    return [
        {"digest": digest, "transitions": 20 * i, "seconds": 0.1 * i, "welfare": top * i / 99}
        for i in range(100)
    ]


def walk_rows(digest: str, policy: int, tiles=LOOP):
    """A walk over tiles, the start left out."""
    return [
        {"digest": digest, "policy": policy, "step": step, "row": row, "column": column}
        for step, (row, column) in enumerate(tiles, 1)
    ]


def small_manifest(rows: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """What a sweep keeps of itself; all runs finished."""
    names = ("digest", "task", "method", "policies", "seed")
    known = {
        "versions": {"handful": "0.1.0", "python": "3.11.7", "numpy": "2.0.0"},
        "machine": {"device": "cpu", "platform": "Linux"},
    }
    return {
        "format": 1,
        "study": "small",
        "command": "handful sweep small.yaml",
        "steps": 2000,
        "preset": "paper",
        "settings": {},
        "method_settings": {},
        "parameters": {"half-cheetah": {"users": 100}},
        "environments": {"resource-gathering": GRID, "half-cheetah": {"top_speed": 4.0}},
        "runs": [
            {**{name: row[name] for name in names}, "state": "finished", "error": None, **known}
            for row in rows
        ],
        **changes,
    }


def small_study(root: Path) -> Path:
    """A study with everything: robots of two methods, and a grid, three seeds each; its table."""
    rng = np.random.default_rng(0)
    rows, users, curves, walks = [], [], [], []
    for seed in range(3):
        for method, welfare in (("em", 30.0), ("random", 10.0)):
            for policies in (2, 5):
                row = run_row("half-cheetah", method, policies, seed, welfare + policies + seed)
                rows.append(row)
                targets = np.sort(rng.uniform(0, 4, 100))
                groups = np.arange(100) * policies // 100
                if method == "random":
                    groups = rng.permutation(groups)
                users += user_rows(row["digest"], groups.tolist(), targets.tolist())
                curves += curve_rows(row["digest"], row["welfare"])
    for policies in (1, 2):
        changes = {"users": 4, "optimum_kind": "exact"}
        row = run_row("resource-gathering", "em", policies, 0, 38.0, **changes)
        rows.append(row)
        tiles = user_rows(row["digest"], [i % policies for i in range(4)])
        names = ("tile-0-0", "tile-0-1", "tile-1-0", "tile-1-1")
        users += [{**user, "user": name} for user, name in zip(tiles, names, strict=True)]
        for policy in range(policies):
            walks += walk_rows(row["digest"], policy)
    manifest = small_manifest(rows)
    return write_results(
        root / "small", rows, users=users, curves=curves, walks=walks, manifest=manifest
    )
