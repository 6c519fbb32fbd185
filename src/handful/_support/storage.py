"""Checks of the kinds of values in a file of a run.

A run folder may come from anywhere. So its readers check the kinds of all values that they use
before they use any. An error message names the wrong value and its place in the file.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.earlier_settings import PPO_KEY, today
from handful.errors import HandfulError

NUMBER, WHOLE, TEXT, FLAG, ANYTHING = "number", "whole number", "text", "truth value", "value"
"""The kinds of single values."""

Shape = Any
"""The type of a description of values: the kind of a single value; or a list with the shape of its
entries; or a mapping with a shape for each name that must be there, or may be there if the name
ends with a question mark, or under ``...`` for all names; or a tuple of shapes, one of which the
value has; or None for no value."""

_SHOWN = 40
"""The most letters of a value in an error message."""

CONFIG: Shape = {
    "problem": {
        "name": TEXT,
        "parameters": {...: ANYTHING},
        "environment": {...: ANYTHING},
        "discount": NUMBER,
        "return_scale": NUMBER,
        "users": [TEXT],
        "num_features": WHOLE,
        "attributes?": {...: ANYTHING},
    },
    "settings": {
        "num_policies": WHOLE,
        "method": TEXT,
        "method_settings": {...: ANYTHING},
        "steps": WHOLE,
        "seed": WHOLE,
        "learner": {"name": TEXT, ...: ANYTHING},
        "collect": {...: ANYTHING},
        "start?": {"num_given": WHOLE, "frozen": [WHOLE], "policies": TEXT},
        "continued?": [{"steps": WHOLE, "rates": TEXT}],
    },
    "method_summary?": TEXT,
    "versions": {...: TEXT},
    "machine": {...: TEXT},
}
"""The shape of ``config.json``."""


def checked_config(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Check the settings of a run that other parts than the training itself use.

    Args:
        config: the content of ``config.json``.
        path: the file's path, for error messages.

    Returns:
        the same, with settings that an earlier version wrote as they are written today.

    Raises:
        HandfulError: if a value is missing or of another kind; the sentence names the first.
    """
    config = dict(config)
    if isinstance(config.get("settings"), Mapping) and PPO_KEY in config["settings"]:
        check_stored(config["settings"][PPO_KEY], {...: ANYTHING}, path, f"settings.{PPO_KEY}")
        config["settings"] = today(config["settings"])
    check_stored(config, CONFIG, path)
    users = len(config["problem"]["users"])
    if not 1 <= config["settings"]["num_policies"] <= users:
        raise _damaged(
            path, f"it has {config['settings']['num_policies']} policies for {users} users"
        )
    return config


def check_stored(value: Any, shape: Shape, path: Path, place: str = "") -> None:
    """Check that a value has a shape.

    Args:
        value: the value that was read from a JSON file.
        shape: the shape that the value must have.
        path: the path of the file.
        place: the place of the value in the file, such as ``settings.steps``; empty for the whole
            file.

    Raises:
        HandfulError: if a part of the value has another shape; the sentence names the first place.
    """
    if isinstance(shape, tuple):
        if not any(_fits_alone(value, option) for option in shape):
            raise _another_kind(path, place, " or ".join(map(_said, shape)), value)
    elif isinstance(shape, Mapping):
        _check_mapping(value, shape, path, place)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise _another_kind(path, place, _said(shape), value)
        inner = shape[0]
        if isinstance(inner, str) and all(_fits_alone(entry, inner) for entry in value):
            return  # lists of a million names are checked at once
        for index, entry in enumerate(value):
            check_stored(entry, inner, path, f"{place}[{index}]")
    elif not _fits_alone(value, shape):
        raise _another_kind(path, place, _said(shape), value)


def _check_mapping(value: Any, shape: Mapping[Any, Shape], path: Path, place: str) -> None:
    if not isinstance(value, Mapping):
        raise _another_kind(path, place, _said(shape), value)
    for name, inner in shape.items():
        if name is ...:
            for key, entry in value.items():
                check_stored(entry, inner, path, _below(place, key))
            continue
        plain = name.removesuffix("?")
        if plain in value:
            check_stored(value[plain], inner, path, _below(place, plain))
        elif plain == name:
            raise _damaged(path, f"it lacks '{_below(place, name)}'")


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _fits_alone(value: Any, shape: Shape) -> bool:
    """Return whether a single value is of a kind.

    For lists and mappings only their own type is checked.
    """
    if isinstance(shape, list | Mapping):
        return isinstance(value, list if isinstance(shape, list) else Mapping)
    is_flag = isinstance(value, bool)
    return {
        NUMBER: isinstance(value, int | float) and not is_flag,
        WHOLE: isinstance(value, int) and not is_flag,
        TEXT: isinstance(value, str),
        FLAG: is_flag,
        ANYTHING: True,
        None: value is None,
    }[shape]


def _said(shape: Shape) -> str:
    if shape is None:
        return "nothing"
    if isinstance(shape, list):
        return "a list"
    return "a mapping" if isinstance(shape, Mapping) else f"a {shape}".replace("a text", "text")


def _another_kind(path: Path, place: str, wanted: str, value: Any) -> HandfulError:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return _damaged(path, f"'{place or 'the file'}' must be {wanted}, not {shown}")


def _damaged(path: Path, what: str) -> HandfulError:
    return HandfulError(f"'{path}' is damaged or of another version of handful: {what}.")


def digest_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        OSError: if the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_json(values: Any) -> str:
    """Return the SHA-256 of values as JSON holds them, however a file with them is laid out."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of named arrays: their names, types, shapes and numbers."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {list(array.shape)}\n".encode())
        found.update(array.tobytes() if array.ndim == 0 else _bytes_of(array))
    return found.hexdigest()


def _bytes_of(array: NDArray[Any]) -> bytes | memoryview:
    """Return the array's memory, without a copy if its numbers lie in one piece and in order."""
    if array.size and array.flags.c_contiguous:
        return memoryview(array.view(np.uint8).reshape(-1))  # type: ignore[arg-type]
    return array.tobytes()
