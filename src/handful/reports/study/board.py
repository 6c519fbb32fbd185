"""Our rows of the leaderboard, from the results tables, and the page that shows all rows."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from handful.reports.command import train_parts
from handful.reports.statistics import mean_and_error
from handful.reports.study.cell import Cell
from handful.reports.study.reading import collect
from handful.reports.study.tables import Table, plus_minus
from handful.reports.words import count, number
from handful.results.choices import Choices, changed, choices_of, run_method
from handful.results.folder import StudyResults
from handful.results.frames import import_polars
from handful.results.leaderboard import COLUMNS, KEY, OURS, leaderboard_schema

if TYPE_CHECKING:
    import polars as pl

_AS_THE_PAPER = Choices("paper", {}, {}, {}, {}, "")


def our_rows(studies: Mapping[str, StudyResults]) -> "pl.DataFrame":
    """A row a task, budget, method and its settings of every study; of equals the first counts.

    Runs that no manifest knows have no command, so they are in no row: see :func:`passed_over`.
    """
    rows: dict[tuple, dict[str, Any]] = {}
    parameters: dict[tuple, Mapping[str, Any]] = {}
    for study in studies.values():
        runs = _known_runs(study)
        for cell in collect({study.name: study}, {}).cells:
            known = cell.of_runs(runs)
            if not known.digests:
                continue
            entries = [runs[digest] for digest in known.digests]
            choices = choices_of(study.manifest or {}, entries[0])  # of all of them
            row = _row(study, known, entries, choices)
            first = parameters.setdefault(_row_key(row), choices.parameters)
            if first != choices.parameters:
                row = _row(study, known, entries, choices, changed(choices.parameters, first))
            rows.setdefault(_row_key(row), row)
    return import_polars().DataFrame(list(rows.values()), schema=leaderboard_schema())


def passed_over(studies: Mapping[str, StudyResults]) -> list[str]:
    """Of which runs there are no rows and why, a sentence a study."""
    sentences = []
    for name, study in studies.items():
        unknown = len(study.runs) - len(_known_runs(study))
        if study.manifest is None:
            sentences.append(
                f"all of the study '{name}': there is no '{study.name}.json' beside its table to "
                f"say how to do it again; 'handful sweep' with the study's file writes it."
            )
        elif unknown:
            sentences.append(
                f"{count(unknown, 'run')} of the study '{name}', which '{study.name}.json' does "
                f"not know: 'handful sweep' with the study's file writes it anew."
            )
    return sentences


def _known_runs(study: StudyResults) -> dict[str, Mapping[str, Any]]:
    """By digest, the manifest's entries of the runs that are in the table."""
    finished = set(study.runs["digest"])
    manifest = study.manifest
    runs = () if manifest is None else manifest["runs"]
    return {run["digest"]: run for run in runs if run["digest"] in finished}


def _row(
    study: StudyResults,
    cell: Cell,
    runs: Sequence[Mapping[str, Any]],
    choices: Choices,
    more: Sequence[str] = (),
) -> dict[str, Any]:
    """A row of the leaderboard.

    Args:
        runs: the manifest's entries of the cell's runs.
        choices: their settings.
        more: words behind the method's name.
    """
    mean, stderr = mean_and_error(cell.welfare)
    has_percent = len(cell.percent) > 0
    percent = mean_and_error(cell.percent) if has_percent else (None, None)
    table = study.runs.filter(import_polars().col("digest").is_in(cell.digests))
    named = ", ".join([runs[0]["method"], *_otherwise(choices), *more])
    return {
        "task": cell.task,
        "policies": cell.policies,
        "users": cell.users,
        "method": named,
        "author": OURS,
        "seeds": list(cell.seeds),
        "transitions": int(table["transitions"].max()),  # type: ignore[arg-type]
        "welfare": mean,
        "welfare_stderr": stderr,
        "percent": percent[0],
        "percent_stderr": percent[1],
        "optimum_kind": cell.optimum_kind if has_percent else None,
        "command": train_commands(choices, cell, run_method(runs[0]), named),
        "version": _version(runs),
        "commit": None,
        "url": None,
    }


def _row_key(row: Mapping[str, Any]) -> tuple:
    return tuple(row[name] for name in KEY)


def _otherwise(choices: Choices) -> list[str]:
    """All that is not as the paper has it: else rows would be taken for others."""
    if choices.variant:  # whose name says what is different in it
        return [] if choices.preset == "paper" else [choices.preset]
    return choices._replace(parameters={}).words(_AS_THE_PAPER)


def train_commands(choices: Choices, cell: Cell, method: str, named: str) -> str:
    """One line of shell that trains and evaluates every seed of a cell.

    Args:
        choices: the settings of its runs.
        method: as ``handful train`` takes it.
        named: the row's method: with all that tells rows apart, no two share a folder.
    """
    seeds, task = " ".join(map(str, cell.seeds)), cell.task
    words = f"{task} {named} k{cell.policies} n{cell.users} {cell.steps}"
    name = re.sub("[^A-Za-z0-9.]+", "-", words)
    parts = train_parts(
        task,
        cell.policies,
        method,
        cell.steps,
        "$seed",
        f"runs/{name}-seed$seed",
        preset=choices.preset,
        parameters=choices.parameters,
        method_settings=choices.method_settings,
        settings=choices.settings,
        run_settings=choices.training,
    )
    return f"for seed in {seeds}; do {' '.join(parts)}; done"


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
    method = f"[{row['method']}]({row['url']})" if row["url"] else row["method"]
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


def _version(runs: Sequence[Mapping[str, Any]]) -> str | None:
    """Of all the runs; None where that of any was not kept."""
    if not all(run["versions"] for run in runs):
        return None
    return ", ".join(sorted({run["versions"]["handful"] for run in runs})) or None


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
