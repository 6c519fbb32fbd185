"""Callbacks, which follow a run, and the progress bar as one of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from handful._support.checks import brief, check_kind
from handful.errors import HandfulError

TRAINING = "training"
"""The purpose of the updates of a run's own policies."""

UNIVERSAL = "universal policy"
"""The purpose of the updates of the universal policy that a run begins with."""


@dataclass(frozen=True)
class Report:
    """The report that a callback gets after an update.

    Attributes:
        update: the number of updates so far, from 1 on.
        num_updates: the number of updates of the whole run.
        transitions: the number of transitions per policy so far.
        rate: the transitions per second of all policies together in the latest updates; 0 before it
            is known.
        seconds: the seconds that training took so far, without the time between a stop and a
            resume.
        metrics: the metrics by name: each is a number, or a list with one number for each policy.
        purpose: what the updates are for, :data:`TRAINING` or :data:`UNIVERSAL`. A run that begins
            with a universal policy counts its updates anew afterwards.
    """

    update: int
    num_updates: int
    transitions: int
    rate: float
    seconds: float
    metrics: dict[str, Any]
    purpose: str = TRAINING


@dataclass(frozen=True)
class EpisodesReport:
    """The report that a callback gets while trained policies play episodes. This can take minutes.

    Attributes:
        purpose: "validation", by which a run chooses among the policies that it had,
            "candidates", by which it chooses among what a universal policy can do, or
            "evaluation".
        share: how much of the episodes has been played, from 0 to 1; it jumps if many episodes end
            early.
    """

    purpose: str
    share: float


class Callback:
    """The base class of everything that follows a run; override the methods that you need.

    A callback is a context manager that is entered before the first update. An error that it raises
    ends the run. To write metrics somewhere, use a
    :class:`~handful.training.watching.loggers.Logger`.
    """

    def __enter__(self) -> "Callback":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def on_update(self, report: Report) -> None:
        """Training calls this after every update."""

    def on_episodes(self, report: EpisodesReport) -> None:
        """Validation and evaluation call this after every step of their episodes, or less often."""


class OwnCallback(Callback):
    """The base class of what a run itself keeps of its own updates, and of no part's before."""


def with_progress(callbacks: Sequence[Callback], progress: bool | None) -> list[Callback]:
    """Add a :class:`ProgressBar` to the callbacks of a run if one is wanted.

    Args:
        callbacks: the callbacks that the caller gave.
        progress: True for a bar, False for none, None for one unless it is among the callbacks.

    Returns:
        a list of the callbacks, with the bar as the last one.

    Raises:
        HandfulError: if the callbacks are not a list of callbacks, or progress is not a truth
            value.
    """
    check_kind("progress", progress, bool | None)
    check_objects("callbacks", callbacks, Callback)
    has_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
    wanted = not has_bar if progress is None else progress and not has_bar
    return [*callbacks, ProgressBar()] if wanted else list(callbacks)


def check_objects(name: str, given: Any, base: type) -> None:
    """Check a list of objects of classes that a caller derived from a class of the library.

    Args:
        name: the name of the argument.
        given: the value that the caller gave for it.
        base: the class, which ``handful`` exports.

    Raises:
        HandfulError: if it is not a list, or an entry is not an object of such a class.
    """
    if isinstance(given, base):
        raise HandfulError(f"{name} must be a list: write {name}=[{type(given).__name__}(...)].")
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise HandfulError(f"{name} must be a list of {name}, not {brief(given)}.")
    for one in given:
        if isinstance(one, type):
            raise HandfulError(
                f"{name} holds the class {one.__name__}: make an object of it, as in "
                f"[{one.__name__}()]."
            )
        if not isinstance(one, base):
            raise HandfulError(
                f"{name} must be objects of classes made from handful.{base.__name__}, not "
                f"{brief(one)}."
            )


class ProgressBar(Callback):
    """A bar with the rate, the time left and the welfare; plain lines if there is no terminal.

    Validation and evaluation have bars of their own, without the rate and the welfare.

    Args:
        console: the console to draw on. It is standard error by default, so that results can be
            piped.
        line_every: the seconds between plain lines.
        clock: a function that gives seconds that never go backwards, for validation and evaluation.
    """

    def __init__(
        self,
        console: Console | None = None,
        line_every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._line_every, self._clock = line_every, clock
        self._purpose, self._last_line = TRAINING, 0.0
        self._first: tuple[float, float] | None = None  # the seconds, and the share that was done
        self._latest = (0.0, 0.0)
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f}%"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[welfare]}"),
            console=self._console,
            transient=True,
        )

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:  # stopping a bar that never started prints an empty line
            self._progress.stop()

    def on_update(self, report: Report) -> None:
        """Move the bar, or print a line now and then."""
        done = report.update / report.num_updates
        self._turn_to(report.purpose, report.seconds, done)
        rate, welfare = f"{report.rate:,.0f} transitions/s", report.metrics["welfare"]
        is_measured = report.rate > 0  # the first update is mostly compilation
        if self._console.is_terminal:
            bold = f"welfare [bold]{welfare:.2f}"
            self._draw(done, rate if is_measured else "", bold)
        elif self._is_due(report.seconds):
            stage = "" if report.purpose == TRAINING else report.purpose
            updates = f"update {report.update}/{report.num_updates}"
            pace = (rate, self._left()) if is_measured else ()
            self._print(stage, updates, *pace, f"welfare {welfare:.2f}")

    def on_episodes(self, report: EpisodesReport) -> None:
        """Move a bar, or print a line now and then."""
        now = self._clock()
        self._turn_to(report.purpose, now, report.share)
        if self._console.is_terminal:
            self._draw(report.share)
        elif self._is_due(now):
            self._print(f"{report.purpose}: {100 * report.share:.0f} %", self._left())

    def _left(self) -> str:
        """Return the time left by the pace since the first report of this work; "" if unknown."""
        (began, first), (now, done) = self._first or self._latest, self._latest
        if done <= first:
            return ""
        return f"{(now - began) / (done - first) * (1.0 - done):.0f} s left"

    def _turn_to(self, purpose: str, now: float, done: float) -> None:
        """Begin a new bar if the work has changed, or work of the same kind has begun again."""
        before, self._latest = self._latest, (now, done)
        if purpose != self._purpose:
            self._last_line = now
        elif self._first is not None and done >= before[1]:
            return
        self._purpose, self._first = purpose, self._latest
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def _is_due(self, now: float) -> bool:
        """Return whether it is time for another line."""
        is_due = now - self._last_line >= self._line_every
        if is_due:
            self._last_line = now
        return is_due

    def _draw(self, share: float, rate: str = "", welfare: str = "") -> None:
        if self._task is None:
            self._progress.start()  # starting it again does nothing
            self._task = self._progress.add_task(
                self._purpose, total=1.0, rate=rate, welfare=welfare
            )
        self._progress.update(self._task, completed=share, rate=rate, welfare=welfare)

    def _print(self, *parts: str) -> None:
        """Print a line of all parts that say something."""
        self._console.print(", ".join(filter(None, parts)), highlight=False)
