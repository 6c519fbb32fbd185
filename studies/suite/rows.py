"""The suite's results: a row for each run and for each reference, in two CSV files."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from handful._support.files import write_text

RESULTS = Path("results/suite")
RUNS, REFERENCES = RESULTS / "runs.csv", RESULTS / "references.csv"
POOL = Path("runs/suite-pool")
"""What each run's policies earn every user, for references; it is not committed."""

DEVELOPMENT = 100
"""The first seed for development; those below are for evaluation."""


@dataclass(frozen=True)
class Row:
    """What a method or a baseline made of a problem.

    Attributes:
        problem: the task's name.
        method: its name in the study, or that of a baseline.
        stands_for: the method that ``auto`` stood for; else the same name.
        k: the number of policies.
        seed: of the run and of its users.
        steps: the transitions that were asked for, of each policy.
        welfare: the mean over users of what they earn.
        transitions: all that were played before evaluation: training, validation and trials.
        seconds: the time that it took, evaluation included.
        digest: what names the run's settings; nothing for a baseline.
    """

    problem: str
    method: str
    stands_for: str
    k: int
    seed: int
    steps: int
    welfare: float
    transitions: int
    seconds: float
    digest: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        """What a row is about: of two with the same key the later one counts."""
        return self.problem, self.method, self.k, self.seed, self.steps


@dataclass(frozen=True)
class Reference:
    """The best welfare that is known of k policies.

    Attributes:
        problem: the task's name.
        seed: of the users.
        k: the number of policies.
        kind: ``exact``, ``upper bound``, or ``runs``: the best choice of the policies of all runs.
        welfare: the mean over users of what they earn.
    """

    problem: str
    seed: int
    k: int
    kind: str
    welfare: float

    @property
    def key(self) -> tuple[Any, ...]:
        """What a row is about."""
        return self.problem, self.seed, self.k, self.kind


R = TypeVar("R", Row, Reference)


def read(path: Path, kind: type[R]) -> list[R]:
    """Read a file; none is the same as an empty one."""
    if not path.is_file():
        return []
    types = {field.name: field.type for field in fields(kind)}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [kind(**{name: types[name](row[name]) for name in types}) for row in rows]


def add(path: Path, new: Iterable[R], kind: type[R]) -> list[R]:
    """Write a file again with some more rows, each in place of the one with its key.

    Returns:
        all rows, sorted.
    """
    rows = {row.key: row for row in [*read(path, kind), *new]}
    lines = [",".join(field.name for field in fields(kind))]
    ordered = [rows[key] for key in sorted(rows)]
    for row in ordered:
        cells = asdict(row).values()
        lines.append(",".join(f"{c:.6g}" if isinstance(c, float) else str(c) for c in cells))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(lines) + "\n")
    return ordered


def title(problem: str) -> str:
    """A problem's name without the place where it is made."""
    return problem.rpartition(":")[2]
