"""With which settings a study asks for a run: those of the study, its group or its variant."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from handful.results.labels import split_variant


class Choices(NamedTuple):
    """The settings of a run, as its part of the study names them.

    Attributes:
        preset, settings: of the learner.
        method_settings: of the run's method.
        training: other settings of a run.
        parameters: of the run's task.
        variant: the name of the study's variant that the run belongs to, or nothing.
    """

    preset: str
    settings: Mapping[str, Any]
    method_settings: Mapping[str, Any]
    training: Mapping[str, Any]
    parameters: Mapping[str, Any]
    variant: str

    @property
    def key(self) -> str:
        """A text that equal choices share."""
        return json.dumps(self, sort_keys=True)

    def words(self, other: "Choices") -> list[str]:
        """What is otherwise than in others: ``["fast", "num_epochs=1"]``."""
        preset = [] if self.preset == other.preset else [self.preset]
        fields = ("settings", "method_settings", "training", "parameters")
        changes = (changed(getattr(self, name), getattr(other, name)) for name in fields)
        return [*preset, *(word for words in changes for word in words)]


def changed(values: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """The values that others have not or have otherwise, and what only others have."""
    unlike = [name for name in values if name not in others or others[name] != values[name]]
    return [
        *(f"{name}={json.dumps(values[name])}" for name in unlike),
        *(f"{name} by default" for name in others if name not in values),
    ]


def choices_of(manifest: Mapping[str, Any], run: Mapping[str, Any]) -> Choices:
    """Of one of the manifest's runs."""
    # A part of the study may ask for something else; manifests were once without some.
    asked = {"training": {}, "variant": "", **manifest, **run}
    return Choices(
        preset=asked["preset"],
        settings=asked["settings"],
        method_settings=asked["method_settings"].get(run_method(run), {}),
        training=asked["training"],
        parameters=asked["parameters"].get(run["task"], {}),
        variant=asked["variant"],
    )


def own_choices(manifest: Mapping[str, Any], run: Mapping[str, Any]) -> Choices:
    """What the study asks for where no group and no variant of it asks for something else."""
    return choices_of(manifest, {"task": run["task"], "method": run_method(run)})


def run_method(run: Mapping[str, Any]) -> str:
    """The method's name alone: a manifest has a variant's name behind it."""
    return split_variant(run["method"])[0] if run.get("variant") else run["method"]
