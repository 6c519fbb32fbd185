"""A study: tasks x methods x budgets x seeds, from a YAML file."""

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handful.errors import HandfulError
from handful.problem import make, run_parameters
from handful.training.config import TrainConfig, learner_settings, method_settings

REQUIRED = ("tasks", "methods", "policies", "seeds", "steps", "out", "results")
OPTIONAL = ("preset", "settings", "method_settings", "parameters")


@dataclass(frozen=True)
class RunRequest:
    """One run of a study; everything in it can be sent to another process.

    Attributes:
        task: the task's name.
        parameters: of the task.
        config: the run's settings.
        folder: where the run is kept.
    """

    task: str
    parameters: Mapping[str, Any]
    config: TrainConfig
    folder: Path

    @property
    def digest(self) -> str:
        """A name for everything that decides the run's result, the versions of software apart."""
        settings = self.config.to_dict()
        del settings["threads"]
        # Left out where they are as they were before there was a choice: results stay known.
        for group, name, before in (
            (settings, "overlap", False),
            (settings["ppo"], "initial_log_std", 0.0),
        ):
            if group[name] == before:
                del group[name]
        request = [self.task, dict(self.parameters), settings]
        text = json.dumps(request, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


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
        parameters: by task name; ``population_seed`` there keeps the users of a task that samples
            them the same for all seeds.
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
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def runs(self) -> list[RunRequest]:
        """Every run, checked: the first seed of everything first, so that tables fill evenly.

        A task that samples its users draws them anew for every seed, but always as many.

        Raises:
            HandfulError: if a task, method, budget or setting does not exist or does not fit.
        """
        parameters = {
            (task, seed): run_parameters(task, seed, self.parameters.get(task, {}))
            for task, seed in itertools.product(self.tasks, self.seeds)
        }
        problems = {task: make(task, **parameters[task, self.seeds[0]]) for task in self.tasks}
        requests = []
        for seed, task, num_policies, method in itertools.product(
            self.seeds, self.tasks, self.policies, self.methods
        ):
            problem = problems[task]
            problem.check_budget(num_policies)
            config = TrainConfig(
                num_policies=num_policies,
                method=method,
                method_settings=method_settings(
                    problem, method, self.preset, self.method_settings.get(method, {})
                ),
                steps=self.steps,
                seed=seed,
                ppo=learner_settings(problem, num_policies, self.preset, self.settings, method),
            )
            run = f"{task}-{method}-k{num_policies}-seed{seed}"
            folder = self.out / run.replace(":", "-")
            requests.append(RunRequest(task, parameters[task, seed], config, folder))
        return requests


def read_study(path: Path) -> Study:
    """A study from a YAML file; its folders are relative to where the command runs.

    Raises:
        HandfulError: if the file is missing, is not YAML, or lacks or misspells a key.
    """
    try:
        import yaml
    except ImportError:
        raise HandfulError(
            "Studies need PyYAML and polars: pip install 'handful[sweep]'."
        ) from None
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HandfulError(f"The study '{path}' cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise HandfulError(f"The study '{path}' is not valid YAML: {where}.") from None
    if not isinstance(values, dict):
        raise HandfulError(f"The study '{path}' must be a list of 'key: value' lines.")
    missing = [key for key in REQUIRED if key not in values]
    unknown = [key for key in values if key not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        problem = f"lacks '{missing[0]}'" if missing else f"has an unknown key '{unknown[0]}'"
        raise HandfulError(
            f"The study '{path}' {problem}: it needs {', '.join(REQUIRED)} and may have "
            f"{', '.join(OPTIONAL)}."
        )
    for key in ("tasks", "methods", "policies", "seeds"):
        if not isinstance(values[key], list) or not values[key]:
            raise HandfulError(f"In the study '{path}', '{key}' must be a list, like [a, b].")
        values[key] = tuple(values[key])
    for key in ("policies", "seeds"):
        if not all(isinstance(value, int) for value in values[key]):
            raise HandfulError(f"In the study '{path}', '{key}' must be whole numbers.")
    if not isinstance(values["steps"], int):
        raise HandfulError(f"In the study '{path}', 'steps' must be a whole number.")
    values["out"], values["results"] = Path(values["out"]), Path(values["results"])
    return Study(name=path.stem, **values)
