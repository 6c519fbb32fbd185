"""The command ``handful resume``."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from handful.cli.finish import announce, run_training


@dataclass
class Resume:
    """Continue a run that was stopped; it ends as if it never had been."""

    run_folder: tyro.conf.Positional[Path]
    """The run's folder."""

    tensorboard: bool = True
    """Write TensorBoard files beside metrics.jsonl, where tensorboardX is installed."""

    json: bool = False
    """Print the evaluation as JSON."""

    def run(self) -> None:
        """Train what is left, then say how it went."""
        from handful.training.loop import resume

        run_training(
            lambda callbacks: resume(self.run_folder, callbacks=callbacks),
            self.run_folder,
            self.tensorboard,
        )
        announce(self.run_folder, self.json)
