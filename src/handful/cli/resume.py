"""The command ``handful resume``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from handful.cli.output import announce, run_training


@dataclass
class Resume:
    """Continue a run that was stopped; it ends as if it had never been stopped."""

    run_folder: tyro.conf.Positional[Path]
    """The run's folder."""

    log: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Where metrics go besides metrics.jsonl: tensorboard, wandb, mlflow, or module:Class for a
    logger of your own; may be repeated. A logger that the run had before goes on where it was."""

    tensorboard: bool = True
    """Write TensorBoard files beside metrics.jsonl, if tensorboardX is installed."""

    trust: bool = False
    """Allow the folder to choose code that is run, as its environment or its welfare function may
    need; use it only for folders that you trust."""

    json: bool = False
    """Print the evaluation as JSON."""

    def run(self) -> None:
        """Train what is left, then say how it went."""
        from handful.run_folder import RunFolder
        from handful.training.loop import resume

        is_new = not RunFolder(self.run_folder).is_finished

        def start(callbacks: Sequence[Any], loggers: Sequence[Any]) -> None:
            resume(self.run_folder, callbacks=callbacks, loggers=loggers, trust=self.trust)

        run_training(start, self.log, self.tensorboard)
        announce(self.run_folder, self.json, is_new)
