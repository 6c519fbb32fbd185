"""The command ``handful sweep``."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from handful.cli.output import print_json, say, show
from handful.cli.stopping import patiently
from handful.controls import shell_line
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.cli.sweep_progress import SweepProgress
    from handful.cli.sweep_results import SweepResults
    from handful.experiments.outcome import Outcome
    from handful.experiments.requests import RunRequest


_CHOSEN = tyro.conf.arg(metavar="VALUE [VALUE ...]", help_behavior_hint="(default: all)")
_Names = Annotated[tuple[str, ...] | None, _CHOSEN]
_Numbers = Annotated[tuple[int, ...] | None, _CHOSEN]
"""A part of what the study has; None, which is not nothing, for all of it."""


@dataclass
class Sweep:
    """Run a study: tasks x methods x policies x seeds; then its table and figure.

    Finished runs are skipped, also those that only the table knows of, and half-done ones resumed:
    the same command continues a sweep that was stopped or killed, and makes the figure anew of one
    that is done. The table is there, and grows, from the first run that ends.
    """

    study: tyro.conf.Positional[Path]
    """The study's YAML file."""

    tasks: _Names = None
    """Run only these tasks of the study for now."""

    methods: _Names = None
    """Run only these methods of the study for now."""

    policies: _Numbers = None
    """Run only these budgets of the study for now."""

    seeds: _Numbers = None
    """Run only these seeds of the study for now."""

    variants: _Names = None
    """Run only these variants of the study for now."""

    workers: int | None = None
    """Processes, one core each; by default as many as there are cores."""

    ray: str | None = None
    """HOST:PORT of a Ray cluster to run on, or auto; all its nodes must see the folder 'out'."""

    json: bool = False
    """Print every run's outcome and the summary as JSON."""

    def run(self) -> None:
        """Execute what is left and write the results."""
        from handful.cli.sweep_progress import SweepProgress
        from handful.cli.sweep_results import SweepResults
        from handful.experiments.local import check_folders
        from handful.experiments.outcome import describe
        from handful.experiments.progress import Tracker
        from handful.experiments.requests import check_what_is_needed
        from handful.experiments.study_file import read_study

        if self.workers is not None and self.workers < 1:
            raise HandfulError(f"--workers must be at least 1, not {self.workers}.")
        if self.workers is not None and self.ray is not None:
            raise HandfulError("--workers is of this machine: a Ray cluster has its own number.")
        study = read_study(self.study)
        requests = study.runs()
        self._check_choice(requests)
        chosen = [request for request in requests if self._wants(request)]
        check_what_is_needed(chosen)
        results = SweepResults(study, requests, shell_line("handful", "sweep", self.study))
        check_folders(requests)
        known = results.check()
        with patiently():  # runs that are stopped save their states, and the table is written
            try:
                with SweepProgress(Tracker(chosen)) as progress:
                    outcomes = self._execute(chosen, _Watcher(progress, results), known)
            except KeyboardInterrupt:
                results.write()
                say("handful: stopped; the same command goes on from here.")
                sys.exit(130)
        written, summary = results.write()
        errors = results.errors
        outcomes = [replace(o, error=o.error or errors.get(o.request.digest)) for o in outcomes]
        failures = {o.request.folder: o.error for o in outcomes if o.error}
        failures |= {r.folder: errors[r.digest] for r in requests if r.digest in errors}
        for folder, error in failures.items():
            say(f"handful: {folder}: {error}")
        if self.json:
            runs = [describe(outcome) for outcome in outcomes]
            print_json({"runs": runs, "summary": summary, "files": [str(p) for p in written]})
        else:
            show(*written)
        if failures:
            sys.exit(1)

    def _execute(
        self,
        requests: "list[RunRequest]",
        watcher: "_Watcher",
        known: dict[str, dict[str, Any]],
    ) -> "list[Outcome]":
        if self.ray is not None:
            from handful.experiments.ray import run_on_ray

            return run_on_ray(requests, self.ray, watcher, known)
        from handful.devices import usable_cores
        from handful.experiments.local import run_all

        return run_all(requests, self.workers or usable_cores(), watcher, known)

    def _check_choice(self, requests: "list[RunRequest]") -> None:
        from handful.experiments.study import offered

        for option, values in offered(requests).items():
            chosen = getattr(self, option)
            if chosen == ():
                raise HandfulError(f"--{option} names none: give at least one, or leave it out.")
            missing = [value for value in chosen or () if value not in values]
            if missing:
                raise HandfulError(
                    f"The study '{self.study}' has no {missing[0]!r} among its {option}; it has "
                    f"{', '.join(map(str, values)) or 'none'}."
                )

    def _wants(self, request: "RunRequest") -> bool:
        config = request.config
        choices = (
            (self.tasks, request.task),
            (self.methods, request.method),
            (self.policies, config.num_policies),
            (self.seeds, config.seed),
            (self.variants, request.variant),
        )
        return all(chosen is None or value in chosen for chosen, value in choices)


class _Watcher:
    """Passes on what happens to the progress, and keeps the table as it grows."""

    def __init__(self, progress: "SweepProgress", results: "SweepResults") -> None:
        self._progress, self._results = progress, results
        self.started, self.waiting = progress.started, progress.waiting

    def ended(self, outcome: "Outcome") -> None:
        """Count the run, and put it into the table."""
        self._progress.ended(outcome)
        self._results.ended(outcome)
