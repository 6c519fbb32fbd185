"""Run the suite, or go on with it, and make its table.

    python -m studies.suite                            # development size
    python -m studies.suite --seeds 0 1 2 3 4          # evaluation size
    python -m studies.suite --problems couriers market --methods em by-hand
    python -m studies.suite --methods                  # the table alone, of what is there

Methods of the library are a study (``studies/suite.yaml``), which a sweep runs; baselines follow.
What is in ``results/suite/runs.csv`` is not run again, unless the method has changed since.
"""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import handful
from handful.devices import usable_cores
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.sweep.study import RunRequest, Study
from handful.sweep.study_file import read_study
from handful.sweep.workers import check_folders
from studies.command import run
from studies.suite import rows
from studies.suite.baselines import BASELINES
from studies.suite.jobs import Job, do
from studies.suite.measuring import is_computed, returns_of
from studies.suite.morl import MORL
from studies.suite.references import keep, of_runs, solved
from studies.suite.rows import Reference, Row, title
from studies.suite.table import lines_of, write_table

STUDY = Path("studies/suite.yaml")
NEEDS_OPTIMUM = "regret"
"""The baseline that must know what each user could have."""


@dataclass
class Suite:
    """Run the suite of problems, and make its table."""

    problems: tuple[str, ...] | None = None
    """Only these problems, by the last part of their names."""

    methods: tuple[str, ...] | None = None
    """Only these methods and baselines; `--methods` alone runs none, and makes the table again."""

    seeds: tuple[int, ...] = (100, 101)
    """From 100 on for development, 0 to 4 for evaluation."""

    workers: int | None = None
    """How many processes run side by side; by default one a core."""

    morl_python: Path | None = None
    """The interpreter of an environment with studies/suite/requirements-morl.txt."""

    def run(self) -> None:
        """Run what is left, and write the results."""
        requests = [
            request
            for request in self._chosen(read_study(STUDY)).runs()
            if request.config.seed in self.seeds
        ]
        known = {row.key: row for row in rows.read(rows.RUNS, Row)}
        unknown = [one for one in requests if not _is_known(one, known)]
        check_folders(unknown)  # an old run must not be taken for one of the method as it is now
        self._refer_to_solvers(requests)
        self._sweep(unknown)
        for request in unknown:
            self._take(request)
        self._baselines(requests, set(known))
        self._refer_to_runs(requests)
        runs, references = rows.read(rows.RUNS, Row), rows.read(rows.REFERENCES, Reference)
        write_table(lines_of(runs, references))

    def _chosen(self, study: Study) -> Study:
        """Leave out the problems that are not wanted, as making one may take seconds.

        Raises:
            HandfulError: if the study has no such problem.
        """
        if self.problems is None:
            return study
        parts = [group for group in study.groups if "tasks" in group]
        known = [*study.tasks, *(task for group in parts for task in group["tasks"])]
        wanted = {task for task in known if title(task) in self.problems}
        missing = [name for name in self.problems if name not in map(title, wanted)]
        if missing:
            raise HandfulError(
                f"The suite has no problem '{missing[0]}': it has "
                f"{', '.join(dict.fromkeys(map(title, known)))}."
            )
        groups = [
            {**group, "tasks": tuple(task for task in group["tasks"] if task in wanted)}
            for group in parts
        ]
        return replace(
            study,
            tasks=tuple(task for task in study.tasks if task in wanted),
            groups=tuple(group for group in groups if group["tasks"]),
            parameters={
                name: study.parameters[name] for name in study.parameters if name in wanted
            },
        )

    def _has_method(self, name: str) -> bool:
        return self.methods is None or name in self.methods

    def _sweep(self, requests: list[RunRequest]) -> None:
        """Run methods of the library; one that fails stops none of the others."""
        mine = [one for one in requests if self._has_method(one.method)]
        left = [one for one in mine if not RunFolder(one.folder).is_finished]
        if not left:
            return
        options = {
            "tasks": {one.task for one in left},
            "methods": {one.method for one in left},
            "seeds": {one.config.seed for one in left},
        }
        command = [sys.executable, "-m", "handful", "sweep", str(STUDY)]
        for name, values in options.items():
            command += [f"--{name}", *sorted(map(str, values))]
        if self.workers is not None:
            command += ["--workers", str(self.workers)]
        subprocess.run(command, check=False)

    def _take(self, request: RunRequest) -> None:
        """Add the row of a run, if it is finished."""
        folder = RunFolder(request.folder)
        if not folder.is_finished:
            return
        result = handful.resume(folder.path, trust=True)
        record, config = folder.read_evaluation(), request.config
        returns = result.evaluation.deterministic.returns
        if is_computed(result.problem):
            returns = returns_of(result.problem, {"": result.policies}, config.seed)
        served = returns[result.assignment, np.arange(result.problem.num_users)]
        played = record["transitions"] * config.num_policies + record["validation_transitions"]
        row = Row(
            *_row_key(request)[:2],
            config.method,
            config.num_policies,
            config.seed,
            config.steps,
            float(served.mean()),
            played,
            record["seconds"],
            request.digest,
        )
        keep(row, returns)
        rows.add(rows.RUNS, [row], Row)

    def _baselines(self, requests: list[RunRequest], known: set[tuple]) -> None:
        references = rows.read(rows.REFERENCES, Reference)
        exact = {one.problem for one in references if one.kind == "exact"}
        jobs = [
            Job(request, baseline, self.morl_python)
            for request, baseline in product(requests, [*BASELINES, MORL])
            if request.method == "em"
            and self._has_method(baseline)
            and (baseline != NEEDS_OPTIMUM or request.task in exact)
            and (baseline != MORL or self.morl_python is not None)
        ]
        left = [job for job in jobs if job.key not in known]
        workers = self.workers or usable_cores()
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            for future in as_completed({pool.submit(do, job): job for job in left}):
                try:
                    row, returns = future.result()
                except HandfulError as error:
                    print(f"studies.suite: {error}", file=sys.stderr)
                    continue
                keep(row, returns)
                rows.add(rows.RUNS, [row], Row)
                print(f"{title(row.problem)} {row.method} {row.seed}: {row.welfare:.4f}")

    def _refer_to_solvers(self, requests: list[RunRequest]) -> None:
        there = {(one.problem, one.seed) for one in rows.read(rows.REFERENCES, Reference)}
        for request in {(one.task, one.config.seed): one for one in requests}.values():
            if (request.task, request.config.seed) not in there:
                problem = handful.make(request.task, **request.parameters)
                rows.add(rows.REFERENCES, solved(problem, request.config.seed), Reference)

    def _refer_to_runs(self, requests: list[RunRequest]) -> None:
        references = rows.read(rows.REFERENCES, Reference)
        exact = {(one.problem, one.seed) for one in references if one.kind == "exact"}
        for place in {(one.task, one.config.seed) for one in requests} - exact:
            known = {
                one.k: one.welfare
                for one in references
                if (one.problem, one.seed, one.kind) == (*place, "runs")
            }
            rows.add(rows.REFERENCES, of_runs(*place, known), Reference)


def _row_key(request: RunRequest) -> tuple:
    config = request.config
    return request.task, request.method, config.num_policies, config.seed, config.steps


def _is_known(request: RunRequest, known: dict[tuple, Row]) -> bool:
    """Return whether there is a row of the same run, and of the method as it is now."""
    row = known.get(_row_key(request))
    return row is not None and row.digest == request.digest


if __name__ == "__main__":
    run(Suite)
