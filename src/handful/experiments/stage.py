"""What a trained run is at, on disk: its worker writes it, the sweep's progress reads it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from handful.training.callbacks import Callback, EpisodesReport, Report

EVERY = 1.0
"""Seconds between two notes: a file each."""


class StageNote(Callback):
    """Keeps a note of validation or evaluation beside a run's folder, while that lasts.

    Args:
        folder: the run's.
        clock: seconds that never go backwards.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path_of(folder).absolute(), clock
        self._noted = clock() - EVERY
        self._is_there = False

    def __enter__(self) -> "StageNote":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # a kill leaves it
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)

    def on_update(self, report: Report) -> None:
        """Training goes on."""
        if self._is_there:  # updates are many, and not every disk is near
            self._path.unlink(missing_ok=True)
            self._is_there = False

    def on_episodes(self, report: EpisodesReport) -> None:
        """Note it, if the last note is old enough."""
        now = self._clock()
        if now - self._noted >= EVERY:
            self._noted, self._is_there = now, True
            self._path.write_text(json.dumps([report.purpose, report.share]))


def path_of(folder: Path) -> Path:
    """Where the note of the run in ``folder`` is, if there is any."""
    return folder.parent / ".attempts" / f"{folder.name}.stage.json"


def stage_of(folder: Path) -> tuple[str, float] | None:
    """The purpose of the episodes that the run in ``folder`` plays, and the share that is played.

    None where it plays none, or where its note is being written just now.
    """
    try:
        purpose, share = json.loads(path_of(folder).read_text())
    except (OSError, ValueError):
        return None
    return str(purpose), float(share)
