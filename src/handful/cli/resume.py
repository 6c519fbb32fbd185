"""The command ``handful resume``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from handful.cli.frontier import announce_frontier
from handful.cli.output import announce, run_training
from handful.errors import HandfulError


@dataclass
class Resume:
    """Continue a run, or several budgets, that was stopped, or train a finished run for longer."""

    run_folder: tyro.conf.Positional[Path]
    """The run's folder, or that of several budgets."""

    steps: int | None = None
    """Transitions per policy of the whole run, to train a finished one for longer; its results so
    far stay in its folder before-1."""

    rates: str = "final"
    """How the learner's rates go on with --steps: 'final' as they ended, 'again' from the start."""

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
        from handful.training.records.stored_run import load_run

        is_of_several = is_of_budgets(self.run_folder)
        is_new = not RunFolder(self.run_folder).is_finished or self.steps is not None
        if is_of_several and self.steps is not None:
            raise HandfulError("--steps goes with the folder of one run, not of several budgets.")
        more = {} if self.steps is None else {"steps": self.steps, "rates": self.rates}
        go_on: Callable[..., object] = resume_frontier if is_of_several else resume

        def start(callbacks: Sequence[Any], loggers: Sequence[Any]) -> None:
            if not is_of_several and not is_new:
                load_run(self.run_folder, trust=self.trust)  # its simulator is not needed
                return
            following = {"callbacks": callbacks, "loggers": loggers}
            go_on(self.run_folder, **following, trust=self.trust, **more)

        run_training(start, self.log, self.tensorboard)
        if is_of_several:
            announce_frontier(self.run_folder, self.json)
        else:
            announce(self.run_folder, self.json, is_new)
