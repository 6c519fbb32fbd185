"""Studies read from their folders of results and put together.

What runs are called when studies are put together: those with one label are seeds of one thing.

A label is the method's name and, behind a comma, the words that the list of studies has for it.
Runs that would share a label though their settings differ have more words: those of their settings
if one study asks for both, else their studies' names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handful.errors import HandfulError
from handful.report.plots.style import method_rank
from handful.report.study.collection import Cell, Collection
from handful.results.labels import choices_of, own_choices, split_variant, with_words
from handful.results.tables import (
    StudyResults,
    import_polars,
    kept_tables,
    read_studies,
    schema,
    weakest_kind,
)
from handful.results.yaml_file import read_yaml
from handful.types import NumpyArray

if TYPE_CHECKING:
    import polars as pl

STUDIES_FILE = "studies.yaml"
"""The file in the folder of all results that says which studies belong together, and their methods'
suffixes."""

Suffixes = Mapping[str, str | Mapping[str, str]]
"""The words after the names of a study's methods, or of some of them, by study."""

Rows = list[dict[str, Any]]

ALIKE = ("task", "label", "policies", "users", "steps")
"""What runs that differ in their seeds only have in common."""


def labelled_runs(studies: Mapping[str, StudyResults], suffixes: Suffixes) -> Rows:
    """Return a row for each run, with its `label`; a run in two studies counts for the first.

    Args:
        studies: the studies, by name.
        suffixes: nothing follows the methods' names of a study that is not in it.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name, study in studies.items():
        asked = _asked(study)
        for row in study.runs.to_dicts():
            choices, words = asked.get(row["digest"], (None, []))
            label = _label(row["method"], suffixes.get(name, ""))
            more = {"label": label, "study": name, "choices": choices, "otherwise": words}
            rows.setdefault(row["digest"], {**row, **more})
    told = _told_apart(list(rows.values()), ("study",), _differ, lambda row: row["otherwise"])
    return _told_apart(told, (), _are_of_unlike_studies, lambda row: [row["study"]])


def read_suffixes(path: Path) -> Suffixes:
    """Read the list of studies; it is empty if there is no such file.

    Raises:
        HandfulError: if it cannot be read or is damaged.
    """
    if not path.is_file():
        return {}
    values = read_yaml(path, f"'{path}'")
    parts = list(values.values()) if isinstance(values, dict) else [None]
    for part in parts:
        words = part.values() if isinstance(part, dict) else [part]
        if not all(isinstance(word, str) for word in words):
            raise HandfulError(
                f"'{path}' must be lines 'study: words after its methods' names', the words in "
                f"quotes, or 'study: {{method: words}}'."
            )
    return values


def _asked(study: StudyResults) -> dict[str, tuple[str, list[str]]]:
    """Return a key of each run's choices by digest, and its choices besides the study's own."""
    manifest = study.manifest
    if manifest is None:
        return {}
    found = {}
    for run in manifest["runs"]:
        choices = choices_of(manifest, run)
        found[run["digest"]] = (choices.key, choices.words(own_choices(manifest, run)))
    return found


def _label(method: str, words: str | Mapping[str, str]) -> str:
    return with_words(method, words if isinstance(words, str) else words.get(method, ""))


def _told_apart(
    rows: Rows,
    scope: Sequence[str],
    are_mixed: Callable[[Rows], bool],
    words: Callable[[Mapping[str, Any]], Iterable[str]],
) -> Rows:
    """Return the rows with words behind the labels that mixed rows share.

    All rows of such a label and task get them, also with other budgets: a line in a figure has one
    label.

    Args:
        scope: the columns besides `ALIKE` in which rows that are compared agree.
        are_mixed: whether some of them are not seeds of one thing.
        words: the words of a row.
    """
    groups: dict[tuple, Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in (*ALIKE, *scope)), []).append(row)

    def line(row: Mapping[str, Any]) -> tuple:
        return tuple(row[name] for name in ("task", "label", *scope))

    mixed = {line(row) for group in groups.values() if are_mixed(group) for row in group}
    return [
        {**row, "label": with_words(row["label"], *words(row))} if line(row) in mixed else row
        for row in rows
    ]


def _differ(rows: Rows) -> bool:
    """Return whether not all runs have the same settings, as far as these are known."""
    return len({row["choices"] for row in rows} - {None}) > 1


def _are_of_unlike_studies(rows: Rows) -> bool:
    """Return whether two studies have different runs of one seed, or runs of different settings."""
    has_several = len({row["study"] for row in rows}) > 1
    return has_several and (_differ(rows) or len({row["seed"] for row in rows}) < len(rows))


def collect(studies: Mapping[str, StudyResults], suffixes: Suffixes) -> Collection:
    """Put studies together; a run that is in two of them counts for the first.

    Args:
        studies: the studies, by name.
        suffixes: nothing follows the methods' names of a study that is not in it.
    """
    return _collection(studies, studies, suffixes)


def read_collection(root: Path) -> Collection:
    """Read every study in a folder of results and the folders in it, or those that its list names.

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
    """Return the collection of the listed studies.

    It also holds those of all studies that have variants.
    """
    varied = _with_variants(studies)
    sources = list({**listed, **varied}.values())
    return Collection(
        _cells(listed, suffixes),
        environments=_environments(sources),
        variants=_cells(varied, {}),
        users=_kept([study.users for study in sources], "users"),
        curves=_kept([study.curves for study in sources], "curves"),
        kept={k: _kept([study.kept[k] for study in sources], k) for k in kept_tables()},
    )


def _environments(studies: Iterable[StudyResults]) -> dict[str, Mapping[str, Any]]:
    """Return the environment in each run's manifest: the run's own, or else its task's."""
    found: dict[str, Mapping[str, Any]] = {}
    for study in studies:
        manifest = study.manifest or {"environments": {}, "runs": []}
        for run in manifest["runs"]:
            environment = run.get("environment") or manifest["environments"].get(run["task"])
            if environment:
                found.setdefault(run["digest"], environment)
    return found


def _kept(tables: Iterable["pl.DataFrame"], kind: str) -> "pl.DataFrame":
    """Return the rows of every run, once: of the first study that kept the run's."""
    pl = import_polars()
    whole = pl.DataFrame(schema=schema(kind))
    for table in tables:
        others = table.join(whole, on="digest", how="anti", maintain_order="left")
        whole = pl.concat([whole, others], how="diagonal_relaxed")
    return whole


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
    """Return a column [R]; it is empty unless every run has it."""
    values = [row[name] for row in rows]
    return np.array([] if None in values else values, dtype=float)
