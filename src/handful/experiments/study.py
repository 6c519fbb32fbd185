"""A study: tasks x methods x budgets x seeds, with groups and variants."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handful.errors import HandfulError
from handful.experiments.requests import CHOICES, RunRequest
from handful.problem import described_parameters, make, run_parameters
from handful.training.config import make_config


@dataclass(frozen=True)
class Study:
    """What to run.

    Attributes:
        name: the file's name without its suffix.
        tasks, methods, policies, seeds: every combination is a run.
        steps: transitions per policy.
        out: folder of the run folders.
        results: folder of the table and the figure.
        preset, settings: of the learner.
        method_settings: by method name.
        training: other settings of a run, by name (:data:`~handful.training.config.RUN_SETTINGS`).
        parameters: by task name; ``population_seed`` there keeps the users of a task that samples
            them the same for all seeds.
        groups: more runs, each group with what it asks for otherwise.
        variants: the same by name; the name becomes part of the runs' folders and of the method's
            name in tables.
        reuse: tables of other studies: runs whose results they hold are not run again.
    """

    name: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    policies: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int
    out: Path
    results: Path
    preset: str = "paper"
    settings: Mapping[str, Any] = field(default_factory=dict)
    method_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: tuple[Mapping[str, Any], ...] = ()
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reuse: tuple[Path, ...] = ()

    def runs(self) -> list[RunRequest]:
        """Every run, checked: the first seed of everything first, so that tables fill evenly.

        A task that samples its users draws them anew for every seed, but always as many. A run
        that several parts of the study ask for is there once, where it is asked for first.

        Raises:
            HandfulError: if a task, method, budget or setting does not exist or does not fit, or
                two different runs would share a folder.
        """
        parts = [("", {}), *(("", group) for group in self.groups), *self.variants.items()]
        ranked = []
        for variant, changes in parts:
            part = dataclasses.replace(self, **_merged(self, changes))
            ranked += [(part.seeds.index(r.config.seed), r) for r in part._own_runs(variant)]
        digests: set[str] = set()
        folders: set[Path] = set()
        requests = []
        for _, request in sorted(ranked, key=lambda pair: pair[0]):
            digest = request.digest
            if digest in digests:
                continue
            if request.folder in folders:
                raise HandfulError(
                    f"Two different runs of the study '{self.name}' would share the folder "
                    f"'{request.folder}': make one of the groups a variant, with a name."
                )
            digests.add(digest)
            folders.add(request.folder)
            requests.append(request)
        return requests

    def _own_runs(self, variant: str) -> list[RunRequest]:
        """The runs of the study or a part of it, its groups and variants apart."""
        # Users from a file are read here: a run is known by who they are, not by the file's name.
        parameters = {
            (task, seed): described_parameters(
                run_parameters(task, seed, self.parameters.get(task, {}))
            )
            for task, seed in itertools.product(self.tasks, self.seeds)
        }
        problems = {task: make(task, **parameters[task, self.seeds[0]]) for task in self.tasks}
        requests = []
        for seed, task, num_policies, method in itertools.product(
            self.seeds, self.tasks, self.policies, self.methods
        ):
            problem = problems[task]
            problem.check_budget(num_policies)
            config = make_config(
                problem,
                num_policies,
                method,
                self.preset,
                self.settings,
                self.method_settings.get(method, {}),
                steps=self.steps,
                seed=seed,
                **self.training,
            )
            run = f"{task}-{method}-k{num_policies}-seed{seed}"
            name = f"{run}-{variant}" if variant else run
            folder = self.out / name.replace(":", "-")
            chosen = {name: getattr(self, name) for name in CHOICES}
            requests.append(
                RunRequest(task, parameters[task, seed], config, folder, variant, method, chosen)
            )
        return requests


def _merged(study: Study, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A part's values: lists and numbers replace the study's, names are added to its names."""
    merged = dict(changes)
    for key in ("settings", "training"):
        merged[key] = {**getattr(study, key), **changes.get(key, {})}
    for key in ("method_settings", "parameters"):
        ours, theirs = getattr(study, key), changes.get(key, {})
        merged[key] = {
            name: {**ours.get(name, {}), **theirs.get(name, {})} for name in {**ours, **theirs}
        }
    return merged


def offered(requests: Sequence[RunRequest]) -> dict[str, list[Any]]:
    """What a part of a study can be chosen by: every value that its runs have."""
    columns = {
        "tasks": [request.task for request in requests],
        "methods": [request.method for request in requests],
        "policies": [request.config.num_policies for request in requests],
        "seeds": [request.config.seed for request in requests],
        "variants": [request.variant for request in requests if request.variant],
    }
    return {name: list(dict.fromkeys(values)) for name, values in columns.items()}
