"""The command ``handful sweep``."""

import contextlib
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from handful.cli.output import print_json, say
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.experiments.local import Outcome
    from handful.experiments.study import RunRequest, Study


@dataclass
class Sweep:
    """Run a study: tasks x methods x policies x seeds; then its table and figure.

    Finished runs are skipped, also those that only the table knows of, and half-done ones resumed:
    the same command continues a sweep that was stopped, and makes the figure anew of one that is
    done.
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

    workers: int | None = None
    """Processes, one core each; by default as many as there are cores."""

    json: bool = False
    """Print every run's outcome and the summary as JSON."""

    def run(self) -> None:
        """Execute what is left and write the results."""
        from handful.experiments.local import describe, run_all
        from handful.experiments.study import read_study
        from handful.experiments.table import stored_rows

        if self.workers is not None and self.workers < 1:
            raise HandfulError(f"--workers must be at least 1, not {self.workers}.")
        study = read_study(self.study)
        self._check_choice(study)
        requests = study.runs()
        chosen = [request for request in requests if self._wants(request)]
        results = _Results(study, requests, f"handful sweep {shlex.quote(str(self.study))}")
        workers = self.workers or len(os.sched_getaffinity(0))
        try:
            with _Progress(len(chosen)) as progress:
                known = stored_rows(results.parquet)
                outcomes = run_all(chosen, workers, progress.on_outcome, known)
        except KeyboardInterrupt:
            with contextlib.suppress(HandfulError):  # perhaps no run has finished yet
                results.write()
            say("handful: stopped; the same command goes on from here.")
            sys.exit(130)
        errors = {o.request.digest: o.error for o in outcomes if o.error}
        written, summary = results.write(errors)
        if self.json:
            runs = [describe(outcome) for outcome in outcomes]
            print_json({"runs": runs, "summary": summary, "files": [str(p) for p in written]})
        else:
            print(*written, sep="\n")
        failures = [outcome for outcome in outcomes if outcome.error]
        for outcome in failures:
            say(f"handful: {outcome.request.folder}: {outcome.error}")
        if failures:
            sys.exit(1)

    def _check_choice(self, study: "Study") -> None:
        for option in ("tasks", "methods", "policies", "seeds"):
            offered = getattr(study, option)
            missing = [value for value in getattr(self, option) if value not in offered]
            if missing:
                raise HandfulError(
                    f"The study '{self.study}' has no {missing[0]!r} among its {option}; it has "
                    f"{', '.join(map(str, offered))}."
                )

    def _wants(self, request: "RunRequest") -> bool:
        config = request.config
        choices = (
            (self.tasks, request.task),
            (self.methods, config.method),
            (self.policies, config.num_policies),
            (self.seeds, config.seed),
        )
        return all(not chosen or value in chosen for chosen, value in choices)


@dataclass
class _Results:
    """The table of all finished runs of a study, its page, and a figure a task."""

    study: "Study"
    requests: "list[RunRequest]"
    command: str

    @property
    def parquet(self) -> Path:
        return self.study.results / f"{self.study.name}.parquet"

    def write(
        self, errors: dict[str, str] | None = None
    ) -> tuple[list[Path], list[dict[str, Any]]]:
        from handful.experiments.details import write_details
        from handful.experiments.table import build_table, stored_rows, summarize, write_table
        from handful.reports.figures import WelfareRow, write_welfare_figure

        table = build_table(self.requests, stored_rows(self.parquet))
        summary = summarize(table).to_dicts()
        written = write_table(self.parquet, table, self.command)
        written += write_details(self.parquet, self.study, self.requests, self.command, errors)
        for task in self.study.tasks:
            rows = [row for row in summary if row["task"] == task]
            suffix = f"-{task.replace(':', '-')}" if len(self.study.tasks) > 1 else ""
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


class _Progress:
    """A bar over runs, or plain lines where there is no terminal."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("runs"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[last]}"),
            console=self._console,
        )
        self._task = self._bar.add_task("runs", total=total, last="")
        self._total, self._done = total, 0

    def __enter__(self) -> "_Progress":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_outcome(self, outcome: "Outcome") -> None:
        """Count a run that ended."""
        self._done += 1
        last = f"{outcome.request.folder.name} {'failed' if outcome.error else 'done'}"
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done, last=last)
        else:
            say(f"{self._done}/{self._total} {last}")
