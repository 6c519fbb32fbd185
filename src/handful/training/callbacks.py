"""What happens beside training: progress, metrics files. The core emits; only these write."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from handful.errors import HandfulError
from handful.runs import RunFolder, write_text


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


class Callback:
    """Base of all callbacks, a context manager around the run; override what you need."""

    def __enter__(self) -> "Callback":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def on_update(self, report: Report) -> None:
        """After every update."""


class ProgressBar(Callback):
    """A bar with the rate, the time left and the welfare; plain lines where there is no terminal.

    Args:
        console: where to draw; standard error by default, so that results can be piped.
        line_every: seconds of training between plain lines.
    """

    def __init__(self, console: Console | None = None, line_every: float = 10.0) -> None:
        self._console = console or Console(stderr=True)
        self._line_every = line_every
        self._last_line = 0.0
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f}%"),
            TextColumn("{task.fields[rate]} transitions/s"),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("welfare [bold]{task.fields[welfare]}"),
            console=self._console,
            transient=True,
        )

    def __exit__(self, *_: object) -> None:
        if self._task is not None:  # stopping a bar that never started prints an empty line
            self._progress.stop()

    def on_update(self, report: Report) -> None:
        """Move the bar, or print a line now and then."""
        rate, welfare = f"{report.rate:,.0f}", f"{report.metrics['welfare']:.2f}"
        if not self._console.is_terminal:
            if report.seconds - self._last_line >= self._line_every:
                self._last_line = report.seconds
                left = report.seconds / report.update * (report.num_updates - report.update)
                self._console.print(
                    f"update {report.update}/{report.num_updates}, {rate} transitions/s, "
                    f"{left:.0f} s left, welfare {welfare}",
                    highlight=False,
                )
            return
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task(
                "training", total=report.num_updates, rate=rate, welfare=welfare
            )
        self._progress.update(self._task, completed=report.update, rate=rate, welfare=welfare)


class MetricsFile(Callback):
    """Appends a line of JSON an update to ``metrics.jsonl``.

    Args:
        folder: the run's.
        first_update: updates that the run starts from; later lines, written after the checkpoint
            that it continues from, are dropped.
    """

    def __init__(self, folder: RunFolder, first_update: int) -> None:
        self._path: Path = folder.metrics
        kept = [r for r in folder.read_metrics() if r["update"] <= first_update]
        write_text(self._path, "".join(json.dumps(record) + "\n" for record in kept))
        self._file = self._path.open("a", encoding="utf-8")

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def on_update(self, report: Report) -> None:
        """Append and flush: a kill loses nothing that was seen."""
        record = {
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
                "TensorBoard files need tensorboardX: pip install 'handful[tensorboard]'."
            ) from None
        self._open = partial(SummaryWriter, str(folder.tensorboard), flush_secs=30)
        self._writer: Any = None

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def on_update(self, report: Report) -> None:
        """Write every metric against transitions per policy."""
        if self._writer is None:  # points that a resumed run repeats are hidden
            self._writer = self._open(purge_step=report.transitions)
        for name, value in report.metrics.items():
            if isinstance(value, Sequence):
                for policy, entry in enumerate(value):
                    self._writer.add_scalar(f"{name}/policy-{policy}", entry, report.transitions)
            else:
                self._writer.add_scalar(name, value, report.transitions)
