"""What happens beside training: metrics files and the like. The core emits; only these write."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from handful._support.checks import brief, check_kind
from handful._support.files import write_text
from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.run_folder import RunFolder


@dataclass(frozen=True)
class Report:
    """What a callback is told after an update.

    Attributes:
        update: updates done, from 1.
        num_updates: of the whole run.
        transitions: per policy, so far.
        rate: transitions a second of all policies together, lately; 0 before it is known.
        seconds: spent on training so far, stops left out.
        metrics: by name; numbers, or lists with one number a policy.
    """

    update: int
    num_updates: int
    transitions: int
    rate: float
    seconds: float
    metrics: dict[str, Any]


@dataclass(frozen=True)
class EpisodesReport:
    """What a callback is told while trained policies play episodes: it can take minutes.

    Attributes:
        purpose: "validation", to choose among the policies that the run had, or "evaluation".
        share: of the episodes that are played, 0 to 1; it jumps where many end early.
    """

    purpose: str
    share: float


class Callback:
    """Base of all callbacks, a context manager around the run; override what you need."""

    def __enter__(self) -> "Callback":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def on_update(self, report: Report) -> None:
        """After every update."""

    def on_episodes(self, report: EpisodesReport) -> None:
        """After every step of validation or evaluation, or less often."""


class MetricsFile(Callback):
    """Appends a line of JSON an update to ``metrics.jsonl``.

    Args:
        folder: the run's.
        first_update: updates that the run starts from; later lines, written after the checkpoint
            that it continues from, are dropped.
    """

    def __init__(self, folder: RunFolder, first_update: int) -> None:
        self._path: Path = folder.metrics
        self._run = folder.short_name()
        kept = folder.salvage_metrics(first_update)
        write_text(self._path, "".join(json.dumps(record) + "\n" for record in kept))
        self._file = self._path.open("a", encoding="utf-8")

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def on_update(self, report: Report) -> None:
        """Append and flush: a kill loses nothing that was seen."""
        record = {
            "run": self._run,
            "update": report.update,
            "transitions": report.transitions,
            "seconds": round(report.seconds, 3),
            **report.metrics,
        }
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()


class TensorBoard(Callback):
    """Scalars for TensorBoard, in the run folder.

    Args:
        folder: the run's; it may be made after the callback.

    Raises:
        HandfulError: if tensorboardX is not installed.
    """

    def __init__(self, folder: RunFolder) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise HandfulError(
                f"TensorBoard files need tensorboardX: {install_command('tensorboard')}."
            ) from None
        self._folder = folder
        self._open = partial(SummaryWriter, str(folder.tensorboard), flush_secs=30)
        self._writer: Any = None

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def on_update(self, report: Report) -> None:
        """Write every metric against transitions per policy."""
        if self._writer is None:  # points that a resumed run repeats are hidden
            self._folder.subfolder(self._folder.tensorboard)
            self._writer = self._open(purge_step=report.transitions)
        for name, value in report.metrics.items():
            if isinstance(value, Sequence):
                for policy, entry in enumerate(value):
                    self._writer.add_scalar(f"{name}/policy-{policy}", entry, report.transitions)
            else:
                self._writer.add_scalar(name, value, report.transitions)


def with_progress(callbacks: Sequence[Callback], progress: bool | None) -> list[Callback]:
    """The callbacks of a run, and a :class:`ProgressBar` where one is wanted.

    Args:
        callbacks: what the caller gave.
        progress: True for a bar, False for none, None for one unless it is among the callbacks.

    Raises:
        HandfulError: if the callbacks are no list of callbacks, or progress is no truth value.
    """
    check_kind("progress", progress, bool | None)
    if isinstance(callbacks, Callback):
        raise HandfulError(
            f"callbacks must be a list: write callbacks=[{type(callbacks).__name__}(...)]."
        )
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise HandfulError(f"callbacks must be a list of callbacks, not {brief(callbacks)}.")
    for callback in callbacks:
        if isinstance(callback, type):
            raise HandfulError(
                f"callbacks holds the class {callback.__name__}: make an object of it, as in "
                f"[{callback.__name__}()]."
            )
        if not isinstance(callback, Callback):
            raise HandfulError(
                f"callbacks must be objects of classes made from handful.Callback, not "
                f"{brief(callback)}."
            )
    has_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
    wanted = not has_bar if progress is None else progress and not has_bar
    return [*callbacks, ProgressBar()] if wanted else list(callbacks)


class ProgressBar(Callback):
    """A bar with the rate, the time left and the welfare; plain lines where there is no terminal.

    Validation and evaluation have bars of their own, without the rate and the welfare.

    Args:
        console: where to draw; standard error by default, so that results can be piped.
        line_every: seconds between plain lines.
        clock: seconds that never go backwards, for validation and evaluation.
    """

    def __init__(
        self,
        console: Console | None = None,
        line_every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._line_every, self._clock = line_every, clock
        self._purpose, self._began, self._last_line = "training", 0.0, 0.0
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
        if self._progress.live.is_started:  # stopping one that never was prints an empty line
            self._progress.stop()

    def on_update(self, report: Report) -> None:
        """Move the bar, or print a line now and then."""
        self._turn_to("training", report.seconds)
        rate, welfare = f"{report.rate:,.0f} transitions/s", report.metrics["welfare"]
        is_measured = report.rate > 0  # a first update is mostly compilation
        if self._console.is_terminal:
            bold = f"welfare [bold]{welfare:.2f}"
            self._draw(report.update / report.num_updates, rate if is_measured else "", bold)
        elif self._is_due(report.seconds):
            left = report.seconds / report.update * (report.num_updates - report.update)
            pace = f"{rate}, {left:.0f} s left, " if is_measured else ""
            self._print(f"update {report.update}/{report.num_updates}, {pace}welfare {welfare:.2f}")

    def on_episodes(self, report: EpisodesReport) -> None:
        """Move a bar, or print a line now and then."""
        now = self._clock()
        self._turn_to(report.purpose, now)
        if self._console.is_terminal:
            self._draw(report.share)
        elif self._is_due(now):
            left = (now - self._began) / report.share * (1.0 - report.share)
            self._print(f"{report.purpose}: {100 * report.share:.0f} %, {left:.0f} s left")

    def _turn_to(self, purpose: str, now: float) -> None:
        """Begin anew where the work is another than before."""
        if purpose == self._purpose:
            return
        self._purpose, self._began, self._last_line = purpose, now, now
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def _is_due(self, now: float) -> bool:
        """Whether it is time for another line."""
        is_due = now - self._last_line >= self._line_every
        if is_due:
            self._last_line = now
        return is_due

    def _draw(self, share: float, rate: str = "", welfare: str = "") -> None:
        if self._task is None:
            self._progress.start()  # again does nothing
            self._task = self._progress.add_task(
                self._purpose, total=1.0, rate=rate, welfare=welfare
            )
        self._progress.update(self._task, completed=share, rate=rate, welfare=welfare)

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False)
