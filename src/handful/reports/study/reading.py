"""Studies read from their folders of results and put together."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handful.errors import HandfulError
from handful.reports.plots.methods import method_rank
from handful.reports.study.cell import Cell
from handful.reports.study.collection import Collection
from handful.reports.study.labels import STUDIES_FILE, Suffixes, labelled_runs, read_suffixes
from handful.results.folder import COLUMNS, StudyResults, read_studies, schema, weakest_kind
from handful.results.frames import import_polars
from handful.results.labels import split_variant
from handful.types import NumpyArray

if TYPE_CHECKING:
    import polars as pl


def collect(studies: Mapping[str, StudyResults], suffixes: Suffixes) -> Collection:
    """Put studies together; a run that is in two of them counts for the first.

    Args:
        studies: by name.
        suffixes: nothing follows the methods' names of a study that is not in it.
    """
    return _collection(studies, studies, suffixes)


def read_collection(root: Path) -> Collection:
    """Every study in a folder of results and the folders in it, or those that its list names.

    Raises:
        HandfulError: if there is no table of runs, or one is damaged.
    """
    studies, suffixes = read_studies(root), read_suffixes(root / STUDIES_FILE)
    if not studies:
        raise HandfulError(
            f"There is no table of runs in '{root}' nor in a folder in it: check the path; "
            f"'handful sweep' writes one."
        )
    listed = {name: studies[name] for name in suffixes or studies if name in studies}
    if not listed:
        raise HandfulError(
            f"'{root / STUDIES_FILE}' lists none of the studies beside it: they are "
            f"{', '.join(studies)}."
        )
    # Variants of one method are compared with each other, not with the studies of all methods.
    return _collection(listed, studies, suffixes)


def _collection(
    listed: Mapping[str, StudyResults], studies: Mapping[str, StudyResults], suffixes: Suffixes
) -> Collection:
    """Of the listed studies, and beside them of those of all studies that have variants."""
    varied = _with_variants(studies)
    sources = list({**listed, **varied}.values())
    return Collection(
        _cells(listed, suffixes),
        environments=_environments(sources),
        variants=_cells(varied, {}),
        **{kind: _kept(sources, kind) for kind in COLUMNS},
    )


def _environments(studies: Iterable[StudyResults]) -> dict[str, Mapping[str, Any]]:
    """What each run's manifest says of its environment: the run's own, or else its task's."""
    found: dict[str, Mapping[str, Any]] = {}
    for study in studies:
        manifest = study.manifest or {"environments": {}, "runs": []}
        for run in manifest["runs"]:
            environment = run.get("environment") or manifest["environments"].get(run["task"])
            if environment:
                found.setdefault(run["digest"], environment)
    return found


def _kept(studies: Iterable[StudyResults], kind: str) -> "pl.DataFrame":
    """The users, curves or walks of every run, once: of the first study that kept the run's."""
    pl = import_polars()
    table = pl.DataFrame(schema=schema(kind))
    for study in studies:
        others = getattr(study, kind).join(table, on="digest", how="anti", maintain_order="left")
        table = pl.concat([table, others])
    return table


def _with_variants(studies: Mapping[str, StudyResults]) -> dict[str, StudyResults]:
    return {
        name: study
        for name, study in studies.items()
        if any(split_variant(method)[1] for method in study.runs["method"])
    }


def _cells(studies: Mapping[str, StudyResults], suffixes: Suffixes) -> tuple[Cell, ...]:
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in labelled_runs(studies, suffixes):
        key = (row["task"], row["policies"], row["label"], row["users"], row["steps"])
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups, key=lambda key: (*key[:2], method_rank(key[2]), *key[3:]))
    return tuple(_cell(key, groups[key]) for key in ordered)


def _cell(key: tuple, rows: list[dict[str, Any]]) -> Cell:
    rows = sorted(rows, key=lambda row: row["seed"])
    task, policies, label, users, steps = key
    return Cell(
        task=task,
        label=label,
        policies=policies,
        users=users,
        steps=steps,
        seeds=tuple(row["seed"] for row in rows),
        welfare=np.array([row["welfare"] for row in rows], dtype=float),
        percent=_known(rows, "percent_of_optimum"),
        optima=_known(rows, "optimum"),
        optimum_kind=weakest_kind(row["optimum_kind"] for row in rows),
        digests=tuple(row["digest"] for row in rows),
        worst=np.array([row["worst_user_return"] for row in rows], dtype=float),
    )


def _known(rows: list[dict[str, Any]], name: str) -> NumpyArray:
    """[R] a column; empty unless every run has it."""
    values = [row[name] for row in rows]
    return np.array([] if None in values else values, dtype=float)
