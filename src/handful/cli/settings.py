"""``NAME=VALUE`` arguments, and assignments from a file."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handful.errors import HandfulError


def parse_settings(pairs: Sequence[str], flag: str) -> dict[str, Any]:
    """``["a=1", "b=[2,3]"]`` to ``{"a": 1, "b": (2, 3)}``; values are JSON, else text.

    Raises:
        HandfulError: for a pair without ``=``.
    """
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise HandfulError(f"{flag} takes NAME=VALUE, not '{pair}'.")
        try:
            parsed = json.loads(value)
        except json.JSONDecodeError:
            parsed = value
        settings[name.replace("-", "_")] = _tuples(parsed)
    return settings


def read_assignment(path: Path) -> tuple[int, ...]:
    """The column ``policy`` of a CSV with one row a user, in the population's order.

    Raises:
        HandfulError: if the file or the column is missing, or an entry is no whole number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise HandfulError(f"The assignment '{path}' cannot be read ({error}).") from None
    policies = []
    for line, row in enumerate(rows, start=2):
        entry = row.get("policy")
        if entry is None:
            raise HandfulError(f"The assignment '{path}' has no column 'policy' in line {line}.")
        try:
            policies.append(int(entry))
        except ValueError:
            raise HandfulError(
                f"The assignment '{path}' has '{entry}' in column 'policy' of line {line}: "
                f"policies are whole numbers from 0."
            ) from None
    return tuple(policies)


def _tuples(value: Any) -> Any:
    """Lists as tuples, all the way down: settings are hashable."""
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value
