"""The command ``handful sweep``."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from handful._support.controls import shell_line
from handful.cli.output import print_json, say, show
from handful.cli.stopping import patiently
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.sweep.attempts import Outcome
    from handful.sweep.study import RunRequest
import time
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from handful._support.controls import escaped

if TYPE_CHECKING:
    from handful.sweep.attempts import Outcome
    from handful.sweep.progress import Overview, Running, Tracker
    from handful.sweep.study import RunRequest
from dataclasses import field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from handful.sweep.attempts import Outcome
    from handful.sweep.study import RunRequest, Study

_CHOSEN = tyro.conf.arg(metavar="VALUE [VALUE ...]", help_behavior_hint="(default: all)")
_Names = Annotated[tuple[str, ...] | None, _CHOSEN]
_Numbers = Annotated[tuple[int, ...] | None, _CHOSEN]
"""The values of a study that are chosen; None chooses all of them."""


@dataclass
class Sweep:
    """Run a study: tasks x methods x policies x seeds; then its table and figure.

    Finished runs are skipped, also those that only the table knows of, and half-done runs are
    resumed. So the same command continues a sweep that was stopped or killed, and draws the figure
    of a finished sweep again. The table is written when the first run ends, and grows with each.
    """

    study: tyro.conf.Positional[Path]
    """The study's YAML file."""

    tasks: _Names = None
    """Run only these tasks of the study for now."""

    methods: _Names = None
    """Run only these methods of the study for now."""

    policies: _Numbers = None
    """Run only these budgets of the study for now."""

    seeds: _Numbers = None
    """Run only these seeds of the study for now."""

    variants: _Names = None
    """Run only these variants of the study for now."""

    workers: int | None = None
    """The number of processes, each with one core; by default as many as there are cores."""

    ray: str | None = None
    """HOST:PORT of a Ray cluster to run on, or auto; all its nodes must see the folder 'out'."""

    json: bool = False
    """Print every run's outcome and the summary as JSON."""

    def run(self) -> None:
        """Execute what is left and write the results."""
        from handful.sweep.attempts import describe
        from handful.sweep.progress import Tracker
        from handful.sweep.study import check_what_is_needed
        from handful.sweep.study_file import read_study
        from handful.sweep.workers import check_folders

        if self.workers is not None and self.workers < 1:
            raise HandfulError(f"--workers must be at least 1, not {self.workers}.")
        if self.workers is not None and self.ray is not None:
            raise HandfulError("--workers is of this machine: a Ray cluster has its own number.")
        study = read_study(self.study)
        requests = study.runs()
        self._check_choice(requests)
        chosen = [request for request in requests if self._wants(request)]
        check_what_is_needed(chosen)
        results = SweepResults(study, requests, shell_line("handful", "sweep", self.study))
        check_folders(requests)
        known = results.check()
        with patiently():  # runs that are stopped save their states, and the table is written
            try:
                with SweepProgress(Tracker(chosen)) as progress:
                    outcomes = self._execute(chosen, _Watcher(progress, results), known)
            except KeyboardInterrupt:
                results.write()
                say("handful: stopped; the same command goes on from here.")
                sys.exit(130)
        written, summary = results.write()
        errors = results.errors
        outcomes = [replace(o, error=o.error or errors.get(o.request.digest)) for o in outcomes]
        failures = {o.request.folder: o.error for o in outcomes if o.error}
        failures |= {r.folder: errors[r.digest] for r in requests if r.digest in errors}
        for folder, error in failures.items():
            say(f"handful: {folder}: {error}")
        if self.json:
            runs = [describe(outcome) for outcome in outcomes]
            print_json({"runs": runs, "summary": summary, "files": [str(p) for p in written]})
        else:
            show(*written)
        if failures:
            sys.exit(1)

    def _execute(
        self,
        requests: "list[RunRequest]",
        watcher: "_Watcher",
        known: dict[str, dict[str, Any]],
    ) -> "list[Outcome]":
        if self.ray is not None:
            from handful.sweep.ray import run_on_ray

            return run_on_ray(requests, self.ray, watcher, known)
        from handful.devices import usable_cores
        from handful.sweep.workers import run_all

        return run_all(requests, self.workers or usable_cores(), watcher, known)

    def _check_choice(self, requests: "list[RunRequest]") -> None:
        from handful.sweep.study import offered

        for option, values in offered(requests).items():
            chosen = getattr(self, option)
            if chosen == ():
                raise HandfulError(f"--{option} names none: give at least one, or leave it out.")
            missing = [value for value in chosen or () if value not in values]
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
        return all(chosen is None or value in chosen for chosen, value in choices)


class _Watcher:
    """Tells the progress bar what happens, and adds each finished run to the table."""

    def __init__(self, progress: "SweepProgress", results: "SweepResults") -> None:
        self._progress, self._results = progress, results
        self.started, self.waiting = progress.started, progress.waiting

    def ended(self, outcome: "Outcome") -> None:
        """Count the run, and put it into the table."""
        self._progress.ended(outcome)
        self._results.ended(outcome)


LINE_EVERY = 30.0
"""The seconds between plain lines, besides the lines of runs that ended."""

LOOK_EVERY = 2.0
"""The seconds between two looks at the run folders: a look reads the end of every running run's
metrics, the first one those of all runs, and must cost next to nothing beside the runs."""


class SweepProgress:
    """Shows how far a sweep is, as a :class:`~handful.sweep.progress.Tracker` knows it.

    Args:
        tracker: the object that counts the runs; this class reports the start and end of runs to
            it.
        console: the console to draw on. It is standard error by default, so that results can be
            piped.
    """

    def __init__(self, tracker: "Tracker", console: Console | None = None) -> None:
        self._tracker = tracker
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._looked_at = self._said_at = time.monotonic()
        self._is_new = True

    def __enter__(self) -> "SweepProgress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def started(self, request: "RunRequest") -> None:
        """Count the run among those that are being trained."""
        self._tracker.started(request)
        if self._is_new and not self._console.is_terminal:
            self._is_new = False
            say(sentence(self._tracker.look()))
        self.waiting()

    def ended(self, outcome: "Outcome") -> None:
        """Count a run that ended, and say so."""
        if not self._tracker.ended(outcome):
            return
        overview = self._tracker.look()
        how = "failed" if outcome.error else "done"
        line = f"{overview.done}/{overview.total} {outcome.request.folder.name} {how}"
        if self._console.is_terminal:
            self._console.print(Text(escaped(line)), soft_wrap=True)
            self._live.update(picture(overview), refresh=True)
        else:
            say(line)

    def waiting(self) -> None:
        """Look at the run folders again, if the last look is old enough."""
        now = time.monotonic()
        is_terminal = self._console.is_terminal
        last, every = (self._looked_at, LOOK_EVERY) if is_terminal else (self._said_at, LINE_EVERY)
        if now - last < every:
            return
        self._looked_at = self._said_at = now
        overview = self._tracker.look()
        if is_terminal:
            self._live.update(picture(overview), refresh=True)
        else:
            say(sentence(overview))


def sentence(overview: "Overview") -> str:
    """Describe how far a sweep is in one line."""
    running = "; ".join(f"{run.name} {_stage(run)}{_welfare(run)}" for run in overview.running)
    parts = [
        f"{overview.done}/{overview.total} runs{_failed(overview)}",
        f"{100 * _share(overview):.0f} % of the transitions",
        *_pace(overview),
    ]
    return ", ".join(parts) + (f": {running}" if running else "")


def picture(overview: "Overview") -> Group:
    """Draw how far a sweep is: a bar for all runs, and a bar for each run that is being trained."""
    head = Table.grid(padding=(0, 1))
    head.add_row(
        f"runs {overview.done}/{overview.total}{_failed(overview)}",
        ProgressBar(total=1.0, completed=_share(overview), width=30),
        f"{100 * _share(overview):3.0f} %",
        *_pace(overview),
    )
    runs = Table.grid(padding=(0, 1))
    for run in overview.running:
        runs.add_row(
            Text(f"  {escaped(run.name)}"),
            ProgressBar(total=1.0, completed=run.share, width=20),
            f"{_stage(run)}{_welfare(run)}",
        )
    return Group(head, runs)


def duration(seconds: float) -> str:
    """Write a number of seconds in seconds, minutes or hours, whichever people would use."""
    minutes, hours = round(seconds / 60), seconds / 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{hours:.1f} h"


def _stage(run: "Running") -> str:
    """Describe how far a run is; after training it is validated and evaluated, which takes time."""
    if run.episodes is not None:
        purpose, share = run.episodes
        return f"{100 * run.share:.0f} %, {purpose} {100 * share:.0f} %"
    return f"{100 * run.share:.0f} %" if run.share < 1.0 else "being evaluated"


def _pace(overview: "Overview") -> list[str]:
    """Describe the rate and the time left, as far as they are known already."""
    rate = [f"{overview.rate:,.0f} transitions/s"] if overview.rate > 0 else []
    if overview.running and overview.transitions >= overview.total_transitions:
        return [*rate, "evaluation left"]
    left = overview.seconds_left
    return [] if left is None else [*rate, f"{duration(left)} left"]


def _share(overview: "Overview") -> float:
    return overview.transitions / max(overview.total_transitions, 1)


def _failed(overview: "Overview") -> str:
    return f" ({overview.failed} failed)" if overview.failed else ""


def _welfare(run: "Running") -> str:
    return "" if run.welfare is None else f", welfare {run.welfare:.2f}"


Rows = list[dict[str, Any]]


@dataclass
class SweepResults:
    """Writes the results of a study: the table of its finished runs, its page, and its figures.

    Attributes:
        study: the study, as it was read.
        requests: all runs of the study.
        command: the command that makes the table.
        errors: the reason why a run failed in this sweep, or why its files cannot be read, by the
            run's digest.
    """

    study: "Study"
    requests: "list[RunRequest]"
    command: str
    errors: dict[str, str] = field(default_factory=dict)
    _next_write: float = 0.0

    TABLE_SHARE = 0.01
    """The share of a core's time that writing the table may take while the sweep goes on."""

    @property
    def parquet(self) -> Path:
        """The path of the table."""
        return self.study.results / f"{self.study.name}.parquet"

    def check(self) -> dict[str, dict[str, Any]]:
        """Check that everything can be written later, and that nothing is lost by writing it.

        Returns:
            the rows that exist already, by digest: those of the study's own table, and those of the
            tables that it reuses.

        Raises:
            HandfulError: if a table is missing or damaged, holds what the study does not ask for,
                or the folder cannot be written to.
        """
        from handful._support.files import check_writable
        from handful.results.tables import check_place, read_manifest
        from handful.sweep.table import check_nothing_is_lost, stored_rows

        reused, own = self._reused(), stored_rows(self.parquet)
        check_nothing_is_lost(self.parquet, own, reused, self.requests, self.study.out)
        check_place(self.parquet)
        read_manifest(self.parquet)
        check_writable(self.study.results)
        return reused | own

    def ended(self, outcome: "Outcome") -> None:
        """Add a run that ended just now to the table, at once or together with the next run.

        The reason why a run failed is kept until the sweep ends.
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
        """Write all results, from every run folder and table that exists.

        Where no run is finished there is no table: then only the list of runs is written.

        Returns:
            the files that were written, and the rows of the summary.
        """
        from handful.sweep.details import write_details
        from handful.sweep.table import summarize

        table, written = self._write_table()
        summary = [] if table is None else summarize(table).to_dicts()
        beside, unreadable = write_details(
            self.parquet, self.study, self.requests, self.command, self.errors
        )
        self.errors = unreadable | self.errors
        return [*written, *beside, *self.write_figures()], summary

    def _reused(self) -> dict[str, dict[str, Any]]:
        from handful.sweep.table import stored_rows

        rows = {}
        for table in self.study.reuse:
            if not table.is_file():
                raise HandfulError(
                    f"The {self.study.title} reuses '{table}', and there is no such table."
                )
            rows |= stored_rows(table)
        return rows

    def _write_table(self) -> "tuple[pl.DataFrame | None, list[Path]]":
        """Write the table and its page, with the runs that are finished."""
        from handful.sweep.table import (
            build_table,
            rows_of_gone_methods,
            stored_rows,
            write_table,
        )

        own = stored_rows(self.parquet)
        kept = rows_of_gone_methods(own).values()
        table = build_table(self.requests, self._reused() | own, kept)
        return table, [] if table is None else write_table(self.parquet, table, self.command)

    def write_figures(self) -> list[Path]:
        """Draw welfare against the budget, a figure for each task that has finished runs.

        Returns:
            the files of the figures.
        """
        from handful.report.study.budgets import welfare_figure
        from handful.report.study.reading import collect
        from handful.report.wording import task_title
        from handful.results.tables import read_study_results
        from handful.sweep.study import file_name, offered

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
