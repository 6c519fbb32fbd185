"""Values in the types of JSON."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsFloat


def plain(value: Any) -> Any:
    """Return a value in the types that JSON has, if possible.

    Arrays and dataclasses become lists and maps.

    Other values stay unchanged; :func:`is_json` recognises them.
    """
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # NumPy's and JAX's arrays and numbers
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def is_json(value: Any) -> bool:
    """Return whether JSON that any tool reads can hold a value: no NaN, no infinity."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):  # ValueError: infinity, NaN, or a value that contains itself
        return False
    return True


def shown(value: Any) -> Any:
    """Return a value for a reader, in the types of JSON if possible, else as Python shows it."""
    described = plain(value)
    return described if is_json(described) else repr(value)


def count(amount: SupportsFloat, thing: str) -> str:
    """Return a number and its unit: ``1 user``, ``25 users``, ``1,000 policies``."""
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{float(amount):,.0f} {thing if amount == 1 else plural}"
