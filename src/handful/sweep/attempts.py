"""One run of a study: a process takes the run's lock, trains it, and notes the attempt in a file.

A killed sweep's workers live a little longer than it does, to save their states, and a node that a
cluster has given up may go on for a while. So before a process touches a run folder it takes the
run's lock, which the kernel takes back when the process dies, and a run that somebody else has
finished meanwhile is left alone.
"""

import glob
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from handful._support.files import lock_file
from handful.errors import HandfulError
from handful.learner import LEARNERS
from handful.learner.builders import load_network, named_networks
from handful.methods import METHODS
from handful.problem import make
from handful.run_folder import RunFolder
from handful.sweep.study import RunRequest
from handful.training.watching.callbacks import Callback, EpisodesReport, Report
from handful.welfare import load_welfare

EVERY = 1.0
"""The seconds between two notes, each of which is written as a file."""


class StageNote(Callback):
    """Keeps a note beside a run's folder while the run is validated or evaluated.

    Args:
        folder: the run's folder.
        clock: seconds that never go backwards.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path_of(folder).absolute(), clock
        self._noted = clock() - EVERY
        self._is_there = False

    def __enter__(self) -> "StageNote":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # a killed process leaves the file
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)

    def on_update(self, report: Report) -> None:
        """Remove the note, as training goes on."""
        if self._is_there:  # there are many updates, and some disks are slow
            self._path.unlink(missing_ok=True)
            self._is_there = False

    def on_episodes(self, report: EpisodesReport) -> None:
        """Write a new note, if the last one is old enough."""
        now = self._clock()
        if now - self._noted >= EVERY:
            self._noted, self._is_there = now, True
            self._path.write_text(json.dumps([report.purpose, report.share]))


def path_of(folder: Path) -> Path:
    """Return the path of the note of the run in ``folder``, whether or not it exists."""
    return folder.parent / ".attempts" / f"{folder.name}.stage.json"


def stage_of(folder: Path) -> tuple[str, float] | None:
    """Read what the run in ``folder`` plays episodes for, and how much of them it has played.

    Returns:
        the purpose and the share; None if the run plays no episodes, or if its note is being
        written at this moment.
    """
    try:
        purpose, share = json.loads(path_of(folder).read_text())
    except (OSError, ValueError):
        return None
    return str(purpose), float(share)


@dataclass(frozen=True)
class Outcome:
    """How one run of a study ended.

    Attributes:
        request: the run.
        error: one sentence, or None if the run is finished.
        interrupted: whether it was asked to stop; it can be resumed.
        seconds: how long a process worked at the run in this sweep; 0 if the run was finished
            before.
        cpu_seconds: the CPU time of all cores in these seconds.
    """

    request: RunRequest
    error: str | None = None
    interrupted: bool = False
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@runtime_checkable
class Observer(Protocol):
    """Hears how a sweep goes on, in the process that started it."""

    def started(self, request: RunRequest) -> None:
        """A run was given to a process, perhaps again because the process before died."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """A run ended, or was finished before."""
        ...

    def waiting(self) -> None:
        """Nothing happened for a second or so."""
        ...


def describe(outcome: Outcome) -> dict[str, Any]:
    """Describe an outcome with values that JSON holds."""
    return {"run": str(outcome.request.folder), "error": outcome.error}


def longest_first(
    requests: Sequence[RunRequest], rows: Mapping[str, Mapping[str, Any]]
) -> list[RunRequest]:
    """Sort runs into the order in which they are started: seed by seed, and the longest runs first.

    Tables then fill evenly, and at the end no core is left alone with a long run. A run's length is
    guessed from its transitions and from what they took in finished runs of the same task.

    Args:
        rows: the rows of finished runs in tables, by digest.
    """
    spent: dict[str, list[float]] = {}
    for row in rows.values():
        transitions = row["transitions"] * row["policies"]
        spent.setdefault(row["task"], []).append(row["seconds"] / max(transitions, 1))
    rates = {task: sum(values) / len(values) for task, values in spent.items()}
    unknown = sum(rates.values()) / len(rates) if rates else 1.0
    seeds = list(dict.fromkeys(request.config.seed for request in requests))

    def key(request: RunRequest) -> tuple[int, float]:
        length = request.transitions * rates.get(request.task, unknown)
        return seeds.index(request.config.seed), -length

    return sorted(requests, key=key)


POLL = 0.2
"""The seconds between two looks at a lock that another process holds."""


class Attempts:
    """The file of the attempts at a run, which stands beside the run's folder and is its lock too.

    Its lines are JSON: ``event`` (``started``, ``finished``, ``stopped`` or ``failed``), ``host``,
    ``pid`` and ``time`` (seconds since 1970).
    """

    def __init__(self, folder: Path) -> None:
        path = folder.parent / ".attempts" / f"{folder.name}.jsonl"
        self.path = path.absolute()  # an environment may change the working directory

    def read(self) -> list[dict[str, Any]]:
        """Read every line, without those that a kill cut short or that name no event."""
        records = []
        for line in self.path.read_bytes().splitlines() if self.path.is_file() else []:
            try:
                record = json.loads(line)
            except ValueError:  # no JSON, or no text
                continue
            if isinstance(record, dict) and "event" in record:
                records.append(record)
        return records

    @property
    def num_starts(self) -> int:
        """How often a process has begun to work at the run, in this sweep and before."""
        return sum(record["event"] == "started" for record in self.read())

    @contextmanager
    def lock(self, is_stopped: Callable[[], bool]) -> Iterator[Callable[[str], None] | None]:
        """Wait for the lock and hold it while the block runs.

        Yields:
            the function that writes a line, or None if this process was asked to stop.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+", encoding="utf-8") as file:
            while not lock_file(file.fileno()):
                if is_stopped():
                    yield None
                    return
                time.sleep(POLL)

            def write(event: str) -> None:
                about = {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
                file.write(json.dumps({"event": event, **about}) + "\n")
                file.flush()

            file.write(_missing_end(self.path))
            yield write


def _missing_end(path: Path) -> str:
    """Find what is missing at the end of a file whose last line was cut short by a kill."""
    text = path.read_bytes()
    return "" if not text or text.endswith(b"\n") else "\n"


def attempt(request: RunRequest, is_stopped: Callable[[], bool] = lambda: False) -> Outcome:
    """Start or resume one run in this process; the outcome says what went wrong."""
    start, cpu_start = time.perf_counter(), time.process_time()
    try:
        error, interrupted = _attempt(request, is_stopped)
    except HandfulError as told:
        error, interrupted = str(told), False
    except Exception as defect:  # a defect in one run must not hide the others' results
        error, interrupted = f"{type(defect).__name__}: {defect}", False
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return Outcome(request, error, interrupted, seconds, cpu_seconds)


def _attempt(request: RunRequest, is_stopped: Callable[[], bool]) -> tuple[str | None, bool]:
    """Return why it stopped, if it did, and whether it was asked to."""
    with Attempts(request.folder).lock(is_stopped) as write:
        if write is None or is_stopped():
            return "not started", True
        if RunFolder(request.folder).is_finished:
            return None, False
        write("started")
        event = "failed"
        try:
            stopped = _train(request, is_stopped)
            event = "finished" if stopped is None else "stopped"
        finally:
            write(event)
        return stopped, stopped is not None


def _train(request: RunRequest, is_stopped: Callable[[], bool]) -> str | None:
    """Train a run to its end, or say how far it came if it was asked to stop."""
    from handful.training.loop import resume, train_run
    from handful.training.preflight import checked_run
    from handful.training.session import TrainingInterrupted

    _remove_litter(request.folder)
    callbacks = [_Reminder(is_stopped), StageNote(request.folder)]
    try:
        # This may be another process than the one that asked, and the run folder's names of classes
        # and functions must be known here. The request holds the learner itself, not its name.
        LEARNERS.describe(request.config.learner)
        METHODS.load(request.config.method)
        for network in named_networks(request.config.learner):
            load_network(network)
        load_welfare(request.config.welfare)
        problem = make(request.task, **request.parameters)
        if request.folder.is_dir():
            resume(request.folder, problem, callbacks, progress=False)
        else:
            train_run(checked_run(problem, request.config), request.folder, callbacks)
    except TrainingInterrupted as stop:
        return str(stop)
    return None


class _Reminder(Callback):
    """Sends training a signal again that came before training listened to signals."""

    def __init__(self, is_stopped: Callable[[], bool]) -> None:
        self._is_stopped = is_stopped

    def on_update(self, report: Report) -> None:
        """Send the signal again, if there was one."""
        self._remind()

    def on_episodes(self, report: EpisodesReport) -> None:
        """Send the signal again, if there was one."""
        self._remind()

    def _remind(self) -> None:
        if self._is_stopped():
            signal.raise_signal(signal.SIGTERM)


def _remove_litter(folder: Path) -> None:
    """Remove what a kill left of a folder that was not in its place yet."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}-????????"):
        shutil.rmtree(left, ignore_errors=True)
