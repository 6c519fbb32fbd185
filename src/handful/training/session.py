"""The surroundings of a run's steps: callbacks, signals, and the place where it is kept."""

import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from handful._support.storage import digest_of_json
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.tensors import read_about
from handful.training.records.checkpoint import save_state
from handful.training.records.provenance import session as this_session
from handful.training.records.run_reader import CHECKPOINT, resume_advice
from handful.training.state import TrainState
from handful.training.watching.callbacks import Callback, EpisodesReport, OwnCallback, Report
from handful.types import Watch


class TrainingInterrupted(Exception):
    """The error for a run that was asked to stop; its state is saved.

    Attributes:
        signal_number: the number of the signal that asked for it.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class StopRequest:
    """A block in which the first SIGINT or SIGTERM is noted instead of obeyed.

    A second one has its usual effect, so that nobody has to wait. Outside the main thread, where
    Python delivers no signals, nothing is noted.

    Attributes:
        signal_number: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._before: dict[int, signal.Handlers] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


@dataclass(frozen=True)
class Session:
    """The work of one process at a run.

    Attributes:
        folder: the folder in which the run is kept, or None.
        callbacks: the callbacks, which are entered already.
        stop: the request to stop, which is obeyed when nothing is lost by it.
        advice: how to continue a run that was stopped, in words for an error message.
        about: what the checkpoint says of the run: the digest of its settings, and the processes
            that worked at it.
    """

    folder: RunFolder | None
    callbacks: Sequence[Callback]
    stop: StopRequest
    advice: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    def tell(self, report: Report) -> None:
        """Call the callbacks with the report of an update."""
        for callback in self.callbacks:
            callback.on_update(report)

    def save(self, state: TrainState) -> None:
        """Save the state, if the run has a folder.

        Raises:
            HandfulError: if the run's folder was moved away.
            OSError: if the state cannot be written.
        """
        if self.folder is not None:
            self.folder.check_in_place()
            save_state(self.folder.checkpoint, state, self.about)

    def interrupted(self, transitions: int, signal_number: int) -> TrainingInterrupted:
        """Return the error to raise on a signal, after the state is saved.

        Args:
            transitions: the transitions for each policy so far.
        """
        message = f"Stopped after {transitions:,} transitions per policy"
        if self.folder is not None:
            message += f"; {self.advice}"
        return TrainingInterrupted(message + ".", signal_number)

    def within(self, folder: RunFolder | None, own: Callback) -> "Session":
        """Return the surroundings of a part of the run that is kept in a folder of its own.

        Args:
            folder: the folder of the part, or None.
            own: what the part keeps of its updates, in place of what the run keeps of its own. The
                caller's callbacks follow both.
        """
        followers = [c for c in self.callbacks if not isinstance(c, OwnCallback)]
        about = {} if folder is None else _about(folder)
        return Session(folder, [own, *followers], self.stop, self.advice, about)

    def watch(self, purpose: str, transitions: int) -> Watch:
        """Return a function that reports the progress of episodes to the callbacks.

        It ends them if a signal asks for it, so the state must have been saved before.

        Args:
            purpose: the purpose of the episodes, in a word.
            transitions: the transitions for each policy so far in training.
        """

        def watch(share: float) -> None:
            for callback in self.callbacks:
                callback.on_episodes(EpisodesReport(purpose, share))
            asked_by = self.stop.signal_number
            if asked_by is not None:
                raise self.interrupted(transitions, asked_by)

        return watch


@contextmanager
def open_session(
    folder: RunFolder | None, callbacks: Sequence[Callback], problem: RMDP
) -> Iterator[Session]:
    """Within the block, the callbacks are entered and signals are noted."""
    with ExitStack() as stack:
        for callback in callbacks:
            stack.enter_context(callback)
        stop = stack.enter_context(StopRequest())
        if folder is None:
            yield Session(folder, callbacks, stop)
        else:
            advice = resume_advice(folder, problem)
            yield Session(folder, callbacks, stop, advice, _about(folder))


def _about(folder: RunFolder) -> dict[str, str]:
    """Return what the checkpoints of this process say of the run."""
    sessions: list[Any] = []
    if folder.checkpoint.is_file():
        sessions = json.loads(read_about(folder.checkpoint, CHECKPOINT).get("sessions", "[]"))
    sessions.append(this_session())
    run = digest_of_json(folder.read_config())
    return {"run": run, "sessions": json.dumps(sessions)}


WINDOW = 20
"""The number of updates over which the pace is averaged."""


class Clock:
    """A clock of the seconds of training and the pace of the latest updates."""

    def __init__(self, seconds_before: float) -> None:
        self._start = time.perf_counter() - seconds_before
        self._ticks: list[float] = []
        self.seconds = seconds_before

    def tick(self) -> float:
        """Note that an update is done, and return the seconds of training so far."""
        self.seconds = time.perf_counter() - self._start
        self._ticks = [*self._ticks[-WINDOW:], self.seconds]
        return self.seconds

    def updates_per_second(self) -> float:
        """Return the pace over the latest updates; 0 before there were two."""
        if len(self._ticks) < 2:
            return 0.0
        return (len(self._ticks) - 1) / (self._ticks[-1] - self._ticks[0])


def seconds_before(folder: RunFolder | None, update: int) -> float:
    """Return the seconds of training of the updates from which a run continues."""
    if folder is None:
        return 0.0
    spent = (record.get("seconds") for record in folder.salvage_metrics(update))
    return max((float(one) for one in spent if isinstance(one, int | float)), default=0.0)
