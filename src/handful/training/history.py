"""What training said of itself, update by update, kept for the end of the run."""

from typing import NamedTuple

from handful.runs import RunFolder
from handful.training.callbacks import Callback, Report


class Moment(NamedTuple):
    """What an update said.

    Attributes:
        welfare: the moving average of training returns, with sampled actions.
        moved: the share of users whose policy the update changed.
    """

    welfare: float
    moved: float


class History(Callback):
    """Remembers two numbers of every update.

    Args:
        folder: the run's, whose metrics tell of the updates before this process; None where the run
            is not kept, and so has no such updates.
        first_update: updates that the run goes on from.
    """

    def __init__(self, folder: RunFolder | None, first_update: int) -> None:
        records = folder.salvage_metrics(first_update) if folder and first_update else []
        self.moments = [Moment(r["welfare"], r.get("moved", 0.0)) for r in records]

    def on_update(self, report: Report) -> None:
        """Remember it."""
        self.moments.append(Moment(report.metrics["welfare"], report.metrics["moved"]))
