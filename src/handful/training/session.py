"""What goes on around a run's steps: who is told, who may stop it, and where it is kept."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from handful.collect.watching import Watch
from handful.controls import shell_line
from handful.runs import RunFolder
from handful.training.callbacks import Callback, EpisodesReport, Report
from handful.training.checkpoint import save_state
from handful.training.signals import StopRequest, TrainingInterrupted
from handful.training.state import TrainState


@dataclass(frozen=True)
class Session:
    """One process's work at a run.

    Attributes:
        folder: where the run is kept, if anywhere.
        callbacks: entered.
        stop: heard, and obeyed where nothing is lost by it.
    """

    folder: RunFolder | None
    callbacks: Sequence[Callback]
    stop: StopRequest

    def tell(self, report: Report) -> None:
        """Tell the callbacks of an update."""
        for callback in self.callbacks:
            callback.on_update(report)

    def save(self, state: TrainState) -> None:
        """Keep the state, if the run is kept."""
        if self.folder is not None:
            save_state(self.folder.checkpoint, state)

    def interrupted(self, transitions: int, signal_number: int) -> TrainingInterrupted:
        """What to raise on a signal, once the state is saved.

        Args:
            transitions: per policy, so far.
        """
        message = f"Stopped after {transitions:,} transitions per policy"
        if self.folder is not None:
            message += f"; continue with: {shell_line('handful', 'resume', self.folder.path)}"
        return TrainingInterrupted(message + ".", signal_number)

    def watch(self, purpose: str, transitions: int) -> Watch:
        """What tells the callbacks how far the episodes are that trained policies play.

        It stops them where that is asked for: the state must have been saved before.

        Args:
            purpose: of the episodes, in a word.
            transitions: per policy, so far in training.
        """

        def watch(share: float) -> None:
            for callback in self.callbacks:
                callback.on_episodes(EpisodesReport(purpose, share))
            asked_by = self.stop.signal_number
            if asked_by is not None:
                raise self.interrupted(transitions, asked_by)

        return watch


@contextmanager
def open_session(folder: RunFolder | None, callbacks: Sequence[Callback]) -> Iterator[Session]:
    """Enter the callbacks and hear signals, for as long as it lasts."""
    with ExitStack() as stack:
        for callback in callbacks:
            stack.enter_context(callback)
        yield Session(folder, callbacks, stack.enter_context(StopRequest()))
