"""The runs of several studies together, as the figures and the claims look at them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handful.errors import HandfulError
from handful.reports.plots.methods import method_rank, split_variant
from handful.reports.statistics import mean_and_error
from handful.results.folder import COLUMNS, StudyResults, read_study_results, run_tables, schema
from handful.results.frames import import_polars
from handful.types import NumpyArray

if TYPE_CHECKING:
    import polars as pl

STUDIES_FILE = "studies.yaml"
"""In the folder of all results: which studies belong together, and their methods' suffixes."""


@dataclass(frozen=True, eq=False)
class Cell:
    """The runs of one method on one task with one budget: they differ in their seeds only.

    Attributes:
        task, label: the method's label is its name, and what its study's settings are called.
        policies, users, steps: budget k, n, transitions per policy that were asked for.
        seeds: [R] of the runs.
        welfare: [R].
        percent: [R] of the optimum or of the bound; empty where neither is known.
        optimum: mean over the seeds, or None.
        optimum_kind: "exact" or "upper bound", or None.
        digests: [R] of the runs.
        worst: [R] the lowest return of a user.
    """

    task: str
    label: str
    policies: int
    users: int
    steps: int
    seeds: tuple[int, ...]
    welfare: NumpyArray
    percent: NumpyArray
    optimum: float | None
    optimum_kind: str | None
    digests: tuple[str, ...]
    worst: NumpyArray

    @property
    def mean(self) -> float:
        """Of welfare over seeds."""
        return mean_and_error(self.welfare)[0]

    @property
    def stderr(self) -> float | None:
        """Of that mean; None for one seed."""
        return mean_and_error(self.welfare)[1]


@dataclass(frozen=True, eq=False)
class Collection:
    """Runs by task, method and budget, and what is kept of them besides.

    Attributes:
        cells: in the order of tasks, budgets and methods.
        users, curves, walks: of all runs, with the columns of `handful.results.folder.COLUMNS`.
        environments: by task, where it is known.
        variants: the cells of those studies that vary a method's settings, whether or not they are
            among `cells` too. Their labels have no suffix.
    """

    cells: tuple[Cell, ...]
    users: "pl.DataFrame"
    curves: "pl.DataFrame"
    walks: "pl.DataFrame"
    environments: Mapping[str, Mapping[str, Any]]
    variants: tuple[Cell, ...] = ()

    @property
    def tasks(self) -> list[str]:
        """Every task, in order."""
        return list(dict.fromkeys(cell.task for cell in self.cells))

    def labels(self, task: str | None = None) -> list[str]:
        """Every method's label, on one task or on any, in the order of legends."""
        found = {cell.label for cell in self.cells if task in (None, cell.task)}
        return sorted(found, key=method_rank)

    def of(self, task: str, label: str | None = None, policies: int | None = None) -> list[Cell]:
        """The cells of a task, of one method or budget where these are given."""
        return [
            cell
            for cell in self.cells
            if cell.task == task
            and label in (None, cell.label)
            and policies in (None, cell.policies)
        ]

    def one(self, task: str, label: str, policies: int) -> Cell | None:
        """The cell with the most transitions a policy, and then the most seeds, if there is one.

        Only of those with :meth:`usual_users`: budgets are compared for the same number of users.
        """
        users = self.usual_users(task)
        return most_complete(c for c in self.of(task, label, policies) if c.users == users)

    def usual_users(self, task: str) -> int | None:
        """How many users most of a task's runs have; None of a task without runs."""
        runs = Counter[int]()
        for cell in self.of(task):
            runs[cell.users] += len(cell.seeds)
        return max(runs, key=lambda users: (runs[users], -users), default=None)

    def curves_of(self, cell: Cell) -> Iterator[tuple[NumpyArray, NumpyArray, NumpyArray]]:
        """Transitions, seconds and welfare [U] of each run whose curve was kept."""
        for digest in cell.digests:
            rows = self.curves.filter(digest=digest)
            if len(rows) > 1:
                columns = ("transitions", "seconds", "welfare")
                one, two, three = (rows[name].to_numpy().astype(float) for name in columns)
                yield one, two, three

    def users_of(self, cell: Cell) -> "Iterator[pl.DataFrame]":
        """A table of users for each run whose users were kept."""
        for digest in cell.digests:
            rows = self.users.filter(digest=digest)
            if len(rows):
                yield rows

    def walks_of(self, digest: str) -> list[NumpyArray]:
        """Each policy's tiles [T, 2] after every step of an episode, if its walks were kept."""
        rows = self.walks.filter(digest=digest)
        walks = rows.partition_by("policy", maintain_order=True)
        return [walk.select("row", "column").to_numpy().astype(int) for walk in walks]


def most_complete(cells: Iterable[Cell]) -> Cell | None:
    """The one with the most transitions a policy, and then the most seeds, if there is any."""
    return max(cells, key=lambda cell: (cell.steps, len(cell.seeds)), default=None)


def collect(studies: Mapping[str, StudyResults], suffixes: Mapping[str, str]) -> Collection:
    """Put studies together; a run that is in two of them counts for the first.

    Args:
        studies: by name.
        suffixes: by name, what follows the names of the study's methods; "" for nothing.
    """
    pl = import_polars()
    environments: dict[str, Mapping[str, Any]] = {}
    for study in studies.values():
        environments |= (study.manifest or {}).get("environments", {})
    tables = {
        kind: pl.concat(
            [pl.DataFrame(schema=schema(kind)), *(getattr(s, kind) for s in studies.values())]
        )
        for kind in COLUMNS
    }
    return Collection(
        _cells(studies, suffixes),
        environments=environments,
        variants=_cells(_with_variants(studies), {}),
        **tables,
    )


def read_collection(root: Path, only: Path | None = None) -> Collection:
    """Every study under a folder of results, or those that its `STUDIES_FILE` lists.

    Args:
        root: the folder of results, with a folder a study.
        only: one study's folder, to look at nothing else.

    Raises:
        HandfulError: if there is no table of runs, or one is damaged.
    """
    folders = [only] if only else sorted(path for path in root.glob("*") if path.is_dir())
    studies = {}
    for folder in folders:
        for parquet in run_tables(folder):
            studies[parquet.stem] = read_study_results(parquet)
    suffixes = {} if only else _read_suffixes(root / STUDIES_FILE)
    listed = {name: studies[name] for name in suffixes or studies if name in studies}
    if not listed:
        raise HandfulError(
            f"There is no table of runs under '{only or root}': 'handful sweep' writes one."
        )
    # Variants of one method are compared with each other, not with the studies of all methods.
    return replace(collect(listed, suffixes), variants=_cells(_with_variants(studies), {}))


def _read_suffixes(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise HandfulError(f"'{path}' is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise HandfulError(
            f"'{path}' must be lines 'study: words after its methods' names', the words in quotes."
        )
    return values


def _with_variants(studies: Mapping[str, StudyResults]) -> dict[str, StudyResults]:
    return {
        name: study
        for name, study in studies.items()
        if any(split_variant(method)[1] for method in study.runs["method"])
    }


def _cells(studies: Mapping[str, StudyResults], suffixes: Mapping[str, str]) -> tuple[Cell, ...]:
    rows: dict[str, dict[str, Any]] = {}
    for name, study in studies.items():
        for row in study.runs.to_dicts():
            label = ", ".join(part for part in (row["method"], suffixes.get(name, "")) if part)
            rows.setdefault(row["digest"], {**row, "label": label})
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows.values():
        key = (row["task"], row["policies"], row["label"], row["users"], row["steps"])
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups, key=lambda key: (*key[:2], method_rank(key[2]), *key[3:]))
    return tuple(_cell(key, groups[key]) for key in ordered)


def _cell(key: tuple, rows: list[dict[str, Any]]) -> Cell:
    rows = sorted(rows, key=lambda row: row["seed"])
    optima = [row["optimum"] for row in rows if row["optimum"] is not None]
    percents = [row["percent_of_optimum"] for row in rows]
    task, policies, label, users, steps = key
    return Cell(
        task=task,
        label=label,
        policies=policies,
        users=users,
        steps=steps,
        seeds=tuple(row["seed"] for row in rows),
        welfare=np.array([row["welfare"] for row in rows], dtype=float),
        percent=np.array([p for p in percents if p is not None], dtype=float),
        optimum=float(np.mean(optima)) if optima else None,
        optimum_kind=rows[0]["optimum_kind"],
        digests=tuple(row["digest"] for row in rows),
        worst=np.array([row["worst_user_return"] for row in rows], dtype=float),
    )
