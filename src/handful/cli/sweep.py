"""``handful sweep``"""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from handful.cli.output import print_json, say
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.experiments.study import RunRequest, Study


@dataclass
class Sweep:
    """Run a study: tasks x methods x policies x seeds; then its table and figure.

    Finished runs are skipped and half-done ones resumed, so the same command continues a sweep
    that was stopped, and makes the table anew of one that is done.
    """

    study: tyro.conf.Positional[Path]
    """The study's YAML file."""

    workers: int | None = None
    """Processes, one core each; by default as many as there are cores."""

    json: bool = False
    """Print every run's outcome and the summary as JSON."""

    def run(self) -> None:
        """Execute what is left and write the results."""
        from handful.experiments.local import describe, run_all
        from handful.experiments.study import read_study

        study = read_study(self.study)
        requests = study.runs()
        if self.workers is not None and self.workers < 1:
            raise HandfulError(f"--workers must be at least 1, not {self.workers}.")
        workers = self.workers or len(os.sched_getaffinity(0))
        try:
            with _Progress(len(requests)) as progress:
                outcomes = run_all(requests, workers, progress.on_outcome)
        except KeyboardInterrupt:
            say("handful: stopped; the same command goes on from here.")
            sys.exit(130)
        failures = [outcome for outcome in outcomes if outcome.error]
        written, summary = write_results(
            study, requests, f"handful sweep {shlex.quote(str(self.study))}"
        )
        if self.json:
            outcomes_json = [describe(outcome) for outcome in outcomes]
            print_json(
                {"runs": outcomes_json, "summary": summary, "files": [str(p) for p in written]}
            )
        else:
            for path in written:
                print(path)
        for outcome in failures:
            say(f"handful: {outcome.request.folder}: {outcome.error}")
        if failures:
            sys.exit(1)


def write_results(
    study: "Study", requests: "list[RunRequest]", command: str
) -> tuple[list[Path], list[dict[str, object]]]:
    """The table of all finished runs, the page, and the figure of welfare against k."""
    from handful.experiments.table import build_table, summarize, write_table
    from handful.reports.study import write_welfare_figure

    table = build_table(requests)
    summary = summarize(table)
    written = write_table(study.results, study.name, table, command)
    for task in study.tasks:
        rows = [row for row in summary.to_dicts() if row["task"] == task]
        if rows:
            stem = (
                study.results / f"{study.name}-{task}"
                if len(study.tasks) > 1
                else study.results / study.name
            )
            written += write_welfare_figure(stem, task, rows)
    return written, summary.to_dicts()


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

    def on_outcome(self, outcome) -> None:  # noqa: ANN001
        self._done += 1
        last = f"{outcome.request.folder.name} {'failed' if outcome.error else 'done'}"
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done, last=last)
        else:
            say(f"{self._done}/{self._total} {last}")
