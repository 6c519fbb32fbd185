"""A study's results: one row a run, and means with standard errors over seeds."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful._support.files import write_text
from handful.errors import HandfulError
from handful.methods import METHODS
from handful.results.labels import split_variant
from handful.results.tables import (
    check_place,
    import_polars,
    read_runs,
    weakest_kind,
    write_parquet,
)
from handful.run_folder import RunFolder
from handful.sweep.study import RunRequest

if TYPE_CHECKING:
    import polars as pl
from collections.abc import Container

from handful._support.text import count
from handful.training.records.run_reader import is_of_todays_method, stored_run


@contextmanager
def telling_damage(folder: RunFolder) -> Iterator[None]:
    """Within the block, turn missing or wrong entries into an error of one sentence.

    Raises:
        HandfulError: instead of what they cause.
    """
    try:
        yield
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise HandfulError(
            f"The results in '{folder.path}' are damaged ({type(error).__name__}: {error}): remove "
            f"its {folder.evaluation.name}, and the run is evaluated again."
        ) from None


GROUP = ("task", "method", "policies", "users", "steps")
"""The columns in which the seeds of one method agree."""

MEASURES = {
    "welfare": "welfare",
    "soft_welfare": "under soft α",
    "reassigned_welfare": "best reassignment",
    "stochastic_welfare": "sampled actions",
    "worst_user_return": "worst user",
    "percent_of_optimum": "% of best possible",
}
"""The columns that are averaged over seeds, and their titles on the page."""


def run_row(request: RunRequest) -> dict[str, Any]:
    """Make a row of the table from a finished run.

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
    """Read the rows of an earlier table, by the digest of their run; none if there is no table.

    Raises:
        HandfulError: if the table is damaged, or would share files with that of another study.
    """
    if not parquet.is_file():
        check_place(parquet)
        return {}
    return {row["digest"]: row for row in read_runs(parquet).to_dicts()}


def rows_of_gone_methods(
    stored: Mapping[str, dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return those rows of a study's own table, by digest, whose methods left the library.

    No study can ask for these runs again, so its table keeps them as they are.
    """
    return {
        digest: row
        for digest, row in stored.items()
        if METHODS.is_gone(split_variant(row["method"])[0])
    }


def build_table(
    requests: Sequence[RunRequest],
    stored: Mapping[str, dict[str, Any]],
    kept: Iterable[dict[str, Any]] = (),
) -> "pl.DataFrame | None":
    """Make a table with a row for each finished run, in the study's order; None if there is none.

    A variant of the study stands there as a method of its own.

    Args:
        stored: rows of an earlier table, by digest: they stand for runs whose folders are gone or
            damaged.
        kept: further rows, which stand at the end as they are (:func:`rows_of_gone_methods`).
    """
    found = [(request, _row_of(request, stored)) for request in requests]
    rows = [{**row, "method": request.label} for request, row in found if row is not None]
    rows += kept
    return import_polars().DataFrame(rows, infer_schema_length=None) if rows else None


def _row_of(request: RunRequest, stored: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    if RunFolder(request.folder).is_finished:
        with contextlib.suppress(HandfulError):  # told by whoever looks at the run's files
            return run_row(request)
    return stored.get(request.digest)


def summarize(table: "pl.DataFrame") -> "pl.DataFrame":
    """Compute means and standard errors over seeds, of runs that agree in the columns of `GROUP`.

    A number that is not known for every seed is null, as a mean of some seeds would look like a
    mean of all of them.
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
    """Keep a value only if every run has an entry in a column."""
    pl = import_polars()
    return pl.when(pl.col(name).is_not_null().all()).then(value)


def summary_page(name: str, summary: "pl.DataFrame", command: str) -> str:
    """Write the summary as a Markdown page."""
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
    """Write every run as Parquet, and the summary as a page beside it."""
    page = parquet.with_suffix(".md")
    write_parquet(parquet, table)
    write_text(page, summary_page(parquet.stem, summarize(table), command))
    return [parquet, page]


def _cell(mean: float | None, stderr: float | None = None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.2f}" if stderr is None else f"{mean:.2f} ± {stderr:.2f}"


def check_nothing_is_lost(
    parquet: Path,
    stored: Mapping[str, dict[str, Any]],
    reused: Container[str],
    requests: Sequence[RunRequest],
    out: Path,
) -> None:
    """Check that no row is lost when a table is written again with the runs that a study asks for.

    A row of a run that the study asks for with other settings, or of an earlier revision of its
    method, makes room for that run. Rows of methods that left the library stay.

    Args:
        parquet: the study's table.
        stored: its rows, by digest.
        reused: digests of the rows of other tables.
        requests: all runs of the study.
        out: the folder in which its run folders are.

    Raises:
        HandfulError: if a row that the study does not ask for has no run folder any more.
    """
    asked = {request.digest for request in requests} | rows_of_gone_methods(stored).keys()
    spare = [digest for digest in stored if digest not in asked and digest not in reused]
    folders = _digests_in(out) if spare else set()
    # What a study names a run by.
    places = {(r.task, r.label, r.config.num_policies, r.config.seed) for r in requests}
    lost = [
        row
        for row in (stored[digest] for digest in spare if digest not in folders)
        if (row["task"], row["method"], row["policies"], row["seed"]) not in places
    ]
    if lost:
        row = lost[0]
        raise HandfulError(
            f"The table '{parquet}' holds {count(len(lost), 'run')} that the study does not ask "
            f"for and whose folders are not in '{out}' any more, like {row['method']} on "
            f"{row['task']} with k = {row['policies']}, seed {row['seed']} and {row['steps']:,} "
            f"steps: ask for them again, or move the table and the files beside it away."
        )


def _digests_in(out: Path) -> set[str]:
    """Find the digests of the finished runs whose folders exist and are whole."""
    found = set()
    for config in out.glob("*/config.json"):
        folder = RunFolder(config.parent)
        if not folder.is_finished:
            continue
        try:
            stored, settings = stored_run(folder)
        except HandfulError:  # damaged: its results cannot be read again
            continue
        if is_of_todays_method(stored, settings.make_method()):
            problem = stored["problem"]
            request = RunRequest(problem["name"], problem["parameters"], settings, folder.path)
            found.add(request.digest)
    return found
