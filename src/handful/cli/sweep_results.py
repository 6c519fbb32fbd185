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
        from handful.files import check_writable
        from handful.results.folder import check_place, read_manifest

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
        return [*written, *beside, *self.write_figures()], summary

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

    def write_figures(self) -> list[Path]:
        """Welfare against the budget, a figure a task that has finished runs."""
        from handful.experiments.study import file_name, offered
        from handful.reports.study.budgets import welfare_figure
        from handful.reports.study.reading import collect
        from handful.reports.words import task_title
        from handful.results.folder import read_study_results

        if not self.parquet.is_file():
            return []
        collection = collect({self.study.name: read_study_results(self.parquet)}, {})
        written, tasks = [], offered(self.requests)["tasks"]
        for task in tasks:
            suffix = f"-{file_name(task)}" if len(tasks) > 1 else ""
            stem = f"{self.study.name}{suffix}"
            figure = welfare_figure(collection, [task], stem, f"Welfare: {task_title(task)}")
            if figure is not None:
                paths = [self.parquet.with_name(f"{stem}.{kind}") for kind in ("svg", "png")]
                figure.write(*paths)
                written += paths
        return written
