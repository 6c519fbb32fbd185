"""A study's page, ``NAME.html`` beside its table: figures, seeds, versions, missing runs."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from handful._support.files import write_text
from handful.report.page import image_source, templates
from handful.report.study.collection import Collection
from handful.report.study.figure import StudyFigure
from handful.report.study.figures import study_figures
from handful.report.study.reading import collect
from handful.report.study.tables import Table, improvement_table, variants_table, welfare_table
from handful.report.wording import count, number, seed_list
from handful.results.labels import choices_of, own_choices
from handful.results.tables import StudyResults, read_study_results

_VERSION_NAMES = ("handful", "python", "jax", "jaxlib", "numpy", "equinox", "optax")


def write_study_report(parquet: Path, asked: Mapping[str, Any] | None = None) -> Path:
    """Write the page of a study beside its table of runs.

    Args:
        parquet: the table.
        asked: the runs that the study asks for, with their settings, as its manifest has them; by
            default the manifest that was kept.

    Returns:
        the page.

    Raises:
        HandfulError: if a file is damaged.
    """
    results = read_study_results(parquet)
    results = replace(results, manifest=asked or results.manifest)
    collection = collect({results.name: results}, {})
    page = parquet.with_suffix(".html")
    write_text(page, _page(results, collection))
    return page


def _page(results: StudyResults, collection: Collection) -> str:
    manifest = results.manifest
    figures, left_out = study_figures(collection)
    del left_out  # of a study of one's own, not every figure is expected
    cells = collection.cells
    tables = (f(collection) for f in (welfare_table, variants_table, improvement_table))
    runs = [] if manifest is None else manifest["runs"]
    context = {
        "name": results.name,
        "num_runs": len(results.runs),
        "tasks": collection.tasks,
        "methods": collection.labels(),
        "budgets": sorted({cell.policies for cell in cells}),
        "tables": [table for table in tables if table],
        "pictures": _embedded(figures),
        "asked": None if manifest is None else len(runs),
        "finished": sum(run["state"] == "finished" for run in runs),
        "absent": absent_runs(runs),
        "every_run": _every_run(results),
        "command": None if manifest is None else manifest["command"],
        "settings": settings_table(results),
        "versions": _versions(runs),
        "count": count,
    }
    return templates().get_template("study.html.j2").render(context)


def _embedded(figures: Sequence[StudyFigure]) -> list[dict[str, Any]]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for figure in figures:
            svg = Path(folder) / f"{figure.name}.svg"
            figure.write(svg)
            found.append(
                {
                    "title": figure.title,
                    "caption": figure.caption,
                    "alt": figure.alt,
                    "source": image_source(svg),
                    "missing": list(figure.missing),
                    "is_wide": False,
                }
            )
    return found


def absent_runs(runs: Sequence[Mapping[str, Any]]) -> Table:
    """Return runs that were asked for and are not finished.

    Many that differ only in their seed are one row.
    """
    groups: dict[tuple, list[int]] = {}
    for run in runs:
        if run["state"] != "finished":
            key = (run["task"], run["method"], run["policies"], run["state"], run["error"] or "–")
            groups.setdefault(key, []).append(run["seed"])
    return Table(
        "Runs that failed or are missing",
        "",
        ("task", "method", "k", "state", "why", "seeds"),
        [
            [task, method, str(policies), state, why, ", ".join(map(str, seeds))]
            for (task, method, policies, state, why), seeds in groups.items()
        ],
    )


def _every_run(results: StudyResults) -> Table:
    rows = [
        [
            row["task"],
            row["method"],
            str(row["policies"]),
            str(row["seed"]),
            number(row["welfare"]),
            "–" if row["percent_of_optimum"] is None else number(row["percent_of_optimum"]),
            f"{row['transitions']:,}",
            f"{row['seconds']:,.0f}",
            row["digest"],
        ]
        for row in results.runs.to_dicts()
    ]
    percent = "% of best possible"
    header = ("task", "method", "k", "seed", "welfare", percent, "transitions", "seconds")
    return Table("Finished runs", "", (*header, "digest"), rows)


def settings_table(results: StudyResults) -> Table:
    """Return the study's settings, and a row for each other setting of its groups and variants."""
    manifest = results.manifest or {}
    steps = sorted(set(results.runs["steps"]))
    rows = [["transitions per policy", ", ".join(f"{value:,}" for value in steps)]]
    seeds = sorted(set(results.runs["seed"]))
    rows.append(["seeds", ", ".join(map(str, seeds))])
    for name in ("preset", "settings", "method_settings", "training", "parameters"):
        value = manifest.get(name)
        if value:
            text = value if isinstance(value, str) else json.dumps(value)
            rows.append([name.replace("_", " "), text])
    return Table("Settings", "", ("name", "value"), [*rows, *_otherwise(manifest)])


def _otherwise(manifest: Mapping[str, Any]) -> list[list[str]]:
    parts: dict[tuple, list[Mapping[str, Any]]] = {}
    for run in manifest.get("runs", ()):
        words = choices_of(manifest, run).words(own_choices(manifest, run))
        if words:
            parts.setdefault((run["task"], run["method"], ", ".join(words)), []).append(run)
    rows = []
    for (task, method, words), runs in parts.items():
        budgets = ", ".join(str(k) for k in sorted({run["policies"] for run in runs}))
        seeds = seed_list({run["seed"] for run in runs})
        rows.append([f"{task}, {method}, k = {budgets}, {seeds}", words])
    return rows


def _versions(runs: Sequence[Mapping[str, Any]]) -> Table:
    groups: dict[tuple, int] = {}
    for run in runs:
        if run.get("versions"):
            machine = run.get("machine") or {}
            key = (
                *(str(run["versions"].get(name, "–")) for name in _VERSION_NAMES),
                str(machine.get("device", "–")),
                str(machine.get("platform", "–")),
            )
            groups[key] = groups.get(key, 0) + 1
    return Table(
        "Versions",
        "",
        ("runs", *_VERSION_NAMES, "device", "platform"),
        [[str(number_of), *key] for key, number_of in groups.items()],
    )
