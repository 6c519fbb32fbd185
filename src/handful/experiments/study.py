"""A study: tasks x methods x budgets x seeds, from a YAML file, with groups and variants."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handful.errors import HandfulError
from handful.experiments.requests import CHOICES, RunRequest
from handful.problem import make, run_parameters
from handful.training.config import check_run_settings, make_config

LISTS = ("tasks", "methods", "policies", "seeds")
REQUIRED = (*LISTS, "steps", "out", "results")
MAPPINGS = ("settings", "method_settings", "training", "parameters")
WHOLE = ("groups", "variants", "reuse")
"""Keys of the whole study, which no group or variant changes."""

OPTIONAL = ("preset", *MAPPINGS, *WHOLE)
CHANGEABLE = (*LISTS, "steps", "preset", *MAPPINGS)
"""What a group or a variant may ask for otherwise."""


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


def read_study(path: Path) -> Study:
    """A study from a YAML file; its folders are relative to where the command runs.

    Raises:
        HandfulError: if the file is missing, is not YAML, or lacks or misspells a key.
    """
    values = _read_yaml(path)
    missing = [key for key in REQUIRED if key not in values]
    unknown = [key for key in values if key not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        problem = f"lacks '{missing[0]}'" if missing else f"has an unknown key '{unknown[0]}'"
        raise HandfulError(
            f"The study '{path}' {problem}: it needs {', '.join(REQUIRED)} and may have "
            f"{', '.join(OPTIONAL)}."
        )
    where = f"In the study '{path}'"
    values = _checked(values, where)
    groups, variants = values.get("groups", []), values.get("variants", {})
    if not isinstance(groups, list) or not isinstance(variants, dict):
        raise HandfulError(f"{where}, 'groups' must be a list and 'variants' have a name each.")
    values["groups"] = tuple(
        _checked_part(group, f"{where}, group {number}") for number, group in enumerate(groups, 1)
    )
    values["variants"] = {
        _checked_name(name, where): _checked_part(changes, f"{where}, variant '{name}'")
        for name, changes in variants.items()
    }
    reuse = values.get("reuse", [])
    if not isinstance(reuse, list):
        raise HandfulError(f"{where}, 'reuse' must be a list of Parquet files, like [a.parquet].")
    values["reuse"] = tuple(Path(str(table)) for table in reuse)
    values["out"], values["results"] = Path(str(values["out"])), Path(str(values["results"]))
    return Study(name=path.stem, **values)


def _read_yaml(path: Path) -> dict[str, Any]:
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
    return values


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys that are there, each of the right kind; ``where`` begins what is said of others."""
    checked = dict(values)
    for key in LISTS:
        if key in values:
            if not isinstance(values[key], list) or not values[key]:
                raise HandfulError(f"{where}, '{key}' must be a list, like [a, b].")
            checked[key] = tuple(values[key])
    for key in ("policies", "seeds"):
        if not all(type(value) is int for value in checked.get(key, ())):
            raise HandfulError(f"{where}, '{key}' must be whole numbers.")
    if "steps" in values and type(values["steps"]) is not int:
        raise HandfulError(f"{where}, 'steps' must be a whole number.")
    for key in MAPPINGS:
        if not isinstance(values.get(key, {}), dict):
            raise HandfulError(f"{where}, '{key}' must hold 'name: value' pairs.")
    for key in ("method_settings", "parameters"):
        for name, entries in values.get(key, {}).items():
            if not isinstance(entries, dict):
                raise HandfulError(
                    f"{where}, '{key}' must hold 'name: value' pairs for '{name}' too."
                )
    check_run_settings(values.get("training", {}), f"{where}, 'training'")
    return checked


def _checked_part(changes: Any, where: str) -> dict[str, Any]:
    """A group or a variant."""
    if not isinstance(changes, dict) or not changes:
        raise HandfulError(f"{where} must say what it asks for otherwise, as 'key: value' pairs.")
    unknown = [key for key in changes if key not in CHANGEABLE]
    if unknown:
        raise HandfulError(
            f"{where} cannot change '{unknown[0]}': it may change {', '.join(CHANGEABLE)}."
        )
    return _checked(changes, where)


def _checked_name(name: Any, where: str) -> str:
    """A variant's name: part of folders' names."""
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        raise HandfulError(
            f"{where}, {name!r} is no name for a variant: use letters, digits, - and _."
        )
    return name


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
