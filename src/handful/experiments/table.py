"""A study's results: one row a run, and means with standard errors over seeds."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful.errors import HandfulError
from handful.experiments.damage import telling_damage
from handful.experiments.study import RunRequest
from handful.files import write_text
from handful.results.folder import check_place, read_runs, weakest_kind
from handful.results.frames import import_polars, write_parquet
from handful.runs import RunFolder

if TYPE_CHECKING:
    import polars as pl

GROUP = ("task", "method", "policies", "users", "steps")
"""Runs that are alike in these are seeds of one method."""

MEASURES = {
    "welfare": "welfare",
    "soft_welfare": "under soft α",
    "reassigned_welfare": "best reassignment",
    "stochastic_welfare": "sampled actions",
    "worst_user_return": "worst user",
    "percent_of_optimum": "% of best possible",
}
"""Columns that are averaged over seeds, and what the page calls them."""


def run_row(request: RunRequest) -> dict[str, Any]:
    """One finished run as a row.

    Raises:
        HandfulError: if its results are damaged.
    """
    folder = RunFolder(request.folder)
    record = folder.read_evaluation()
    with telling_damage(folder):
        return _row(request, record)


def _row(request: RunRequest, record: Mapping[str, Any]) -> dict[str, Any]:
    config = request.config
    return {
        "digest": request.digest,
        "task": request.task,
        "method": config.method,
        "policies": config.num_policies,
        "users": record["num_users"],
        "seed": config.seed,
        "steps": config.steps,
        "transitions": record["transitions"],
        "seconds": record["seconds"],
        "welfare": record["welfare"],
        "welfare_stderr": record["welfare_stderr"],
        "soft_welfare": record["soft_welfare"],
        "reassigned_welfare": record["reassigned_welfare"],
        "stochastic_welfare": record["stochastic"]["welfare"],
        "worst_user_return": record["worst_user_return"],
        "optimum": record["optimum"],
        "optimum_kind": record["optimum_kind"],
        "percent_of_optimum": record["percent_of_optimum"],
    }


def stored_rows(parquet: Path) -> dict[str, dict[str, Any]]:
    """The rows of an earlier table, by the digest of their run; none if there is no table.

    Raises:
        HandfulError: if the table is damaged, or would share files with that of another study.
    """
    if not parquet.is_file():
        check_place(parquet)
        return {}
    return {row["digest"]: row for row in read_runs(parquet).to_dicts()}


def build_table(
    requests: Sequence[RunRequest], stored: Mapping[str, dict[str, Any]]
) -> "pl.DataFrame | None":
    """A row for each finished run, in the study's order; None where no run is finished.

    A variant of the study stands there as a method of its own.

    Args:
        stored: rows of an earlier table, by digest: they stand for runs whose folders are gone or
            damaged.
    """
    found = [(request, _row_of(request, stored)) for request in requests]
    rows = [{**row, "method": request.label} for request, row in found if row is not None]
    return import_polars().DataFrame(rows, infer_schema_length=None) if rows else None


def _row_of(request: RunRequest, stored: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    if RunFolder(request.folder).is_finished:
        with contextlib.suppress(HandfulError):  # told by whoever looks at the run's files
            return run_row(request)
    return stored.get(request.digest)


def summarize(table: "pl.DataFrame") -> "pl.DataFrame":
    """Mean and standard error over seeds of runs that are alike in the columns of `GROUP`.

    What is not known of every seed is null: a mean of some is no mean of as many as are counted.
    """
    pl = import_polars()
    count = pl.len().alias("seeds")
    means = [_if_complete(name, pl.col(name).mean()) for name in MEASURES]
    errors = [
        _if_complete(name, pl.col(name).std() / pl.len().sqrt()).alias(f"{name}_stderr")
        for name in MEASURES
    ]
    worst = pl.col("welfare").min().alias("welfare_min")
    # Seeds that draw users of their own have optima of their own.
    optimum = _if_complete("optimum", pl.col("optimum").mean())
    kind = pl.col("optimum_kind").map_batches(
        weakest_kind, return_dtype=pl.String, returns_scalar=True
    )
    columns = pl.all().exclude("welfare_stderr")
    return (
        table.select(columns)
        .group_by(GROUP, maintain_order=True)
        .agg(count, *means, *errors, worst, optimum, _if_complete("optimum", kind))
        .sort("task", "policies", "method", "users", "steps")
    )


def _if_complete(name: str, value: "pl.Expr") -> "pl.Expr":
    """A value of runs, where each of them has something in a column."""
    pl = import_polars()
    return pl.when(pl.col(name).is_not_null().all()).then(value)


def summary_page(name: str, summary: "pl.DataFrame", command: str) -> str:
    """The summary as a Markdown page."""
    about = {"task": "task", "method": "method", "k": "policies", "n": "users"}
    if summary["steps"].n_unique() > 1:
        about["steps"] = "steps"
    about["seeds"] = "seeds"
    header = [*about, *MEASURES.values(), "worst seed", "best possible"]
    lines = [
        f"# {name}",
        "",
        f"Made by `{command}`. There are k policies for n users. Welfare is the mean over users of "
        "their undiscounted return on evaluation episodes that training never saw, with "
        "deterministic actions unless said otherwise; each number is the mean over training seeds "
        "± its standard error. The best reassignment gives users whoever was best for them in half "
        "of the episodes, and is measured on the others. The best possible is the exact optimum, "
        "or where it has a ≤ an upper bound on it.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + " --- |" * len(header),
    ]
    for row in summary.iter_rows(named=True):
        told = [row[name] for name in about.values()]
        cells = [f"{value:,}" if isinstance(value, int) else value for value in told]
        cells += [_cell(row[measure], row[f"{measure}_stderr"]) for measure in MEASURES]
        limit = "≤ " if row["optimum_kind"] == "upper bound" else ""
        cells += [_cell(row["welfare_min"]), limit + _cell(row["optimum"])]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def write_table(parquet: Path, table: "pl.DataFrame", command: str) -> list[Path]:
    """Every run as Parquet, and the summary as a page beside it."""
    page = parquet.with_suffix(".md")
    write_parquet(parquet, table)
    write_text(page, summary_page(parquet.stem, summarize(table), command))
    return [parquet, page]


def _cell(mean: float | None, stderr: float | None = None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.2f}" if stderr is None else f"{mean:.2f} ± {stderr:.2f}"
