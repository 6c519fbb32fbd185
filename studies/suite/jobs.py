"""A baseline on a problem, as processes run it side by side."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import handful
from handful.devices import keep_compiled_programs
from handful.sweep.study import RunRequest
from studies.suite.baselines import BASELINES
from studies.suite.morl import MORL, morl_row
from studies.suite.rows import Row


@dataclass(frozen=True)
class Job:
    """A baseline on a problem.

    Attributes:
        request: the run of ``em`` with the same problem, seed and transitions.
        baseline: its name.
        python: the interpreter that has MORL-Baselines.
    """

    request: RunRequest
    baseline: str
    python: Path | None

    @property
    def key(self) -> tuple:
        """The key of its row."""
        config = self.request.config
        place = self.request.task, self.baseline, config.num_policies, config.seed
        return (*place, config.steps)


def do(job: Job) -> tuple[Row, np.ndarray]:
    """Run a baseline, in a process of its own.

    Returns:
        its row, and what its policies earn every user [K, N].
    """
    keep_compiled_programs()
    request, config = job.request, job.request.config
    if job.baseline == MORL:
        return morl_row(request, job.python)
    problem, start = handful.make(request.task, **request.parameters), time.perf_counter()
    served = BASELINES[job.baseline](problem, config.num_policies, config.seed, config.steps)
    row = Row(
        request.task,
        job.baseline,
        job.baseline,
        config.num_policies,
        config.seed,
        config.steps,
        served.welfare,
        served.transitions,
        time.perf_counter() - start,
    )
    return row, served.returns
