"""How long training has taken, and how fast it goes now."""

import time

from handful.runs import RunFolder

WINDOW = 20
"""Updates over which the pace is averaged."""


class Clock:
    """Seconds of training, and the pace of the latest updates."""

    def __init__(self, seconds_before: float) -> None:
        self._start = time.perf_counter() - seconds_before
        self._ticks: list[float] = []
        self.seconds = seconds_before

    def tick(self) -> float:
        """An update is done: the seconds of training so far."""
        self.seconds = time.perf_counter() - self._start
        self._ticks = [*self._ticks[-WINDOW:], self.seconds]
        return self.seconds

    def updates_per_second(self) -> float:
        """Over the latest updates; 0 before there were two."""
        if len(self._ticks) < 2:
            return 0.0
        return (len(self._ticks) - 1) / (self._ticks[-1] - self._ticks[0])


def seconds_before(folder: RunFolder | None, update: int) -> float:
    """Training time of the updates that a run continues from."""
    if folder is None:
        return 0.0
    spent = (record.get("seconds") for record in folder.salvage_metrics(update))
    return max((float(one) for one in spent if isinstance(one, int | float)), default=0.0)
