"""What runs are called when studies are put together: those with one label are seeds of one thing.

A label is the method's name and, behind a comma, the words that the list of studies has for it.
Runs that would share a label though their settings differ have more words: those of their settings
where one study asks for both, else their studies' names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handful.errors import HandfulError
from handful.results.choices import choices_of, own_choices
from handful.results.folder import StudyResults
from handful.results.labels import with_words
from handful.results.yaml_file import read_yaml

STUDIES_FILE = "studies.yaml"
"""In the folder of all results: which studies belong together, and their methods' suffixes."""

Suffixes = Mapping[str, str | Mapping[str, str]]
"""By study, what follows the names of its methods, or of those of them that are named."""

Rows = list[dict[str, Any]]

ALIKE = ("task", "label", "policies", "users", "steps")
"""What runs that differ in their seeds only have in common."""


def labelled_runs(studies: Mapping[str, StudyResults], suffixes: Suffixes) -> Rows:
    """A row a run, with its `label`; a run that is in two studies is there once, for the first.

    Args:
        studies: by name.
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
    """The list of studies; empty if there is no such file.

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
    """By digest, a key of a run's choices and what in them is not the study's own."""
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
    """The rows with words behind the labels that mixed rows share.

    All rows of such a label and task get them, also with other budgets: a line in a figure has one
    label.

    Args:
        scope: the columns besides `ALIKE` in which rows that are compared agree.
        are_mixed: whether some of them are not seeds of one thing.
        words: of a row.
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
    """Whether not all runs have the same settings, as far as these are known."""
    return len({row["choices"] for row in rows} - {None}) > 1


def _are_of_unlike_studies(rows: Rows) -> bool:
    """Whether two studies have different runs of one seed, or runs with different settings."""
    has_several = len({row["study"] for row in rows}) > 1
    return has_several and (_differ(rows) or len({row["seed"] for row in rows}) < len(rows))
