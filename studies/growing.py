"""Tables of studies that grow: a row that is there already is not made again."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from handful._support.files import write_csv


def grow(
    path: Path,
    columns: Sequence[str],
    parts: Iterable[tuple[Sequence[object], Callable[[], Iterable[Sequence[object]]]]],
) -> None:
    """Make the rows of a table that are missing, and write it after each.

    Args:
        path: the file of the table, which need not be there.
        columns: the names of the columns.
        parts: for each part of the table, the first entries of its rows, by which they are found,
            and a function that makes them.
    """
    rows = read_rows(path)
    for first, make in parts:
        known = [str(one) for one in first]
        if any(row[: len(known)] == known for row in rows):
            continue
        for row in make():
            rows.append([str(one) for one in row])
            print(", ".join(rows[-1]), flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_csv(path, columns, rows)


def read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a table that is there already, without its header."""
    if not path.is_file():
        return []
    return [line.split(",") for line in path.read_text().splitlines()[1:]]
