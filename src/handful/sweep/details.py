"""The files beside the table of a study's runs: their users, learning curves and versions.

And what the tasks have kept of their own runs (:class:`~handful.results.tables.KeptTable`).

With these files every figure can be drawn again from the results folder when the run folders are
gone.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handful._support.files import read_json, write_json
from handful.errors import HandfulError
from handful.results.tables import (
    COLUMNS,
    MANIFEST_FORMAT,
    KeptTable,
    all_kinds,
    import_polars,
    kept_tables,
    manifest_path,
    read_beside,
    read_manifest,
    schema,
    sibling,
    write_parquet,
)
from handful.run_folder import RunFolder
from handful.sweep.study import RunRequest, Study
from handful.sweep.table import rows_of_gone_methods, run_row, stored_rows, telling_damage

if TYPE_CHECKING:
    import polars as pl

POINTS = 100
"""The number of moments of a learning curve that are kept."""

Rows = list[dict[str, Any]]


def write_details(
    parquet: Path,
    study: Study,
    requests: Sequence[RunRequest],
    command: str,
    errors: Mapping[str, str] | None = None,
) -> tuple[list[Path], dict[str, str]]:
    """Write the tables beside the table of runs, and what was asked for.

    Rows of runs whose folders, or files that they were made from, are gone or damaged stay as they
    are, and so do those of methods that left the library.

    Args:
        parquet: the table of runs, which is there already.
        study: the study, read from its file.
        requests: all its runs.
        command: the command that made the table.
        errors: the reason why a run failed just now, by the run's digest.

    Returns:
        what was written, and by a run's digest, why its files could not be read.
    """
    written, unreadable = [], {}
    kept = rows_of_gone_methods(stored_rows(parquet))
    digests = [*(request.digest for request in requests), *kept]
    for kind in all_kinds():
        stored = read_beside(parquet, kind)
        fresh, told = _fresh(kind, requests, set(stored["digest"]))
        unreadable |= told
        table = _merged(stored, fresh, kind, digests)
        if len(table):
            write_parquet(sibling(parquet, kind), table)
            written.append(sibling(parquet, kind))
    before, path = read_manifest(parquet) or {}, manifest_path(parquet)
    errors = {**unreadable, **(errors or {})}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, manifest(parquet, study, requests, command, before, errors))
    return [*written, path], unreadable


def _fresh(
    kind: str, requests: Sequence[RunRequest], stored: set[str]
) -> tuple[dict[str, Rows], dict[str, str]]:
    """Read the folders of finished runs, and say why some cannot be read; both by digest.

    Args:
        stored: digests of runs that have rows already, which are better than a folder that lacks
            the file.
    """
    rows_of, source = sources()[kind]
    fresh: dict[str, Rows] = {}
    unreadable: dict[str, str] = {}
    for request in requests:
        folder, digest = RunFolder(request.folder), request.digest
        is_there = source(folder).is_file() or digest not in stored
        if folder.is_finished and is_there:
            try:
                with telling_damage(folder):
                    folder.read_evaluation()  # whatever file the rows come from, it is checked
                    rows = rows_of(request)
            except HandfulError as error:
                unreadable[digest] = str(error)
            else:
                fresh |= {digest: rows} if rows else {}
    return fresh, unreadable


def user_rows(request: RunRequest) -> Rows:
    """Make a row for each user of a run: their numbers, the policy that serves them, and how well.

    A run with very many users lists none in its evaluation, and has no rows here. Beside the
    columns of every task there is one for each attribute of the users that is a number, and, as
    ``policy_NAME``, the mean of each number that a step's outcome has, over the traced episode of
    the user's policy.
    """
    folder = RunFolder(request.folder)
    record, problem = folder.read_evaluation(), folder.read_config()["problem"]
    if "users" not in record:
        return []
    known = {
        name: values
        for name, values in problem.get("attributes", {}).items()
        if name not in COLUMNS["users"] and _are_numbers(values)
    }
    means = [_means(trace) for trace in _traces(folder)]
    names = dict.fromkeys(name for found in means for name in found)
    utilities = record["deterministic"]["utilities"]
    served = zip(record["users"], record["assignment"], utilities, strict=True)
    return [
        {
            "digest": request.digest,
            "user": user,
            "policy": policy,
            "return": utility,
            **{name: values[i] for name, values in known.items()},
            **{f"policy_{name}": means[policy].get(name) for name in names},
        }
        for i, (user, policy, utility) in enumerate(served)
    ]


def curve_rows(request: RunRequest) -> Rows:
    """Make a row for each of some hundred updates, the first and the last among them."""
    records = RunFolder(request.folder).read_metrics()
    kept = np.unique(np.linspace(0, len(records) - 1, POINTS).astype(int)) if records else []
    columns = ("transitions", "seconds", "welfare")
    return [
        {"digest": request.digest, **{name: records[i][name] for name in columns}} for i in kept
    ]


def kept_rows(table: KeptTable, request: RunRequest) -> Rows:
    """Return the rows of a table that the run's task has kept; none of another task's run."""
    if table.kind not in kept_tables([request.task]):
        return []
    rows = table.rows(_traces(RunFolder(request.folder)))
    return [{"digest": request.digest, **row} for row in rows]


def sources() -> dict[str, tuple[Callable[[RunRequest], Rows], Callable[[RunFolder], Path]]]:
    """Return what makes the rows of each kind, and the file of a run that they need."""
    return {
        "users": (user_rows, lambda folder: folder.traces),
        "curves": (curve_rows, lambda folder: folder.metrics),
        **{
            kind: (partial(kept_rows, table), lambda folder: folder.traces)
            for kind, table in kept_tables().items()
        },
    }


def manifest(
    parquet: Path,
    study: Study,
    requests: Sequence[RunRequest],
    command: str,
    before: Mapping[str, Any],
    errors: Mapping[str, str],
) -> dict[str, Any]:
    """Describe the runs that a study asks for, and what became of each, as JSON.

    Args:
        before: the manifest so far, for what is known of runs whose folders are gone, and of those
            that failed in an earlier sweep, as long as their folders hold no whole results.
        errors: the reason why a run failed just now, by the run's digest.
    """
    stored = stored_rows(parquet)
    earlier = {run["digest"]: run for run in before.get("runs", ())}
    environments = dict(before.get("environments", {}))
    runs = []
    for request in requests:
        folder, config = RunFolder(request.folder), request.config
        old, found = earlier.get(request.digest, {}), _circumstances(folder)
        error = errors.get(request.digest) or _standing_error(old.get("error"), request)
        run = {
            "digest": request.digest,
            "task": request.task,
            "method": request.label,
            "policies": config.num_policies,
            "seed": config.seed,
            "state": _state(folder, request.digest in stored, error),
            "error": error,
            **{name: (found or old).get(name) for name in ("versions", "machine")},
        }
        # Runs on one task may have different maps: a group of a study has parameters of its own.
        environment = (found or old).get("environment")
        if environment and environment != environments.setdefault(request.task, environment):
            run["environment"] = environment
        if request.variant:
            run["variant"] = request.variant
        run |= {n: value for n, value in request.chosen.items() if value != getattr(study, n)}
        runs.append(run)
    runs += [earlier[digest] for digest in rows_of_gone_methods(stored) if digest in earlier]
    return {
        "format": MANIFEST_FORMAT,
        "study": study.name,
        "command": command,
        "steps": study.steps,
        "preset": study.preset,
        "settings": dict(study.settings),
        "method_settings": {name: dict(values) for name, values in study.method_settings.items()},
        "training": dict(study.training),
        "parameters": {name: dict(values) for name, values in study.parameters.items()},
        "environments": environments,
        "runs": runs,
    }


def _circumstances(folder: RunFolder) -> dict[str, Any]:
    """Return the circumstances of a finished run.

    They are empty for other runs, and for damaged ones.
    """
    if folder.is_finished:
        with contextlib.suppress(HandfulError), telling_damage(folder):
            stored = folder.read_config()
            about = {name: stored[name] for name in ("versions", "machine")}
            return {**about, "environment": stored["problem"]["environment"]}
    return {}


def _standing_error(error: str | None, request: RunRequest) -> str | None:
    """Find why a run failed in an earlier sweep, unless its folder holds whole results by now."""
    folder = RunFolder(request.folder)
    if error is None or not _circumstances(folder):
        return error
    try:
        run_row(request)
        with telling_damage(folder):
            folder.read_evaluation()
            for rows_of, _ in sources().values():
                rows_of(request)
    except HandfulError:
        return error
    return None


def _state(folder: RunFolder, is_known: bool, error: str | None) -> str:
    if is_known:
        return "finished"
    if error:
        return "failed"
    if folder.is_finished:
        return "finished"
    return "unfinished" if folder.path.is_dir() else "not started"


def _merged(
    stored: "pl.DataFrame",
    fresh: Mapping[str, Rows],
    kind: str,
    digests: Sequence[str],
) -> "pl.DataFrame":
    """Join the rows that were read from run folders with the stored rows of all other runs.

    Args:
        digests: the runs of the table, in its order.
    """
    pl = import_polars()
    rows = [row for digest in fresh for row in fresh[digest]]
    kept = stored.filter(pl.col("digest").is_in(set(digests) - fresh.keys()))
    columns = schema(kind)
    more = dict.fromkeys(name for row in rows for name in row if name not in columns)
    made = pl.DataFrame(rows, schema={**columns, **dict.fromkeys(more, pl.Float32)})
    table = pl.concat([kept, made], how="diagonal_relaxed")
    order = pl.DataFrame(
        {"digest": digests, "order": range(len(digests))},
        schema={"digest": pl.String, "order": pl.Int64},
    )
    table = table.join(order, on="digest", maintain_order="left").sort("order", maintain_order=True)
    return table.drop("order")


def _traces(folder: RunFolder) -> list[dict[str, Any]]:
    return read_json(folder.traces) if folder.traces.is_file() else []


def _are_numbers(values: Any) -> bool:
    """Return whether all entries of a list are numbers; True and False do not count as numbers."""
    return isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _means(trace: Mapping[str, Any]) -> dict[str, float]:
    """Compute the mean of each number of an outcome over the steps of a traced episode."""
    return {name: float(np.mean(v)) for name, v in trace.items() if v and _are_numbers(v)}
