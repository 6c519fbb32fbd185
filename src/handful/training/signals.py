"""Stopping in good order: Ctrl-C and SIGTERM are heard, and obeyed between two updates."""

import signal
import threading
from types import FrameType


class TrainingInterrupted(Exception):
    """Training was asked to stop, and its state is saved.

    Attributes:
        signal_number: what asked for it.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class StopRequest:
    """While entered, the first SIGINT or SIGTERM is noted instead of acted on.

    A second one has its usual effect, for whoever cannot wait. Outside the main thread, where
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
