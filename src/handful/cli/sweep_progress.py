"""A sweep's progress: bars on a terminal, a line now and then elsewhere."""

import time
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from handful.cli.output import say
from handful.controls import escaped

if TYPE_CHECKING:
    from handful.experiments.outcome import Outcome
    from handful.experiments.progress import Overview, Running, Tracker
    from handful.experiments.requests import RunRequest

LINE_EVERY = 30.0
"""Seconds between plain lines, other than those of runs that ended."""

LOOK_EVERY = 2.0
"""Seconds between two looks at the run folders: a look reads the end of every running run's
metrics, the first one those of all runs, and must cost next to nothing beside the runs."""


class SweepProgress:
    """Draws what a :class:`~handful.experiments.progress.Tracker` knows.

    Args:
        tracker: is told of runs that start and end.
        console: where to draw; standard error by default, so that results can be piped.
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
        """Count the run among those that are worked at."""
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
        """Look again, if the last look is old enough."""
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
    """A sweep at a moment, in one line."""
    running = "; ".join(f"{run.name} {_stage(run)}{_welfare(run)}" for run in overview.running)
    parts = [
        f"{overview.done}/{overview.total} runs{_failed(overview)}",
        f"{100 * _share(overview):.0f} % of the transitions",
        *_pace(overview),
    ]
    return ", ".join(parts) + (f": {running}" if running else "")


def picture(overview: "Overview") -> Group:
    """A sweep at a moment: a bar for all of it, and one for each run that is worked at."""
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
    """Seconds as people say them."""
    minutes, hours = round(seconds / 60), seconds / 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{hours:.1f} h"


def _stage(run: "Running") -> str:
    """Trained runs are still to be validated and evaluated, which takes minutes on robots."""
    if run.episodes is not None:
        purpose, share = run.episodes
        return f"{100 * run.share:.0f} %, {purpose} {100 * share:.0f} %"
    return f"{100 * run.share:.0f} %" if run.share < 1.0 else "being evaluated"


def _pace(overview: "Overview") -> list[str]:
    """The rate and the time left, where they are known: at first look nothing has been measured."""
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
