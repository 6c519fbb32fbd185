"""The command ``handful sweep``."""

import contextlib
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from handful.cli.output import print_json, say
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.cli.sweep_progress import SweepProgress
    from handful.experiments.outcome import Outcome
    from handful.experiments.requests import RunRequest
    from handful.experiments.study import Study


@dataclass
class Sweep:
    """Run a study: tasks x methods x policies x seeds; then its table and figure.

    Finished runs are skipped, also those that only the table knows of, and half-done ones resumed:
    the same command continues a sweep that was stopped or killed, and makes the figure anew of one
    that is done. The table is there, and grows, from the first run that ends.
    """

    study: tyro.conf.Positional[Path]
    """The study's YAML file."""

    tasks: tuple[str, ...] = ()
    """Run only these tasks of the study for now."""

    methods: tuple[str, ...] = ()
    """Run only these methods of the study for now."""

    policies: tuple[int, ...] = ()
    """Run only these budgets of the study for now."""

    seeds: tuple[int, ...] = ()
    """Run only these seeds of the study for now."""

    variants: tuple[str, ...] = ()
    """Run only these variants of the study for now."""

    workers: int | None = None
    """Processes, one core each; by default as many as there are cores."""

    ray: str | None = None
    """HOST:PORT of a Ray cluster to run on, or auto; all its nodes must see the folder 'out'."""

    json: bool = False
    """Print every run's outcome and the summary as JSON."""

    def run(self) -> None:
        """Execute what is left and write the results."""
        from handful.cli.sweep_progress import SweepProgress
        from handful.experiments.outcome import describe
        from handful.experiments.progress import Tracker
        from handful.experiments.study_file import read_study

        if self.workers is not None and self.workers < 1:
            raise HandfulError(f"--workers must be at least 1, not {self.workers}.")
        if self.workers is not None and self.ray is not None:
            raise HandfulError("--workers is of this machine: a Ray cluster has its own number.")
        study = read_study(self.study)
        requests = study.runs()
        self._check_choice(requests)
        chosen = [request for request in requests if self._wants(request)]
        results = _Results(study, requests, f"handful sweep {shlex.quote(str(self.study))}")
        try:
            with SweepProgress(Tracker(chosen)) as progress:
                outcomes = self._execute(chosen, _Watcher(progress, results), results.known())
        except KeyboardInterrupt:
            with contextlib.suppress(HandfulError):  # perhaps no run has finished yet
                results.write()
            say("handful: stopped; the same command goes on from here.")
            sys.exit(130)
        failures = [outcome for outcome in outcomes if outcome.error]
        for outcome in failures:
            say(f"handful: {outcome.request.folder}: {outcome.error}")
        errors = {o.request.digest: o.error for o in failures if o.error}
        written, summary = results.write(errors)
        if self.json:
            runs = [describe(outcome) for outcome in outcomes]
            print_json({"runs": runs, "summary": summary, "files": [str(p) for p in written]})
        else:
            print(*written, sep="\n")
        if failures:
            sys.exit(1)

    def _execute(
        self,
        requests: "list[RunRequest]",
        watcher: "_Watcher",
        known: dict[str, dict[str, Any]],
    ) -> "list[Outcome]":
        if self.ray is not None:
            from handful.experiments.ray import run_on_ray

            return run_on_ray(requests, self.ray, watcher, known)
        from handful.experiments.local import run_all

        return run_all(requests, self.workers or len(os.sched_getaffinity(0)), watcher, known)

    def _check_choice(self, requests: "list[RunRequest]") -> None:
        from handful.experiments.study import offered

        for option, values in offered(requests).items():
            missing = [value for value in getattr(self, option) if value not in values]
            if missing:
                raise HandfulError(
                    f"The study '{self.study}' has no {missing[0]!r} among its {option}; it has "
                    f"{', '.join(map(str, values)) or 'none'}."
                )

    def _wants(self, request: "RunRequest") -> bool:
        config = request.config
        choices = (
            (self.tasks, request.task),
            (self.methods, request.method),
            (self.policies, config.num_policies),
            (self.seeds, config.seed),
            (self.variants, request.variant),
        )
        return all(not chosen or value in chosen for chosen, value in choices)


class _Watcher:
    """Passes on what happens to the progress, and keeps the table as it grows."""

    def __init__(self, progress: "SweepProgress", results: "_Results") -> None:
        self._progress, self._results = progress, results
        self.started, self.waiting = progress.started, progress.waiting

    def ended(self, outcome: "Outcome") -> None:
        """Count the run, and put it into the table."""
        self._progress.ended(outcome)
        if outcome.error is None and outcome.seconds > 0:
            self._results.refresh()


@dataclass
class _Results:
    """The table of all finished runs of a study, its page, and a figure a task."""

    study: "Study"
    requests: "list[RunRequest]"
    command: str
    _next_write: float = 0.0

    TABLE_SHARE = 0.01
    """Of a core's time that may go into writing the table while the sweep goes on."""

    @property
    def parquet(self) -> Path:
        return self.study.results / f"{self.study.name}.parquet"

    def known(self) -> dict[str, dict[str, Any]]:
        """Rows by digest: of the study's own table, and of those that it reuses."""
        from handful.experiments.table import stored_rows

        rows = {}
        for table in self.study.reuse:
            if not table.is_file():
                raise HandfulError(
                    f"The study '{self.study.name}' reuses '{table}', and there is no such table."
                )
            rows |= stored_rows(table)
        return rows | stored_rows(self.parquet)

    def refresh(self) -> None:
        """A run is finished: write the table with it, now or with the next one."""
        start = time.monotonic()
        if start >= self._next_write:
            self._write_table()
            self._next_write = start + (time.monotonic() - start) / self.TABLE_SHARE

    def write(
        self, errors: dict[str, str] | None = None
    ) -> tuple[list[Path], list[dict[str, Any]]]:
        """Everything, from every run folder and table that there is; the files and the summary."""
        from handful.experiments.details import write_details
        from handful.experiments.study import offered
        from handful.experiments.table import summarize
        from handful.reports.figures import WelfareRow, write_welfare_figure

        table, written = self._write_table()
        summary = summarize(table).to_dicts()
        written += write_details(self.parquet, self.study, self.requests, self.command, errors)
        tasks = offered(self.requests)["tasks"]
        for task in tasks:
            rows = [row for row in summary if row["task"] == task]
            suffix = f"-{task.replace(':', '-')}" if len(tasks) > 1 else ""
            paths = [
                self.parquet.with_name(f"{self.study.name}{suffix}.{kind}")
                for kind in ("svg", "png")
            ]
            if rows:
                write_welfare_figure(
                    [
                        # One seed alone has no standard error.
                        WelfareRow(
                            r["method"], r["policies"], r["welfare"], r["welfare_stderr"] or 0.0
                        )
                        for r in rows
                    ],
                    {r["policies"]: r["optimum"] for r in rows if r["optimum"] is not None},
                    *paths,
                    optimum_kind=rows[0]["optimum_kind"],
                )
                written += paths
        return written, summary

    def _write_table(self) -> tuple[Any, list[Path]]:
        """The table and its page; a variant of the study stands there as a method of its own."""
        from handful.experiments.table import build_table, import_polars, write_table

        pl = import_polars()
        labels = {request.digest: request.label for request in self.requests}
        label = pl.col("digest").replace_strict(labels).alias("method")
        table = build_table(self.requests, self.known()).with_columns(label)
        return table, write_table(self.parquet, table, self.command)
