"""What a study's YAML file may hold, as models of pydantic.

The models say the kind of every key. :mod:`handful.sweep.study_file` makes a sentence of what does
not fit.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from handful._support.checks import brief
from handful.errors import HandfulError
from handful.results.yaml_file import meant
from handful.training.config import check_run_settings

ENTRY = "entry"
"""The type of an error that is about an entry of a mapping, which its message begins with."""

WHOLE = "whole"
"""The type of an error that is about a key, of which its message says what is wrong."""


def _numbers(entries: dict[str, Any]) -> dict[str, Any]:
    """Tell numbers as people write them, and YAML does not, from text."""
    for name, value in entries.items():
        if isinstance(value, str) and meant(value):
            message = f"'{name}' is {value!r}, which is text in YAML, no number{meant(value)}."
            raise _error(ENTRY, message)
    return entries


def _run_settings(entries: dict[str, Any]) -> dict[str, Any]:
    try:
        check_run_settings(entries, "")
    except HandfulError as error:
        raise _error(WHOLE, str(error).lstrip()) from None
    return entries


def _variant_names(variants: dict[str, Any]) -> dict[str, Any]:
    """Look at the names of variants, which become parts of folders' names."""
    for name in variants:
        if not name.replace("-", "").replace("_", "").isalnum():
            raise _error(
                ENTRY, f"{brief(name)} is no name for a variant: use letters, digits, - and _."
            )
    return variants


def _path(name: str) -> Path:
    return Path(name)


def _error(kind: str, message: str) -> PydanticCustomError:
    """Return an error whose message stays as it is, though pydantic knows marks in braces."""
    return PydanticCustomError(kind, "{message}", {"message": message})  # type: ignore[arg-type]


Names = Annotated[list[str], Field(min_length=1), AfterValidator(tuple)]
Numbers = Annotated[list[int], Field(min_length=1), AfterValidator(tuple)]
Settings = Annotated[dict[str, Any], AfterValidator(_numbers)]
Folder = Annotated[str, Field(min_length=1), AfterValidator(_path)]


class Choices(BaseModel):
    """The keys that a study and its parts may have or not."""

    model_config = ConfigDict(extra="forbid", strict=True)

    preset: str = ""
    settings: Settings = {}
    method_settings: dict[str, Settings] = {}
    training: Annotated[Settings, AfterValidator(_run_settings)] = {}
    parameters: dict[str, Settings] = {}

    def given(self) -> dict[str, Any]:
        """Return the keys that are in the file, with their values."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Part(Choices):
    """What a group or a variant asks for otherwise than its study; keys may be left out."""

    tasks: Names = ()  # type: ignore[assignment]
    methods: Names = ()  # type: ignore[assignment]
    policies: Numbers = ()  # type: ignore[assignment]
    seeds: Numbers = ()  # type: ignore[assignment]
    steps: int = 0


class StudyFile(Choices):
    """All keys of a study's file."""

    tasks: Names
    methods: Names
    policies: Numbers
    seeds: Numbers
    steps: int
    out: Folder
    results: Folder
    groups: Annotated[list[Part], AfterValidator(tuple)] = ()  # type: ignore[assignment]
    variants: Annotated[dict[str, Part], AfterValidator(_variant_names)] = {}
    reuse: Annotated[list[Folder], AfterValidator(tuple)] = ()  # type: ignore[assignment]
