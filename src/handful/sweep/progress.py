"""The progress of a whole sweep, read from its run folders."""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handful.run_folder import RunFolder
from handful.sweep.attempts import Outcome, stage_of
from handful.sweep.study import RunRequest

TAIL = 1 << 14
"""The bytes at the end of a metrics file that are read first; a longer line takes more."""

WINDOW = 120.0
"""The seconds over which the rate is averaged."""


@dataclass(frozen=True)
class Running:
    """A run that a process is training.

    Attributes:
        name: the name of its folder.
        share: how much of its transitions is done, from 0 to 1.
        welfare: the welfare in training; None before the first update.
        episodes: the purpose of the episodes that its trained policies play, and the share of them
            that is played; None if they play none.
    """

    name: str
    share: float
    welfare: float | None
    episodes: tuple[str, float] | None = None


@dataclass(frozen=True)
class Overview:
    """How far a sweep is at a moment.

    Attributes:
        done, failed, total: the numbers of runs; ``done`` counts failed ones too.
        transitions, total_transitions: the transitions of all policies of all runs so far, and at
            the end. A failed run will not go on, so it adds as many to the second as to the first.
        rate: transitions a second, lately; 0 before it is known.
        seconds_left: the seconds that are left at that rate; None before it is known.
        running: the runs that are worked at.
    """

    done: int
    failed: int
    total: int
    transitions: int
    total_transitions: int
    rate: float
    seconds_left: float | None
    running: tuple[Running, ...]


class Tracker:
    """Counts the runs of a sweep that have started and ended.

    Args:
        requests: all runs of the sweep.
        clock: seconds that never go backwards.
    """

    def __init__(
        self, requests: Sequence[RunRequest], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._waiting = {request.folder: request for request in requests}
        self._running: dict[Path, RunRequest] = {}
        self._done_before: dict[Path, int] = {}
        self._done = self._failed = 0
        self._total = len(requests)
        self._ended_transitions = 0
        self._history: deque[tuple[float, int]] = deque()
        self._known_before = 0

    def started(self, request: RunRequest) -> None:
        """Note that a process works at the run."""
        self._running[request.folder] = request

    def ended(self, outcome: Outcome) -> bool:
        """Note that a run ended.

        Returns:
            whether a process worked at the run in this sweep.
        """
        request = outcome.request
        was_running = self._running.pop(request.folder, None) is not None
        self._waiting.pop(request.folder, None)
        self._done += 1
        self._failed += outcome.error is not None
        transitions = request.transitions
        if outcome.error is not None:
            transitions = _transitions(request, last_metrics(RunFolder(request.folder).metrics))
        self._ended_transitions += transitions
        if not was_running:  # it finished before this sweep, so it is not part of its rate
            self._known_before += transitions
        return was_running

    def look(self) -> Overview:
        """Read how far the sweep is now."""
        records = {folder: last_metrics(RunFolder(folder).metrics) for folder in self._running}
        done = sum(self._done_of(request, records) for request in self._waiting.values())
        transitions = self._ended_transitions + done
        total = self._ended_transitions + sum(r.transitions for r in self._waiting.values())
        rate = self._rate(transitions - self._known_before)
        left = (total - transitions) / rate if rate > 0 else None
        running = tuple(_running(r, records[folder]) for folder, r in self._running.items())
        return Overview(
            self._done, self._failed, self._total, transitions, total, rate, left, running
        )

    def _done_of(
        self, request: RunRequest, records: Mapping[Path, Mapping[str, Any] | None]
    ) -> int:
        """Count the recorded transitions of a run that has not ended.

        Nobody here has touched a run that was not started: its folder is looked into once.
        """
        folder = request.folder
        if folder in records:
            return _transitions(request, records[folder])
        if folder not in self._done_before:
            record = last_metrics(RunFolder(folder).metrics)
            self._done_before[folder] = _transitions(request, record)
        return self._done_before[folder]

    def _rate(self, transitions: int) -> float:
        now = self._clock()
        self._history.append((now, transitions))
        while len(self._history) > 2 and self._history[1][0] <= now - WINDOW:
            self._history.popleft()
        start, before = self._history[0]
        return max(transitions - before, 0) / (now - start) if now > start else 0.0


def _running(request: RunRequest, record: Mapping[str, Any] | None) -> Running:
    share = _transitions(request, record) / request.transitions
    welfare = None if record is None else record["welfare"]
    return Running(request.folder.name, share, welfare, stage_of(request.folder))


def _transitions(request: RunRequest, record: Mapping[str, Any] | None) -> int:
    """Count the transitions of all policies by the last record of a run; 0 if it has none."""
    return 0 if record is None else record["transitions"] * request.config.num_policies


def last_metrics(path: Path) -> dict[str, Any] | None:
    """Return the last whole record of a metrics file, or None; read from the end of the file.

    Lines that do not say what is used here are passed over: what is odd in one run's file must not
    end the sweep.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            length = TAIL
            while True:
                file.seek(max(size - length, 0))
                for line in reversed(file.read(min(length, size)).split(b"\n")):
                    try:
                        record = json.loads(line)
                    except ValueError:  # the line is cut short, at either end
                        continue
                    if _is_record(record):
                        return record
                if length >= size:
                    return None
                length *= 4
    except OSError:
        return None


def _is_record(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and isinstance(line.get("transitions"), int)
        and isinstance(line.get("welfare"), int | float)
    )
