"""Small studies, and what processes can do with their runs besides training."""

import os
import signal
from pathlib import Path

from handful.learner import PPO
from handful.sweep.attempts import Outcome
from handful.sweep.study import RunRequest
from handful.training.config import CollectConfig, TrainConfig

TASK = "resource-gathering"
TINY = {
    "learner": PPO(minibatch_size=64, num_epochs=1, hidden_sizes=(8,)),
    "collect": CollectConfig(batch_size=64, num_envs=8),
}

STUDY = {
    "tasks": [TASK],
    "methods": ["em"],
    "policies": [2],
    "seeds": [0, 1, 2],
    "steps": 16_384,
    "settings": {"batch_size": 256, "num_envs": 8, "num_epochs": 1},
    "parameters": {TASK: {"height": 2, "width": 2}},
    "out": "runs",
    "results": "results",
}


def request_of(folder, seed=0, steps=640, task=TASK, num_policies=1, **parameters):
    """A run that nobody has started."""
    config = TrainConfig(num_policies=num_policies, seed=seed, steps=steps, **TINY)
    parameters = parameters or {"height": 2, "width": 2}
    return RunRequest(task, parameters, config, Path(folder) / f"{task}-{seed}")


class Log:
    """An observer that remembers."""

    def __init__(self):
        self.events = []

    def started(self, request):
        self.events.append(("started", request.config.seed))

    def ended(self, outcome):
        self.events.append(("ended", outcome.request.config.seed))

    def waiting(self):
        pass


def die_of_seed_0(request, is_stopped):
    """Stands in for training: no process survives seed 0."""
    if request.config.seed == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(request, seconds=1.0)


def die_at_first(request, is_stopped):
    """Stands in for training: the first process that gets the run dies."""
    if not request.folder.exists():
        request.folder.mkdir(parents=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(request, seconds=1.0)


def tell_shares(request, is_stopped):
    """Stands in for training: threads of numerical libraries, and whether JAX takes a GPU whole."""
    names = ("OMP_NUM_THREADS", "XLA_PYTHON_CLIENT_PREALLOCATE")
    return Outcome(request, error=" ".join(os.environ[name] for name in names))


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def workers_of(pid):
    """Processes that a sweep spawned for its runs."""
    workers = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except FileNotFoundError:
            continue
        if b"spawn_main" in command:
            workers.append(int(child))
    return workers
