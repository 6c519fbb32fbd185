"""The labels of methods in tables and figures: ``em``, ``em (warm-up-0)``, ``em (slow), fast``.

A label begins with the method's name. A study's variant follows in brackets, if the run belongs to
one. Then, each after a comma, there are words for settings that a study has for all of its runs, or
that distinguish runs.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_VARIANT = re.compile(r" \(([\w-]+)\)$")
"""The variant after the method's name; it has letters, digits, - and _ only."""


def with_variant(method: str, variant: str) -> str:
    """Return ``em (warm-up-0)``, or the method alone if there is no variant."""
    return f"{method} ({variant})" if variant else method


def with_words(label: str, *words: str) -> str:
    """Return ``em, fast``; empty words are left out."""
    return ", ".join([label, *(word for word in words if word)])


def method_of(label: str) -> str:
    """Return the part of a label before the words: the method, and its variant if there is one."""
    return label.partition(", ")[0]


def split_variant(label: str) -> tuple[str, str]:
    """Split ``em (slow), fast`` into ``em, fast`` and ``slow``.

    The second is empty if there is no variant.
    """
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
        training: the other settings of a run.
        parameters: the parameters of the run's task.
        variant: the name of the study's variant that the run belongs to, or empty.
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
        """Return the choices that differ from others, in words: ``["fast", "num_epochs=1"]``."""
        preset = [] if self.preset == other.preset else [self.preset]
        fields = ("settings", "method_settings", "training", "parameters")
        changes = (changed(getattr(self, name), getattr(other, name)) for name in fields)
        return [*preset, *(word for words in changes for word in words)]


def changed(values: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Return the values that others lack or have differently, and the names only in others."""
    unlike = [name for name in values if name not in others or others[name] != values[name]]
    return [
        *(f"{name}={json.dumps(values[name])}" for name in unlike),
        *(f"{name} by default" for name in others if name not in values),
    ]


def choices_of(manifest: Mapping[str, Any], run: Mapping[str, Any]) -> Choices:
    """Return the choices of one of the manifest's runs."""
    # A part of the study may have other choices; old manifests lack some of them.
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
    """Return the method's name without the variant's name, which a manifest has after it."""
    return split_variant(run["method"])[0] if run.get("variant") else run["method"]
