"""What ``handful sweep`` leaves in the results folder: a table of the runs and what comes of it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful.errors import HandfulError

if TYPE_CHECKING:
    import polars as pl

    from handful.experiments.outcome import Outcome
    from handful.experiments.requests import RunRequest
    from handful.experiments.study import Study

Rows = list[dict[str, Any]]


@dataclass
class SweepResults:
    """The table of all finished runs of a study, its page, a figure a task, and what is beside it.

    Attributes:
        study: as it was read.
        requests: all its runs.
        command: that makes the table.
        errors: by a run's digest, why it failed in this sweep, or why its files cannot be read.
    """

    study: "Study"
    requests: "list[RunRequest]"
    command: str
    errors: dict[str, str] = field(default_factory=dict)
    _next_write: float = 0.0

    TABLE_SHARE = 0.01
    """Of a core's time that may go into writing the table while the sweep goes on."""

    @property
    def parquet(self) -> Path:
        """The table."""
        return self.study.results / f"{self.study.name}.parquet"

    def check(self) -> dict[str, dict[str, Any]]:
        """See that everything can be written later, and nothing is lost by it.

        Returns:
            the rows that are there already, by digest: of the study's own table, and of those that
            it reuses.

        Raises:
            HandfulError: if a table is missing or damaged, holds what the study does not ask for,
                or the folder cannot be written to.
        """
        from handful.experiments.kept import check_nothing_is_lost
        from handful.experiments.table import stored_rows
        from handful.results.folder import check_place, read_manifest
        from handful.runs import check_writable

        reused, own = self._reused(), stored_rows(self.parquet)
        check_nothing_is_lost(self.parquet, own, reused, self.requests, self.study.out)
        check_place(self.parquet)
        read_manifest(self.parquet)
        check_writable(self.study.results)
        return reused | own

    def ended(self, outcome: "Outcome") -> None:
        """A run ended: if it is finished just now, write the table with it, now or with the next.

        Why a run failed is kept for the end.
        """
        if outcome.error is not None:
            if not outcome.interrupted:
                self.errors[outcome.request.digest] = outcome.error
            return
        start = time.monotonic()
        if outcome.seconds > 0 and start >= self._next_write:
            self._write_table()
            self._next_write = start + (time.monotonic() - start) / self.TABLE_SHARE

    def write(self) -> tuple[list[Path], Rows]:
        """Everything, from every run folder and table that there is; the files and the summary.

        Where no run is finished there is no table, only what was asked for and what came of it.
        """
        from handful.experiments.details import write_details
        from handful.experiments.table import summarize

        table, written = self._write_table()
        summary = [] if table is None else summarize(table).to_dicts()
        beside, unreadable = write_details(
            self.parquet, self.study, self.requests, self.command, self.errors
        )
        self.errors = unreadable | self.errors
        return [*written, *beside, *self.write_figures(summary)], summary

    def _reused(self) -> dict[str, dict[str, Any]]:
        from handful.experiments.table import stored_rows

        rows = {}
        for table in self.study.reuse:
            if not table.is_file():
                raise HandfulError(
                    f"The {self.study.title} reuses '{table}', and there is no such table."
                )
            rows |= stored_rows(table)
        return rows

    def _write_table(self) -> "tuple[pl.DataFrame | None, list[Path]]":
        """The table and its page, as far as there are finished runs."""
        from handful.experiments.table import build_table, stored_rows, write_table

        table = build_table(self.requests, self._reused() | stored_rows(self.parquet))
        return table, [] if table is None else write_table(self.parquet, table, self.command)

    def write_figures(self, summary: Rows) -> list[Path]:
        """Welfare against the budget, a figure a task that has finished runs."""
        from handful.experiments.study import file_name, offered
        from handful.reports.figures import WelfareRow, write_welfare_figure
        from handful.results.folder import weakest_kind

        written, tasks = [], offered(self.requests)["tasks"]
        for task in tasks:
            rows = [row for row in summary if row["task"] == task]
            if not rows:
                continue
            suffix = f"-{file_name(task)}" if len(tasks) > 1 else ""
            stem = f"{self.study.name}{suffix}"
            paths = [self.parquet.with_name(f"{stem}.{kind}") for kind in ("svg", "png")]
            write_welfare_figure(
                [
                    # One seed alone has no standard error.
                    WelfareRow(name, r["policies"], r["welfare"], r["welfare_stderr"] or 0.0)
                    for name, r in zip(names_in_figure(rows), rows, strict=True)
                ],
                best_possible(rows),
                *paths,
                optimum_kind=weakest_kind(row["optimum_kind"] for row in rows) or "exact",
            )
            written += paths
        return written


def names_in_figure(rows: Rows) -> list[str]:
    """A method's name for each row of a task's summary.

    A method that has two rows for one budget, which differ in users or in steps, has both behind
    its name there.
    """

    def place(row: dict[str, Any]) -> tuple[str, int]:
        return row["method"], row["policies"]

    places = [place(row) for row in rows]
    return [
        f"{row['method']}, n = {row['users']:,}, {row['steps']:,} steps"
        if places.count(place(row)) > 1
        else row["method"]
        for row in rows
    ]


def best_possible(rows: Rows) -> dict[int, float]:
    """The highest welfare, or a bound, by budget; none for one that has rows of different users."""
    users: dict[int, set[int]] = {}
    for row in rows:
        users.setdefault(row["policies"], set()).add(row["users"])
    return {
        row["policies"]: row["optimum"]
        for row in rows
        if row["optimum"] is not None and len(users[row["policies"]]) == 1
    }
