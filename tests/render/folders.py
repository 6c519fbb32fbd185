"""Run folders of robots whose policies were never trained."""

from pathlib import Path

from handful._support.storage import digest_of_json
from handful.problem import make
from handful.run_folder import RunFolder
from handful.training.records.checkpoint import save_state
from handful.training.records.run_writer import describe_run
from handful.training.run import Run
from handful.training.state import init_state
from tests.training.helpers import config_of


def write_untrained_run(
    path: Path, task: str, num_policies: int = 2, *, has_checkpoint: bool = True, **parameters
) -> None:
    """What a run that was stopped before its first update leaves behind."""
    problem, config = make(task, **parameters), config_of(num_policies)
    folder = RunFolder(path)
    folder.create(describe_run(Run(problem, config)))
    if has_checkpoint:
        about = {"run": digest_of_json(folder.read_config())}
        save_state(folder.checkpoint, init_state(Run(problem, config)), about)
