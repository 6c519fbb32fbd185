"""The folder of a frontier: one run folder for each budget, and what stands beside them.

A frontier's folder has ``k-01``, ``k-05`` and so on, the run folders of the budgets
(:mod:`handful.run_folder`), each of which can be read alone. Beside them are ``frontier.json``
(what was measured, bound to the evaluations of the budgets), ``frontier.csv`` (the same as a table,
a row for each budget), ``plots/`` and ``report.html``. A folder may come from a stranger: its file
is checked before any value of it is used, and no path is taken from it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from handful._support.controls import shell_line
from handful._support.files import read_json, write_csv, write_json
from handful._support.storage import (
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Shape,
    check_stored,
    digest_of_file,
    digest_of_json,
)
from handful.errors import HandfulError
from handful.frontier.points import Frontier

FORMAT = 1
"""The format of ``frontier.json`` that is written and read."""

ESTIMATE: Shape = {"value": NUMBER, "stderr": NUMBER, "low": NUMBER, "high": NUMBER}

LEVEL: Shape = {
    "welfare": ESTIMATE,
    "num_policies": WHOLE,
    "optimum": (NUMBER, None),
    "optimum_kind": (TEXT, None),
}

RECORD: Shape = {
    "format": WHOLE,
    "problem": TEXT,
    "method": TEXT,
    "num_users": WHOLE,
    "transitions": (WHOLE, None),
    "runs": {...: TEXT},
    "frontier": {
        "points": [
            {
                "num_policies": WHOLE,
                "welfare": ESTIMATE,
                "users_per_policy": [WHOLE],
                "transitions": (WHOLE, None),
                "optimum": (NUMBER, None),
                "optimum_kind": (TEXT, None),
                "floors_hold?": (FLAG, None),
            }
        ],
        "steps": [{"fewer": WHOLE, "more": WHOLE, "gain": ESTIMATE, "per_policy": ESTIMATE}],
        "one_policy": LEVEL,
        "ceiling": LEVEL,
        "num_episodes": WHOLE,
        "seed": WHOLE,
        "welfare_function": TEXT,
    },
}
"""The shape of ``frontier.json``."""


class FrontierFolder:
    """The paths in the folder of a frontier, and its record.

    Args:
        path: the path of the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.record = self.path / "frontier.json"
        self.table = self.path / "frontier.csv"
        self.plots = self.path / "plots"
        self.report = self.path / "report.html"

    def run(self, num_policies: int) -> Path:
        """Return the path of the run folder of a budget."""
        return self.path / f"k-{num_policies:02d}"

    @property
    def is_frontier(self) -> bool:
        """Whether a frontier was measured here."""
        return self.record.is_file()

    def write(
        self, record: Mapping[str, Any], header: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Write the table, and the record bound to the evaluations of the budgets.

        Args:
            record: the record in the shape of :data:`RECORD`, without ``format`` and ``runs``.
            header: the names of the table's columns.
            rows: the rows of the table, one for each budget.

        Raises:
            OSError: if a file cannot be written.
        """
        write_csv(self.table, header, rows)
        budgets = [point["num_policies"] for point in record["frontier"]["points"]]
        runs = {str(k): digest_of_file(self.run(k) / "evaluation.json") for k in budgets}
        record = {"format": FORMAT, **record, "runs": runs}
        write_json(self.record, {**record, "digest": digest_of_json(record)})

    def read(self) -> tuple[Frontier, dict[str, Any]]:
        """Return the frontier and its record, after checking them and what they are bound to.

        Returns:
            the frontier, and all of ``frontier.json``.

        Raises:
            HandfulError: if there is no frontier here, its file is damaged, or a budget's
                evaluation is not the one that the frontier was measured with.
        """
        if not self.is_frontier:
            raise HandfulError(
                f"'{self.path}' has no frontier yet: it has no {self.record.name}, which is "
                f"written when all budgets are trained."
            )
        record = read_json(self.record)
        found = record.get("format") if isinstance(record, dict) else None
        if isinstance(found, int) and found != FORMAT:
            raise HandfulError(
                f"'{self.record}' is of format {found}, and this version of handful reads format "
                f"{FORMAT}: open it with the version of handful that wrote it."
            )
        check_stored(record, RECORD, self.record)
        rest = {name: value for name, value in record.items() if name != "digest"}
        if record.get("digest") != digest_of_json(rest):
            raise HandfulError(
                f"'{self.record}' was changed after the frontier was measured: put it back as it "
                f"was."
            )
        self._check_budgets(record)
        return Frontier.from_dict(record["frontier"]), record

    def _check_budgets(self, record: Mapping[str, Any]) -> None:
        """Check what the shape of a record does not say, and the evaluations of the budgets."""
        points, steps = record["frontier"]["points"], record["frontier"]["steps"]
        budgets = [point["num_policies"] for point in points]
        is_sound = (
            budgets
            and budgets[0] >= 1
            and all(fewer < more for fewer, more in pairwise(budgets))
            and all(len(point["users_per_policy"]) == point["num_policies"] for point in points)
            and [(step["fewer"], step["more"]) for step in steps] == list(pairwise(budgets))
            and sorted(record["runs"]) == sorted(map(str, budgets))
        )
        if not is_sound:
            raise HandfulError(
                f"'{self.record}' is damaged or of another version of handful: its budgets do not "
                f"fit each other."
            )
        for budget in budgets:
            evaluation = self.run(budget) / "evaluation.json"
            if evaluation.is_file() and digest_of_file(evaluation) != record["runs"][str(budget)]:
                raise HandfulError(
                    f"'{evaluation}' is not the evaluation that the frontier was measured with: "
                    f"put it back, or look at this run alone with "
                    f"'{shell_line('handful', 'report', self.run(budget))}'."
                )
