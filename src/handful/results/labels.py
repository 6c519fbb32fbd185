"""What methods are called in tables and figures: ``em``, ``em (warm-up-0)``, ``em (slow), fast``.

First the method's name; in brackets a study's variant, if the run belongs to one; then, each behind
a comma, words for the settings that a study has for all of its runs or that tell runs apart.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_VARIANT = re.compile(r" \(([\w-]+)\)$")
"""Behind the method's name; variants have letters, digits, - and _ only."""


def with_variant(method: str, variant: str) -> str:
    """``em (warm-up-0)``; the method alone where there is no variant."""
    return f"{method} ({variant})" if variant else method


def with_words(label: str, *words: str) -> str:
    """``em, fast``; words that are nothing are left out."""
    return ", ".join([label, *(word for word in words if word)])


def method_of(label: str) -> str:
    """Return what stands before the words: the method, and its variant if there is one."""
    return label.partition(", ")[0]


def split_variant(label: str) -> tuple[str, str]:
    """``em (slow), fast`` as ``em, fast`` and ``slow``; "" where there is no variant."""
    method = method_of(label)
    found = _VARIANT.search(method)
    if found is None:
        return label, ""
    return method[: found.start()] + label[len(method) :], found.group(1)


class Choices(NamedTuple):
    """The settings of a run, as its part of the study names them.

    Attributes:
        preset, settings: the preset and the settings of the learner.
        method_settings: the settings of the run's method.
        training: other settings of a run.
        parameters: the parameters of the run's task.
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
        """Return what is otherwise than in others: ``["fast", "num_epochs=1"]``."""
        preset = [] if self.preset == other.preset else [self.preset]
        fields = ("settings", "method_settings", "training", "parameters")
        changes = (changed(getattr(self, name), getattr(other, name)) for name in fields)
        return [*preset, *(word for words in changes for word in words)]


def changed(values: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Return the values that others have not or have otherwise, and what only others have."""
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
    """Return the choices of the study itself, which hold unless a group or a variant has others."""
    return choices_of(manifest, {"task": run["task"], "method": run_method(run)})


def run_method(run: Mapping[str, Any]) -> str:
    """Return the method's name alone: a manifest has a variant's name behind it."""
    return split_variant(run["method"])[0] if run.get("variant") else run["method"]
