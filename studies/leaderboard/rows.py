"""Our rows of the leaderboard, made from the results tables of the studies."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import handful
from handful.report.page import train_parts
from handful.report.statistics import mean_and_error
from handful.report.study.collection import Cell
from handful.report.study.reading import collect
from handful.report.wording import count
from handful.results.labels import Choices, changed, choices_of, run_method
from handful.results.tables import StudyResults
from studies.leaderboard.schema import OURS, Row
from studies.suite.rows import DEVELOPMENT

_AS_THE_PAPER = Choices("paper", {}, {}, {}, {}, "")


def our_rows(studies: Mapping[str, StudyResults]) -> list[Row]:
    """A row for each task, budget and method with its settings; of equal rows the first counts.

    Runs that no manifest knows have no command, so they are in no row: see :func:`passed_over`.
    Runs with development seeds alone are in no row, either.
    """
    rows: dict[tuple, Row] = {}
    parameters: dict[tuple, Mapping[str, Any]] = {}
    for study in studies.values():
        runs = _known_runs(study)
        for cell in collect({study.name: study}, {}).cells:
            known = cell.of_runs(runs)
            if not known.digests or min(known.seeds) >= DEVELOPMENT:
                continue
            entries = [runs[digest] for digest in known.digests]
            choices = choices_of(study.manifest or {}, entries[0])  # of all of them
            row = _row(study, known, entries, choices)
            first = parameters.setdefault(row.key, choices.parameters)
            if first != choices.parameters:
                row = _row(study, known, entries, choices, changed(choices.parameters, first))
            rows.setdefault(row.key, row)
    return list(rows.values())


def passed_over(studies: Mapping[str, StudyResults]) -> list[str]:
    """A sentence for each study that has runs without a row, which says why they have none."""
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
) -> Row:
    """A row of the leaderboard.

    Args:
        study: the study that the runs belong to.
        cell: the runs, which differ in their seeds only.
        runs: the manifest's entries of the cell's runs.
        choices: the settings of the runs.
        more: words that follow the method's name.
    """
    mean, stderr = mean_and_error(cell.welfare)
    has_percent = len(cell.percent) > 0
    percent = mean_and_error(cell.percent) if has_percent else (None, None)
    transitions = study.runs.filter(study.runs["digest"].is_in(cell.digests))["transitions"]
    named = ", ".join([runs[0]["method"], *_otherwise(choices), *more])
    return Row(
        task=cell.task,
        policies=cell.policies,
        users=cell.users,
        method=named,
        author=OURS,
        seeds=cell.seeds,
        transitions=int(transitions.max()),  # type: ignore[arg-type]
        welfare=mean,
        welfare_stderr=stderr,
        percent=percent[0],
        percent_stderr=percent[1],
        optimum_kind=cell.optimum_kind if has_percent else None,  # type: ignore[arg-type]
        command=train_commands(choices, cell, run_method(runs[0]), named),
        version=_version(runs),
    )


def _otherwise(choices: Choices) -> list[str]:
    """All that is not as the paper has it: else rows would be taken for others."""
    if choices.variant:  # whose name says what is different in it
        return [] if choices.preset == "paper" else [choices.preset]
    return choices._replace(parameters={}).words(_AS_THE_PAPER)


def train_commands(choices: Choices, cell: Cell, method: str, named: str) -> str:
    """One line of shell that trains and evaluates every seed of a cell.

    Args:
        choices: the settings of the cell's runs.
        cell: the runs.
        method: the method's name for ``handful train``.
        named: the row's method, with all that tells rows apart: no two rows share a folder.
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
        settings=_by_section(choices.settings),
        run_settings=choices.training,
    )
    return f"for seed in {seeds}; do {' '.join(parts)}; done"


def _by_section(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings of PPO and of collecting by the section that each has on the command line."""
    collecting = {field.name for field in dataclasses.fields(handful.CollectConfig)}
    return {
        "ppo": {name: value for name, value in settings.items() if name not in collecting},
        "collect": {name: value for name, value in settings.items() if name in collecting},
    }


def _version(runs: Sequence[Mapping[str, Any]]) -> str | None:
    """Of all the runs; None where that of any was not kept."""
    if not all(run["versions"] for run in runs):
        return None
    return ", ".join(sorted({run["versions"]["handful"] for run in runs})) or None
