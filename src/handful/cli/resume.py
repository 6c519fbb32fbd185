"""The command ``handful resume``."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from handful.cli.output import announce, run_training


@dataclass
class Resume:
    """Continue a run that was stopped; it ends as if it never had been."""

    run_folder: tyro.conf.Positional[Path]
    """The run's folder."""

    tensorboard: bool = True
    """Write TensorBoard files beside metrics.jsonl, where tensorboardX is installed."""

    trust: bool = False
    """Let the folder choose code to run, as its environment may need: only of those you trust."""

    json: bool = False
    """Print the evaluation as JSON."""

    def run(self) -> None:
        """Train what is left, then say how it went."""
        from handful.run_folder import RunFolder
        from handful.training.loop import resume

        is_new = not RunFolder(self.run_folder).is_finished
        run_training(
            lambda callbacks: resume(self.run_folder, callbacks=callbacks, trust=self.trust),
            self.run_folder,
            self.tensorboard,
        )
        announce(self.run_folder, self.json, is_new)
