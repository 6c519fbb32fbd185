"""A study's YAML file, read and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handful._support.checks import brief, did_you_mean
from handful.catalogue import find_task
from handful.errors import HandfulError
from handful.methods import find_method
from handful.results.yaml_file import meant, read_yaml
from handful.sweep.study import Study, telling
from handful.training.config import AUTO, check_run_settings

LISTS = ("tasks", "methods", "policies", "seeds")
REQUIRED = (*LISTS, "steps", "out", "results")
MAPPINGS = ("settings", "method_settings", "training", "parameters")
WHOLE = ("groups", "variants", "reuse")
"""Keys of the whole study, which no group or variant changes."""

OPTIONAL = ("preset", *MAPPINGS, *WHOLE)
CHANGEABLE = (*LISTS, "steps", "preset", *MAPPINGS)
"""What a group or a variant may ask for otherwise."""


def read_study(path: Path) -> Study:
    """A study from a YAML file; its folders are relative to where the command runs.

    Raises:
        HandfulError: if the file is missing, is not YAML, or lacks or misspells a key.
    """
    values = read_yaml(path, f"The study '{path}'")
    if not isinstance(values, dict):
        raise HandfulError(f"The study '{path}' must be a list of 'key: value' lines.")
    missing = [key for key in REQUIRED if key not in values]
    unknown = [key for key in values if key not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        problem = f"lacks '{missing[0]}'" if missing else f"has an unknown key '{unknown[0]}'"
        raise HandfulError(
            f"The study '{path}' {problem}: it needs {', '.join(REQUIRED)} and may have "
            f"{', '.join(OPTIONAL)}."
        )
    where = f"In the study '{path}'"
    values = _checked(values, where)
    groups, variants = values.get("groups", []), values.get("variants", {})
    if not isinstance(groups, list) or not isinstance(variants, dict):
        raise HandfulError(f"{where}, 'groups' must be a list and 'variants' have a name each.")
    values["groups"] = tuple(
        _checked_part(group, f"{where}, group {number}") for number, group in enumerate(groups, 1)
    )
    values["variants"] = {
        _checked_name(name, where): _checked_part(changes, f"{where}, variant '{name}'")
        for name, changes in variants.items()
    }
    _check_names(values, where)
    reuse = values.get("reuse", [])
    if not isinstance(reuse, list) or not all(table and isinstance(table, str) for table in reuse):
        raise HandfulError(f"{where}, 'reuse' must be a list of Parquet files, like [a.parquet].")
    values["reuse"] = tuple(Path(table) for table in reuse)
    for key in ("out", "results"):
        if not values[key] or not isinstance(values[key], str):
            raise HandfulError(
                f"{where}, '{key}' must be a folder's name, not {brief(values[key])}."
            )
        values[key] = Path(values[key])
    return Study(name=path.stem, file=path, **values)


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys that are there, each of the right kind; ``where`` begins what is said of others."""
    checked = dict(values)
    for key in LISTS:
        if key in values:
            if not isinstance(values[key], list):
                raise HandfulError(f"{where}, '{key}' must be a list, like [a, b].")
            if not values[key]:
                raise HandfulError(f"{where}, '{key}' is empty: give at least one.")
            checked[key] = tuple(values[key])
    for key in ("tasks", "methods"):
        odd = [value for value in checked.get(key, ()) if not isinstance(value, str)]
        if odd and odd[0] is None:
            raise HandfulError(f"{where}, '{key}' has an empty entry: give it a name, or drop it.")
        if odd:
            raise HandfulError(
                f"{where}, '{key}' must be names, not {brief(odd[0])}: quote it if it is one."
            )
    if not isinstance(values.get("preset", ""), str):
        raise HandfulError(f"{where}, 'preset' must be a name, not {brief(values['preset'])}.")
    for key in ("policies", "seeds", "steps"):
        numbers = [values[key]] if key == "steps" and key in values else checked.get(key, ())
        odd = [value for value in numbers if type(value) is not int]
        if odd:
            kind = "a whole number" if key == "steps" else "whole numbers"
            raise HandfulError(
                f"{where}, '{key}' must be {kind}, not {brief(odd[0])}{meant(odd[0])}."
            )
    for key in MAPPINGS:
        if not isinstance(values.get(key, {}), dict):
            raise HandfulError(f"{where}, '{key}' must hold 'name: value' pairs.")
    for key in ("method_settings", "parameters"):
        for name, entries in values.get(key, {}).items():
            if not isinstance(entries, dict):
                raise HandfulError(
                    f"{where}, '{key}' must hold 'name: value' pairs for '{name}' too."
                )
            _check_numbers(entries, f"{where}, '{key}', '{name}'")
    for key in ("settings", "training"):
        _check_numbers(values.get(key, {}), f"{where}, '{key}'")
    check_run_settings(values.get("training", {}), f"{where}, 'training'")
    return checked


def _checked_part(changes: Any, where: str) -> dict[str, Any]:
    """A group or a variant."""
    if not isinstance(changes, dict) or not changes:
        raise HandfulError(f"{where} must say what it asks for otherwise, as 'key: value' pairs.")
    unknown = [key for key in changes if key not in CHANGEABLE]
    if unknown:
        raise HandfulError(
            f"{where} cannot change '{unknown[0]}': it may change {', '.join(CHANGEABLE)}."
        )
    return _checked(changes, where)


def _check_numbers(entries: Mapping[str, Any], where: str) -> None:
    """Numbers as people write them, and YAML does not, are told from text."""
    for name, value in entries.items():
        if isinstance(value, str) and meant(value):
            raise HandfulError(
                f"{where}, '{name}' is {value!r}, which is text in YAML, no number{meant(value)}."
            )


def _checked_name(name: str, where: str) -> str:
    """A variant's name: part of folders' names."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise HandfulError(
            f"{where}, {brief(name)} is no name for a variant: use letters, digits, - and _."
        )
    return name


def _check_names(values: Mapping[str, Any], where: str) -> None:
    """Settings of methods and parameters of tasks are for those that some part of the study runs.

    Raises:
        HandfulError: for any other name: what stands under it would never be used.
    """
    parts = [values, *values["groups"], *values["variants"].values()]
    # A misspelt task or method is told first: what stands under its right name looks misspelt too.
    with telling(where):
        for part in parts:
            for task in part.get("tasks", ()):
                find_task(task)
            for method in part.get("methods", ()):
                if method != AUTO and ":" not in method:  # a class of a module is imported later
                    find_method(method)
    for key, runs in (("method_settings", "methods"), ("parameters", "tasks")):
        known = list(dict.fromkeys(name for part in parts for name in part.get(runs, ())))
        for name in (name for part in parts for name in part.get(key, {})):
            if name not in known:
                raise HandfulError(
                    f"{where}, '{key}' speaks of '{name}'{did_you_mean(name, known)}, which is "
                    f"none of the study's {runs}: {', '.join(known)}."
                )
