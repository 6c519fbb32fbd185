"""Our rows of the leaderboard, from the results tables, and the page that shows all rows."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful.reports.statistics import mean_and_error
from handful.reports.study.collection import Cell, collect
from handful.reports.study.tables import Table, plus_minus
from handful.reports.words import number
from handful.results.folder import StudyResults, read_study_results, run_tables
from handful.results.frames import import_polars
from handful.results.leaderboard import COLUMNS, OURS, leaderboard_schema

if TYPE_CHECKING:
    import polars as pl


def our_rows(studies: Sequence[StudyResults]) -> "pl.DataFrame":
    """A row a task, method and budget of every study; of equals the first counts.

    Studies without a manifest have no command, so they have no rows.
    """
    rows: dict[tuple, dict[str, Any]] = {}
    for study in studies:
        if study.manifest is None:
            continue
        for cell in collect({study.name: study}, {}).cells:
            runs = study.runs.filter(import_polars().col("digest").is_in(cell.digests))
            first = next((r for r in study.manifest["runs"] if r["digest"] in cell.digests), None)
            if first is None:  # the sweep has more runs by now than when it last ended
                continue
            # A part of the study may ask for something else; manifests were once without some.
            asked = {"training": {}, "variant": "", **study.manifest, **first}
            named = _name(cell.label, asked)
            mean, stderr = mean_and_error(cell.welfare)
            has_percent = len(cell.percent) > 0
            percent = mean_and_error(cell.percent) if has_percent else (None, None)
            row = {
                "task": cell.task,
                "policies": cell.policies,
                "users": cell.users,
                "method": named,
                "author": OURS,
                "seeds": list(cell.seeds),
                "transitions": int(runs["transitions"].max()),  # type: ignore[arg-type]
                "welfare": mean,
                "welfare_stderr": stderr,
                "percent": percent[0],
                "percent_stderr": percent[1],
                "optimum_kind": cell.optimum_kind if has_percent else None,
                "command": train_commands(asked, cell, named),
                "version": _version(study.manifest, cell.digests),
                "commit": None,
                "url": None,
            }
            rows.setdefault(
                tuple(row[key] for key in ("task", "policies", "users", "method", "transitions")),
                row,
            )
    return import_polars().DataFrame(list(rows.values()), schema=leaderboard_schema())


def _name(label: str, asked: Mapping[str, Any]) -> str:
    """The method with all that is not as the paper has it: else rows would be taken for others."""
    preset = [] if asked["preset"] == "paper" else [asked["preset"]]
    settings: dict[str, Any] = {}
    if not asked["variant"]:  # whose name says what is different in it
        ours = asked["method_settings"].get(asked["method"], {})
        settings = {**asked["settings"], **ours, **asked["training"]}
    pairs = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    return ", ".join([label, *preset, *pairs])


def train_commands(asked: Mapping[str, Any], cell: Cell, named: str) -> str:
    """One line of shell that trains and evaluates every seed of a cell.

    Args:
        asked: the study's manifest, with what its runs differ in.
        named: the row's method: with all that tells rows apart, no two share a folder.
    """
    seeds, task, variant = " ".join(map(str, cell.seeds)), cell.task, asked["variant"]
    method = asked["method"].removesuffix(f" ({variant})")
    words = f"{task} {named} k{cell.policies} n{cell.users} {cell.steps}"
    name = re.sub("[^A-Za-z0-9.]+", "-", words)
    parts = [
        f"handful train {shlex.quote(task)}",
        *_pairs("--param", asked["parameters"].get(task, {})),
        f"--policies {cell.policies} --method {shlex.quote(method)}",
        *_pairs("--method-set", asked["method_settings"].get(method, {})),
        f"--preset {asked['preset']}",
        *_pairs("--set", asked["settings"]),
        *_pairs("--run-set", asked["training"]),
        f"--steps {cell.steps} --seed $seed",
        f"--out runs/{name}-seed$seed",
    ]
    return f"for seed in {seeds}; do {' '.join(parts)}; done"


def studies_under(root: Path) -> list[StudyResults]:
    """Every study under a folder of results."""
    folders = [path for path in sorted(root.glob("*")) if path.is_dir()]
    return [read_study_results(table) for folder in folders for table in run_tables(folder)]


def leaderboard_page(table: "pl.DataFrame") -> str:
    """The page docs/leaderboard.md."""
    lines = [_INTRODUCTION, _format_table().markdown(), "", _HOW_TO]
    rows = table.to_dicts()
    commands = []
    for (task, policies, users), group in groupby(
        rows, key=lambda row: (row["task"], row["policies"], row["users"])
    ):
        lines += ["", f"### {task}, k = {policies}, n = {users:,}", ""]
        shown = []
        for row in group:
            commands.append(row["command"])
            shown.append(_shown(row, len(commands)))
        header = ("method", "author", "seeds", "transitions", "welfare", "%", "version", "row")
        lines.append(Table("", "", header, shown).markdown())
    lines += ["", "## The commands behind the rows", ""]
    lines += [f"{i}. `{command}`" for i, command in enumerate(commands, 1)]
    return "\n".join(lines) + "\n"


def _shown(row: Mapping[str, Any], row_number: int) -> list[str]:
    percent = "–"
    if row["percent"] is not None:
        kind = " of a bound" if row["optimum_kind"] == "upper bound" else ""
        percent = plus_minus(row["percent"], row["percent_stderr"]) + kind
    method = row["method"] if row["url"] is None else f"[{row['method']}]({row['url']})"
    version = " ".join(part for part in (row["version"], (row["commit"] or "")[:10]) if part)
    return [
        method,
        row["author"],
        str(len(row["seeds"])),
        f"{row['transitions']:,}",
        plus_minus(row["welfare"], row["welfare_stderr"]),
        percent,
        version or "–",
        number(row_number).split(".")[0],
    ]


def _format_table() -> Table:
    rows = [
        [
            f"`{column.name}`",
            "List(Int64)" if column.dtype == "List" else column.dtype,
            "yes" if column.is_required else "no",
            column.meaning,
        ]
        for column in COLUMNS
    ]
    return Table("", "", ("column", "type", "required", "meaning"), rows)


def _version(manifest: Mapping[str, Any], digests: Sequence[str]) -> str | None:
    """Of all the runs; None where that of any was not kept."""
    runs = [run for run in manifest["runs"] if run["digest"] in digests]
    if not all(run["versions"] for run in runs):
        return None
    return ", ".join(sorted({run["versions"]["handful"] for run in runs})) or None


def _pairs(flag: str, values: Mapping[str, Any]) -> list[str]:
    return [
        f"{flag} {shlex.quote(f'{name}={json.dumps(value)}')}" for name, value in values.items()
    ]


_INTRODUCTION = """# Leaderboard

Made by `handful leaderboard` from [results/leaderboard.parquet](../results/leaderboard.parquet).
Welfare is the mean over users of their return from the policy that serves them, on episodes that
training never saw, with the policies' likeliest actions; ± is the standard error over training
seeds. Percentages are of the exact optimum, or of an upper bound where "of a bound" is written.

## The format

One Parquet file, a row a method on a task with a budget:
"""

_HOW_TO = """Only one row may have the same task, policies, users, method, author and transitions.

To add your method, write a Parquet file with your rows, here with polars, check it, and add it;
then send both files:

```python
import polars as pl

row = {
    "task": "resource-gathering",
    "policies": 3,
    "users": 25,
    "method": "my-method",
    "author": "me",
    "seeds": [0, 1, 2],
    "transitions": 999_424,
    "welfare": 88.0,
    "welfare_stderr": 0.3,
    "percent": 98.6,
    "percent_stderr": 0.3,
    "optimum_kind": "exact",
    "command": "python train.py --seeds 0 1 2",
}
pl.DataFrame([row]).write_parquet("mine.parquet")
```

    handful leaderboard --check mine.parquet    # what is wrong, with its row and column
    handful leaderboard --add mine.parquet      # into the leaderboard, and onto this page

`handful optimum TASK --policies K` has what the percentage is of, and `handful evaluate` measures
welfare as it is meant here.

## Rows"""
