"""A study's YAML file, read and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handful.errors import HandfulError
from handful.experiments.study import Study
from handful.training.config import check_run_settings
from handful.validation import did_you_mean

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
    values = _read_yaml(path)
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
    if not isinstance(reuse, list):
        raise HandfulError(f"{where}, 'reuse' must be a list of Parquet files, like [a.parquet].")
    values["reuse"] = tuple(Path(str(table)) for table in reuse)
    values["out"], values["results"] = Path(str(values["out"])), Path(str(values["results"]))
    return Study(name=path.stem, **values)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise HandfulError(
            "Studies need PyYAML and polars: pip install 'handful[sweep]'."
        ) from None
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HandfulError(f"The study '{path}' cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise HandfulError(f"The study '{path}' is not valid YAML: {where}.") from None
    if not isinstance(values, dict):
        raise HandfulError(f"The study '{path}' must be a list of 'key: value' lines.")
    return values


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys that are there, each of the right kind; ``where`` begins what is said of others."""
    checked = dict(values)
    for key in LISTS:
        if key in values:
            if not isinstance(values[key], list) or not values[key]:
                raise HandfulError(f"{where}, '{key}' must be a list, like [a, b].")
            checked[key] = tuple(values[key])
    for key in ("tasks", "methods"):
        odd = next((value for value in checked.get(key, ()) if not isinstance(value, str)), None)
        if odd is not None:
            raise HandfulError(
                f"{where}, '{key}' must be names, not {odd!r}: quote it if it is one."
            )
    if not isinstance(values.get("preset", ""), str):
        raise HandfulError(f"{where}, 'preset' must be a name, not {values['preset']!r}.")
    for key in ("policies", "seeds"):
        if not all(type(value) is int for value in checked.get(key, ())):
            raise HandfulError(f"{where}, '{key}' must be whole numbers.")
    if "steps" in values and type(values["steps"]) is not int:
        raise HandfulError(f"{where}, 'steps' must be a whole number.")
    for key in MAPPINGS:
        if not isinstance(values.get(key, {}), dict):
            raise HandfulError(f"{where}, '{key}' must hold 'name: value' pairs.")
    for key in ("method_settings", "parameters"):
        for name, entries in values.get(key, {}).items():
            if not isinstance(entries, dict):
                raise HandfulError(
                    f"{where}, '{key}' must hold 'name: value' pairs for '{name}' too."
                )
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


def _checked_name(name: Any, where: str) -> str:
    """A variant's name: part of folders' names."""
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        raise HandfulError(
            f"{where}, {name!r} is no name for a variant: use letters, digits, - and _."
        )
    return name


def _check_names(values: Mapping[str, Any], where: str) -> None:
    """Settings of methods and parameters of tasks are for those that some part of the study runs.

    Raises:
        HandfulError: for any other name: what stands under it would never be used.
    """
    parts = [values, *values["groups"], *values["variants"].values()]
    for key, runs in (("method_settings", "methods"), ("parameters", "tasks")):
        known = list(dict.fromkeys(name for part in parts for name in part.get(runs, ())))
        for name in (name for part in parts for name in part.get(key, {})):
            if name not in known:
                raise HandfulError(
                    f"{where}, '{key}' speaks of '{name}'{did_you_mean(name, known)}, which is "
                    f"none of the study's {runs}: {', '.join(known)}."
                )
