"""What happens beside training: metrics files and the like. The core emits; only these write."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from handful.errors import HandfulError
from handful.files import write_text
from handful.installing import install_command
from handful.runs import RunFolder


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
