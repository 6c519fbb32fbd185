"""A study's YAML file, read and checked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful._support.checks import brief, did_you_mean
from handful._support.installing import install_command
from handful.catalogue import find_task
from handful.errors import HandfulError
from handful.methods import AUTO, METHODS
from handful.results.yaml_file import meant, read_yaml
from handful.sweep.study import Study, telling

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def read_study(path: Path) -> Study:
    """Read a study from a YAML file.

    Args:
        path: the path of the file.

    Returns:
        the study; its folders are relative to where the command runs.

    Raises:
        HandfulError: if the file is missing, is not YAML, lacks or misspells a key, or a key holds
            something of another kind.
    """
    values = read_yaml(path, f"The study '{path}'")
    if not isinstance(values, dict):
        raise HandfulError(f"The study '{path}' must be a list of 'key: value' lines.")
    try:
        from pydantic import ValidationError

        from handful.sweep.study_model import StudyFile
    except ImportError:
        raise HandfulError(f"Studies need pydantic: {install_command('sweep')}.") from None
    try:
        checked = StudyFile.model_validate(values)
    except ValidationError as error:
        raise HandfulError(_sentence(error.errors(include_url=False), path)) from None
    found = checked.given()
    found["groups"] = tuple(group.given() for group in checked.groups)
    found["variants"] = {name: part.given() for name, part in checked.variants.items()}
    where = f"In the study '{path}'"
    for number, group in enumerate(found["groups"], 1):
        _check_not_empty(group, f"{where}, group {number}")
    for name, changes in found["variants"].items():
        _check_not_empty(changes, f"{where}, variant '{name}'")
    _check_names(found, where)
    return Study(name=path.stem, file=path, **found)


def _sentence(errors: "Sequence[ErrorDetails]", path: Path) -> str:
    """Return what is wrong with a study, in a sentence about the worst of it.

    A key that is missing or misspelt comes before any other fault.
    """
    by_weight = sorted(errors, key=lambda one: (not _is_of_study(one), one["type"] != "missing"))
    error = by_weight[0]
    if _is_of_study(error):
        return _wrong_key(str(error["loc"][0]), error["type"], path)
    place, keys = _place(error["loc"])
    return f"In the study '{path}'{place}{_complaint(error, keys)}"


def _is_of_study(error: "ErrorDetails") -> bool:
    """Return whether a key of the study itself is missing or unknown."""
    return len(error["loc"]) == 1 and error["type"] in ("missing", "extra_forbidden")


def _wrong_key(key: str, kind: str, path: Path) -> str:
    from handful.sweep.study_model import StudyFile

    fields = StudyFile.model_fields
    required = [name for name, one in fields.items() if one.is_required()]
    optional = [name for name in fields if name not in required]
    what = f"lacks '{key}'"
    if kind == "extra_forbidden":
        what = f"has an unknown key '{key}'{did_you_mean(key, fields)}"
    return (
        f"The study '{path}' {what}: it needs {', '.join(required)} and may have "
        f"{', '.join(optional)}."
    )


def _place(loc: Sequence[int | str]) -> tuple[str, list[int | str]]:
    """Return the part of a study that an error is in, as a sentence has it, and the keys within."""
    head, *rest = loc
    if rest and head == "groups" and isinstance(rest[0], int):
        return f", group {rest[0] + 1}", rest[1:]
    if rest and head == "variants":
        return f", variant '{rest[0]}'", rest[1:]
    return "", list(loc)


def _complaint(error: "ErrorDetails", keys: Sequence[int | str]) -> str:
    """Return what is wrong with the value at some keys.

    It follows the name of the study or of its part.
    """
    kind, value = error["type"], error["input"]
    if not keys:  # a group or variant that holds no keys
        return _ASKS_FOR_NOTHING
    names = [f"'{key}'" for key in keys if isinstance(key, str)]
    what = f", {names[0]}"
    if kind == "extra_forbidden":
        from handful.sweep.study_model import Part

        known = ", ".join(Part.model_fields)
        hint = did_you_mean(str(keys[0]), Part.model_fields)
        return f" cannot change {names[0]}{hint}: it may change {known}."
    if kind == "entry":
        own = "" if keys[0] == "variants" else f", {', '.join(names)}"
        return f"{own}, {error['msg']}"
    if kind == "whole":
        return f"{what} {error['msg']}"
    if keys[0] in ("groups", "variants"):
        return ", 'groups' must be a list and 'variants' have a name each."
    if keys[0] == "reuse":
        return f"{what} must be a list of Parquet files, like [a.parquet]."
    if keys[0] in ("out", "results"):
        return f"{what} must be a folder's name, not {brief(value)}."
    if kind == "list_type":
        return f"{what} must be a list, like [a, b]."
    if kind == "too_short":
        return f"{what} is empty: give at least one."
    if kind == "dict_type":
        more = f" for {names[1]} too" if len(names) > 1 else ""
        return f"{what} must hold 'name: value' pairs{more}."
    if kind == "string_type" and len(keys) == 1:
        return f"{what} must be a name, not {brief(value)}."
    if kind == "string_type" and value is None:
        return f"{what} has an empty entry: give it a name, or drop it."
    if kind == "string_type":
        return f"{what} must be names, not {brief(value)}: quote it if it is one."
    numbers = "whole numbers" if len(keys) > 1 else "a whole number"
    return f"{what} must be {numbers}, not {brief(value)}{meant(value)}."


_ASKS_FOR_NOTHING = " must say what it asks for otherwise, as 'key: value' pairs."


def _check_not_empty(changes: Mapping[str, Any], where: str) -> None:
    """Raise HandfulError unless a group or variant asks for something."""
    if not changes:
        raise HandfulError(f"{where}{_ASKS_FOR_NOTHING}")


def _check_names(values: Mapping[str, Any], where: str) -> None:
    """Settings of methods and parameters of tasks are for those that some part of the study runs.

    Raises:
        HandfulError: if there is any other name, since its entry would never be used.
    """
    parts = [values, *values["groups"], *values["variants"].values()]
    # A misspelt task or method is told first: what stands under its right name looks misspelt too.
    with telling(where):
        for part in parts:
            for task in part.get("tasks", ()):
                find_task(task)
            for method in part.get("methods", ()):
                if method != AUTO and ":" not in method:  # a class of a module is imported later
                    METHODS.find(method)
    for key, runs in (("method_settings", "methods"), ("parameters", "tasks")):
        known = list(dict.fromkeys(name for part in parts for name in part.get(runs, ())))
        for name in (name for part in parts for name in part.get(key, {})):
            if name not in known:
                raise HandfulError(
                    f"{where}, '{key}' speaks of '{name}'{did_you_mean(name, known)}, which is "
                    f"none of the study's {runs}: {', '.join(known)}."
                )
