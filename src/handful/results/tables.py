"""The files of a study's results: a row for each run, and the data of the figures.

``NAME.parquet`` has a row for each run. ``NAME-users.parquet`` has a row for each user of a run,
and ``NAME-curves.parquet`` has some hundred moments of a run's training. ``NAME.json`` says which
runs were asked for, with their settings. A task may keep a table of its own too, such as
``NAME-walks.parquet`` (:class:`KeptTable`). All of them name a run by its digest. Runs from before
these files existed have no rows in them.
"""

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful._support.files import read_json, read_whole, write_atomically
from handful._support.installing import install_command
from handful.catalogue import task_of_run, tasks
from handful.errors import HandfulError
from handful.parameters import find_object
from handful.users.parquet import Damaged, read_frame

if TYPE_CHECKING:
    import polars as pl

COMPRESSION_LEVEL = 19
"""The level of zstd: the tables are committed, written once and read often."""


def import_polars() -> Any:
    """Return the module polars.

    Raises:
        HandfulError: if it is not installed.
    """
    try:
        import polars as pl
    except ImportError:
        raise HandfulError(f"Studies need PyYAML and polars: {install_command('sweep')}.") from None
    return pl


def read_parquet(path: Path) -> "pl.DataFrame":
    """Return a Parquet file as a table.

    Raises:
        HandfulError: if the file is missing, damaged, too large or not a Parquet file.
    """
    import_polars()
    source = f"'{path}'"
    try:
        return read_frame(read_whole(path, source), source)
    except Damaged as error:
        raise HandfulError(
            f"{source} is not a Parquet file that can be read ({error}): move it away, or put "
            f"a sound one in its place."
        ) from None


def write_parquet(path: Path, table: "pl.DataFrame") -> None:
    """Write a small file with a table, all or nothing.

    Raises:
        OSError: if it cannot be written.
    """
    pl = import_polars()

    def write(temporary: Path) -> None:
        try:
            table.write_parquet(temporary, compression="zstd", compression_level=COMPRESSION_LEVEL)
        except pl.exceptions.ComputeError as error:  # a full disk, for which others have an OSError
            raise OSError(errno.EIO, " ".join(str(error).split()), str(path)) from None

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write)


RUN_COLUMNS = (
    "digest",
    "task",
    "method",
    "policies",
    "users",
    "seed",
    "steps",
    "transitions",
    "seconds",
    "welfare",
    "worst_user_return",
    "optimum",
    "optimum_kind",
    "percent_of_optimum",
)
"""The columns of the table of runs that readers rely on; there are more."""

COLUMNS: dict[str, dict[str, str]] = {
    "users": {
        "digest": "String",
        "user": "String",
        "policy": "UInt16",
        "return": "Float32",
    },
    "curves": {
        "digest": "String",
        "transitions": "UInt32",
        "seconds": "Float32",
        "welfare": "Float32",
    },
}
"""The columns of every task's files and their types in polars, by the file's suffix. The table of
users has more: the numbers that are known of the users, and those of their policies."""

OPEN_KINDS = ("users",)
"""The kinds of tables that may have more columns, of numbers."""


@dataclass(frozen=True)
class KeptTable:
    """A table that a sweep keeps of the runs of one task, besides those of all runs.

    Attributes:
        kind: the suffix of the file beside the table of runs, such as ``walks``.
        columns: polars' types of all columns but the run's digest, by name.
        rows: a function of a run's traces (``traces.json``: an episode of each policy) that returns
            the run's rows.
    """

    kind: str
    columns: Mapping[str, str]
    rows: Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]


def kept_tables(names: Iterable[str] | None = None) -> dict[str, KeptTable]:
    """Return the tables of tasks, by the file's suffix.

    Args:
        names: the names of the tasks; by default all that are registered.
    """
    found = tasks() if names is None else filter(None, map(task_of_run, names))
    entries = dict.fromkeys(task.kept for task in found if task.kept)
    return {table.kind: table for table in map(find_object, entries)}


MANIFEST_FORMAT = 1

MANIFEST_KEYS = {
    "command": str,
    "preset": str,
    "settings": dict,
    "method_settings": dict,
    "parameters": dict,
    "environments": dict,
    "runs": list,
}
"""The entries of a manifest that readers rely on; there are more."""

MANIFEST_RUN_KEYS = ("digest", "task", "method", "policies", "seed", "state", "error", "versions")
"""The entries of each of its runs that readers rely on. A run has ``environment`` too, if that is
not the environment of its task among ``environments``."""


@dataclass(frozen=True, eq=False)
class StudyResults:
    """The results of a study, as its results folder has them.

    Attributes:
        name: the name of the study.
        runs: the table of runs, with a row for each.
        users, curves: the tables with the columns of `COLUMNS`; they may be empty.
        kept: the tables that tasks have kept, by the file's suffix; each may be empty.
        manifest: the runs that were asked for, with the command, the settings and the versions;
            None for a table from before manifests were kept.
    """

    name: str
    runs: "pl.DataFrame"
    users: "pl.DataFrame"
    curves: "pl.DataFrame"
    kept: Mapping[str, "pl.DataFrame"]
    manifest: Mapping[str, Any] | None


def weakest_kind(kinds: Iterable[str | None]) -> str | None:
    """Return the kind of several runs' mean optimum.

    If one of the runs only has a bound, so has the mean.
    """
    found = {kind for kind in kinds if kind is not None}
    return "upper bound" if "upper bound" in found else max(found, default=None)


def all_kinds() -> list[str]:
    """Return the suffixes of all tables that may lie beside a table of runs."""
    return [*COLUMNS, *kept_tables()]


def schema(kind: str) -> dict[str, Any]:
    """Return the polars types of the columns that a kind of table has at least."""
    pl = import_polars()
    columns = COLUMNS.get(kind) or {"digest": "String", **kept_tables()[kind].columns}
    return {name: getattr(pl, dtype) for name, dtype in columns.items()}


def fits(kind: str, table: "pl.DataFrame") -> bool:
    """Return whether a table has the columns of its kind.

    If it may have more columns, they must hold numbers.
    """
    found, expected = dict(table.schema), schema(kind)
    more = [dtype for name, dtype in found.items() if name not in expected]
    has_all = all(found.get(name) == dtype for name, dtype in expected.items())
    if kind in OPEN_KINDS:
        return has_all and all(dtype.is_numeric() for dtype in more)
    return has_all and not more


def sibling(parquet: Path, kind: str) -> Path:
    """Return the file of a kind beside the table of runs."""
    return parquet.with_name(f"{parquet.stem}-{kind}.parquet")


def manifest_path(parquet: Path) -> Path:
    """Return the file beside the table of runs that says which runs were asked for."""
    return parquet.with_suffix(".json")


def run_tables(folder: Path) -> list[Path]:
    """Return the tables of runs in a folder, by name, without its other tables."""
    return [path for path in sorted(folder.glob("*.parquet")) if _is_of_runs(read_parquet(path))]


def _is_of_runs(table: "pl.DataFrame") -> bool:
    # The columns decide, since a study may be named ``tiny-users``, like the users of ``tiny``.
    return {"digest", "task"} <= set(table.columns)


def read_studies(root: Path) -> dict[str, StudyResults]:
    """Return every study whose table lies in a folder of results or in a folder in it, by name.

    If several studies have files of the same name, their folder comes before their name.

    Raises:
        HandfulError: if a file is damaged or lacks a column.
    """
    folders = [root, *(path for path in sorted(root.glob("*")) if path.is_dir())]
    tables = [table for folder in folders for table in run_tables(folder)]
    times = Counter(table.stem for table in tables)
    studies = {}
    for table in tables:
        whole = table.relative_to(root).with_suffix("").as_posix()
        studies[table.stem if times[table.stem] == 1 else whole] = read_study_results(table)
    return studies


def check_place(parquet: Path) -> None:
    """Check that a study without a table would not share files with another study.

    Raises:
        HandfulError: if another study's table has the name of a file that would be kept beside this
            study's table, as with ``tiny-users`` and ``tiny``.
    """
    for kind in all_kinds():
        read_beside(parquet, kind)


def read_study_results(parquet: Path) -> StudyResults:
    """Read the table of runs and the files beside it.

    Raises:
        HandfulError: if a file is damaged or lacks a column.
    """
    runs = read_runs(parquet)
    tables = {kind: read_beside(parquet, kind) for kind in COLUMNS}
    kept = {kind: read_beside(parquet, kind) for kind in kept_tables()}
    return StudyResults(parquet.stem, runs, kept=kept, manifest=read_manifest(parquet), **tables)


def read_runs(parquet: Path) -> "pl.DataFrame":
    """Return the table of runs alone.

    Raises:
        HandfulError: if the table is damaged, lacks a column, or belongs to another study.
    """
    table = read_parquet(parquet)
    for kind in all_kinds():
        other = parquet.stem.removesuffix(f"-{kind}")
        if other != parquet.stem and not _is_of_runs(table) and fits(kind, table):
            raise HandfulError(
                f"'{parquet}' holds the {kind} of the study '{other}' and no runs: give the study "
                f"'{parquet.stem}' another name, or another folder of results."
            )
    missing = [name for name in RUN_COLUMNS if name not in table.columns]
    if missing:
        raise HandfulError(
            f"The table '{parquet}' has no column '{missing[0]}', as 'handful sweep' writes it: "
            f"move it away."
        )
    return table


def read_beside(parquet: Path, kind: str) -> "pl.DataFrame":
    """Return a table beside the table of runs; it is empty if there is no file.

    Raises:
        HandfulError: if it is damaged or lacks a column.
    """
    path, columns = sibling(parquet, kind), schema(kind)
    if not path.is_file():
        return import_polars().DataFrame(schema=columns)
    table = read_parquet(path)
    if _is_of_runs(table):
        raise HandfulError(
            f"'{path}' is the table of the study '{path.stem}', and the {kind} of the study "
            f"'{parquet.stem}' would be kept there: give one of the two another name, or another "
            f"folder of results."
        )
    if not fits(kind, table):
        raise HandfulError(
            f"The table '{path}' must have the columns {', '.join(columns)}, as 'handful sweep' "
            f"writes it: move it away."
        )
    return table


def read_manifest(parquet: Path) -> dict[str, Any] | None:
    """Return the study's manifest, or None if none was kept.

    Raises:
        HandfulError: if the file is damaged or of another format.
    """
    path = manifest_path(parquet)
    if not path.is_file():
        return None
    manifest = read_json(path)
    if not _is_manifest(manifest):
        raise HandfulError(
            f"'{path}' does not say which runs were asked for, as format {MANIFEST_FORMAT} does: "
            f"move it away."
        )
    return manifest


def _is_manifest(manifest: Any) -> bool:
    return (
        isinstance(manifest, dict)
        and manifest.get("format") == MANIFEST_FORMAT
        and all(isinstance(manifest.get(name), kind) for name, kind in MANIFEST_KEYS.items())
        and all(isinstance(run, dict) for run in manifest["runs"])
        and all(name in run for run in manifest["runs"] for name in MANIFEST_RUN_KEYS)
    )
