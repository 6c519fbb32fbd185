"""Who the users are: how many to sample, or a file with what each of them wants."""

import csv
import math
from pathlib import Path
from typing import Any

from handful.errors import HandfulError


def chosen_users(
    users: int | None, population_seed: int | None, population: Path | None
) -> dict[str, Any]:
    """The parameters of a task that the command line's options stand for; none for None.

    Raises:
        HandfulError: if the file is no population (:func:`read_population`).
    """
    sampled = {"users": users, "population_seed": population_seed}
    chosen: dict[str, Any] = {name: value for name, value in sampled.items() if value is not None}
    if population is not None:
        chosen |= read_population(population)
    return chosen


def read_population(path: Path) -> dict[str, Any]:
    """The column ``target`` of a CSV with one row a user, and ``user`` where there is one.

    Returns:
        ``targets``, in metres per second, and ``user_ids`` if there are any, as tuples.

    Raises:
        HandfulError: naming the file, and where it applies the line and column, if the file cannot
            be read, has no column ``target`` or no users, or if an entry is no velocity or no new
            name.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _read(path, csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HandfulError(f"The population '{path}' cannot be read ({error}).") from None


def _read(path: Path, rows: Any) -> dict[str, Any]:
    header = [name.strip() for name in next(rows, [])]
    if "target" not in header:
        raise HandfulError(
            f"The population '{path}' has no column 'target': its line 1 must name the columns, "
            f"'target' and, where users have names, 'user'."
        )
    column = header.index("target")
    name_column = header.index("user") if "user" in header else None
    targets: list[float] = []
    lines: dict[str, int] = {}  # where each name was read
    for row in rows:
        if not row:  # a blank line
            continue
        targets.append(_target(path, rows.line_num, row, column))
        if name_column is None:
            continue
        name = row[name_column].strip() if name_column < len(row) else ""
        if not name or name in lines:
            wrong = f"{name!r} again, as in line {lines[name]}," if name else "nothing"
            raise HandfulError(
                f"The population '{path}' has {wrong} in column 'user' of line {rows.line_num}: "
                f"every user needs a name of their own."
            )
        lines[name] = rows.line_num
    if not targets:
        raise HandfulError(
            f"The population '{path}' has no users: give each a line, below the names of the "
            f"columns."
        )
    return {"targets": tuple(targets), **({"user_ids": tuple(lines)} if lines else {})}


def _target(path: Path, line: int, row: list[str], column: int) -> float:
    entry = row[column] if column < len(row) else ""
    try:
        target = float(entry)
    except ValueError:
        target = math.nan
    if not 0.0 <= target < math.inf:
        raise HandfulError(
            f"The population '{path}' has {entry!r} in column 'target' of line {line}: targets are "
            f"velocities in m/s, finite and 0 or more."
        )
    return target
