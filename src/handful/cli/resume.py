"""The command ``handful resume``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from handful.cli.frontier import announce_frontier
from handful.cli.output import announce, run_training


@dataclass
class Resume:
    """Continue a run, or several budgets, that was stopped; it ends as if it had never been."""

    run_folder: tyro.conf.Positional[Path]
    """The run's folder, or that of several budgets."""

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
        from handful.training.frontier import is_of_budgets, resume_frontier
        from handful.training.loop import resume

        is_of_several = is_of_budgets(self.run_folder)
        is_new = not RunFolder(self.run_folder).is_finished
        go_on = resume_frontier if is_of_several else resume

        def start(callbacks: Sequence[Any], loggers: Sequence[Any]) -> None:
            go_on(self.run_folder, callbacks=callbacks, loggers=loggers, trust=self.trust)

        run_training(start, self.log, self.tensorboard)
        if is_of_several:
            announce_frontier(self.run_folder, self.json)
        else:
            announce(self.run_folder, self.json, is_new)
