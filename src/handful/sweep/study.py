"""A study: tasks x methods x budgets x seeds, with groups and variants."""

import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handful._support.checks import brief
from handful._support.earlier_settings import as_first_written
from handful._support.text import count
from handful.errors import HandfulError
from handful.learner import LEARNERS
from handful.learner.builders import named_networks, settled_name
from handful.methods import METHODS
from handful.methods.schedule import check_packages
from handful.problem import (
    RMDP,
    check_consent,
    described_parameters,
    make,
    run_parameters,
)
from handful.results.labels import with_variant
from handful.results.tables import import_polars
from handful.training.config import BY_VALIDATION, LEARNER, TrainConfig, make_config
from handful.welfare import UTILITARIAN, load_welfare

CHOICES = ("preset", "settings", "method_settings", "training", "parameters")
"""The settings of a study in which its groups may differ, and which a run's command names."""


def check_what_is_needed(requests: "Iterable[RunRequest]") -> None:
    """Look before a sweep whether everything is installed that it will need at its end.

    Raises:
        HandfulError: if a package is missing; the sentence says which, and how to install it.
    """
    import_polars()
    for request in requests:
        config = request.config
        schedule = config.make_method().schedule(config.num_updates, config.num_policies)
        check_packages(config.method, schedule)


@dataclass(frozen=True)
class RunRequest:
    """One run of a study; everything in it can be sent to another process.

    Attributes:
        task: the task's name.
        parameters: the parameters of the task.
        config: the run's settings.
        folder: the folder in which the run is kept.
        variant: the name of the study's variant that it belongs to, or nothing.
        asked: the method's name in the study, which may be ``auto``.
        chosen: the values that its part of the study gives for :data:`CHOICES`.
    """

    task: str
    parameters: Mapping[str, Any]
    config: TrainConfig
    folder: Path
    variant: str = ""
    asked: str = ""
    chosen: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A name for everything that decides the run's result, the versions of software apart."""
        settings = as_first_written(self.config.to_dict())
        del settings["threads"]
        # Settings with their old fixed values are left out, so that the digests of results stay.
        learner = settings.get("ppo", {})
        for group, name, before in (
            (settings, "overlap", False),
            (settings, "discounted_table", False),
            (settings, "welfare", UTILITARIAN),
            (learner, "initial_log_std", 0.0),
            (learner, "learnable_log_std", True),
            (learner, "random_actions", 0.0),
            (learner, "discount", None),
            (learner, "counts", False),
            (learner, "family", False),
            (learner, "mix_weight", 0.0),
            (learner, "short_episodes", None),
            (learner, "actor_network", None),
            (learner, "critic_network", None),
        ):
            if name in group and group[name] == before:
                del group[name]
        info = self.config.make_method().info
        if not (info.assigns_best and settings["final_assignment"] == BY_VALIDATION):
            del settings["final_assignment"]  # then the digest is the old one
        if info.revision:
            settings["revision"] = info.revision
        request = [self.task, dict(self.parameters), settings]
        text = json.dumps(request, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The method's name in tables and figures; a variant stands there as one of its own."""
        return with_variant(self.method, self.variant)

    @property
    def method(self) -> str:
        """The name of the method in the study."""
        return self.asked or self.config.method

    @property
    def transitions(self) -> int:
        """The number of transitions of all policies together in the whole run."""
        per_policy = self.config.transitions_after(self.config.num_updates)
        return per_policy * self.config.num_policies


class SeedsAlike:
    """Checks that the runs of a study that count as seeds of one method differ in nothing else.

    Args:
        title: the title of the study, for sentences.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._first: dict[tuple[Any, ...], RunRequest] = {}

    def check(self, request: RunRequest, num_users: int) -> None:
        """Compare a run with the first of those that stand in the same row of the table.

        Raises:
            HandfulError: if they have other settings or parameters: their mean would be of neither.
        """
        config = request.config
        row = (request.task, request.label, config.num_policies, num_users, config.steps)
        first = self._first.setdefault(row, request)
        if _besides_seed(first) != _besides_seed(request):
            raise HandfulError(
                f"The {self._title} asks for '{request.label}' on '{request.task}' with "
                f"{count(config.num_policies, 'policy')}, {count(num_users, 'user')} and "
                f"{config.steps:,} steps in two ways, whose runs ('{first.folder.name}' and "
                f"'{request.folder.name}') would count as seeds of one method: make one of its "
                f"groups a variant, with a name."
            )


def _besides_seed(request: RunRequest) -> str:
    """Write what decides a run's result as text, without its seed and that of its users."""
    settings = {**request.config.to_dict(), "seed": None, "threads": None}
    return json.dumps([settings, {**request.parameters, "population_seed": None}], sort_keys=True)


LONGEST_NAME = 200
"""The most bytes of the name of a run's folder, or of a study's file with a task's name in it."""


@dataclass(frozen=True)
class Study:
    """What to run.

    Attributes:
        name: the name of the file without its suffix.
        tasks, methods, policies, seeds: the lists whose combinations are the runs.
        steps: the transitions for each policy.
        out: the folder of the run folders.
        results: the folder of the table and the figure.
        preset, settings: the preset and the settings of the learner.
        method_settings: the settings of each method, by the method's name.
        training: the other settings of a run, by name
            (:data:`~handful.training.config.RUN_SETTINGS`).
        parameters: the parameters of each task, by the task's name; ``population_seed`` there keeps
            the users of a task that samples them the same for all seeds.
        groups: more runs, each group with what it asks for otherwise.
        variants: the same by name; the name becomes part of the runs' folders and of the method's
            name in tables.
        reuse: tables of other studies: runs whose results they hold are not run again.
        file: the file from which the study was read, if any.
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
    file: Path | None = None

    @property
    def title(self) -> str:
        """The name of the study in sentences."""
        return f"study '{self.file or self.name}'"

    def runs(self, trust: bool = True) -> list[RunRequest]:
        """Make and check every run of the study; the first seed of all comes first.

        A task that samples its users draws others for every seed, but always as many. A run
        that several parts of the study ask for is there once, where it is asked for first.

        Args:
            trust: whether the study may choose code that is run, as the environments of its tasks
                may need. A caller who runs the study trusts it; a caller who only reads its results
                may not.

        Raises:
            HandfulError: if a task, method, budget or setting does not exist or does not fit, two
                different runs would share a folder or be taken for seeds of one method, or a
                variant asks for nothing of its own.
        """
        ranked = []
        for title, variant, changes in self._parts():
            part = dataclasses.replace(self, **_merged(self, changes))
            runs = part._own_runs(variant, f"In the {self.title}{title}", trust)
            ranked += [(part.seeds.index(run.config.seed), run, users) for run, users in runs]
        chosen: dict[str, RunRequest] = {}
        folders: set[Path] = set()
        alike = SeedsAlike(self.title)
        for _, request, num_users in sorted(ranked, key=lambda run: run[0]):
            if request.digest in chosen:
                continue
            if request.folder in folders:
                raise HandfulError(
                    f"Two different runs of the {self.title} would share the folder "
                    f"'{request.folder}': make one of the groups a variant, with a name."
                )
            alike.check(request, num_users)
            chosen[request.digest] = request
            folders.add(request.folder)
        self._check_variants(chosen.values())
        return list(chosen.values())

    def _parts(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Return the study itself, its groups and its variants.

        Yields:
            what sentences say behind the study's name, the variant's name if it is one, and what
            it asks for otherwise.
        """
        yield "", "", {}
        for number, group in enumerate(self.groups, 1):
            yield f", group {number}", "", group
        for name, changes in self.variants.items():
            yield f", variant '{name}'", name, changes

    def _check_variants(self, requests: Iterable[RunRequest]) -> None:
        """Raise HandfulError if a variant has no runs among those of the study."""
        there = {request.variant for request in requests}
        missing = next((name for name in self.variants if name not in there), None)
        if missing is not None:
            raise HandfulError(
                f"In the {self.title}, variant '{missing}' asks for no run that another part does "
                f"not ask for: change something in it, or leave it out."
            )

    def _own_runs(self, variant: str, where: str, trust: bool) -> list[tuple[RunRequest, int]]:
        """Return the runs of a study or a part, without its groups and variants, and their users.

        Args:
            variant: the part's name, or nothing.
            where: a sentence about the part begins with.
            trust: whether the study may choose code to run.
        """
        made = {}
        for task in self.tasks:
            with telling(f"{where}, task '{task}'"):
                made[task] = self._problem(task, trust)
            _check_length(f"{self.name}-{file_name(task)}.parquet", f"{where}, the name of a file")
        for method in self.methods:
            with telling(where):
                METHODS.load_stored(method, "It", trust)
        with telling(where):
            LEARNERS.load_stored(str(self.settings.get(LEARNER, "")), "It", trust)
        for network in named_networks(self.settings):
            with telling(where):
                settled_name(network, None, "It", trust)
        requests = []
        for seed, task, num_policies, method in itertools.product(
            self.seeds, self.tasks, self.policies, self.methods
        ):
            problem, parameters = made[task]
            with telling(f"{where}, task '{task}'"):
                problem.check_budget(num_policies)
                if trust:
                    load_welfare(self.training.get("welfare", UTILITARIAN))
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
            folder = self.out / file_name(f"{run}-{variant}" if variant else run)
            _check_length(folder.name, f"{where}, the name of a run's folder")
            chosen = {name: getattr(self, name) for name in CHOICES}
            request = RunRequest(task, parameters[seed], config, folder, variant, method, chosen)
            requests.append((request, problem.num_users))
        return requests

    def _problem(self, task: str, trust: bool) -> tuple[RMDP, dict[int, dict[str, Any]]]:
        """Make a task as the first seed has it, and find its parameters for every seed."""
        given = self.parameters.get(task, {})
        # Users from a file are read here: a run is known by who they are, not by the file's name.
        parameters = {
            seed: described_parameters(run_parameters(task, seed, given)) for seed in self.seeds
        }
        first = parameters[self.seeds[0]]
        if not trust:
            check_consent(task, first, "It")
        return make(task, **first), parameters


@contextmanager
def telling(where: str) -> Iterator[None]:
    """Within the block, put the place in the study before every error.

    Raises:
        HandfulError: the error of the block, with the place before it.
    """
    try:
        yield
    except HandfulError as error:
        raise HandfulError(f"{where}: {error}") from None


def _merged(study: Study, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a part of a study into the study.

    Lists and numbers of the part replace those of the study; names in its mappings are added.
    """
    merged = dict(changes)
    for key in ("settings", "training"):
        merged[key] = {**getattr(study, key), **changes.get(key, {})}
    for key in ("method_settings", "parameters"):
        ours, theirs = getattr(study, key), changes.get(key, {})
        merged[key] = {
            name: {**ours.get(name, {}), **theirs.get(name, {})} for name in {**ours, **theirs}
        }
    return merged


def _check_length(name: str, what: str) -> None:
    """Look at the name of a file or folder before anything runs whose results it is for.

    Raises:
        HandfulError: if file systems, which take 255 bytes, may refuse it with what is put before
            and behind it while it is written.
    """
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise HandfulError(
            f"{what} would be longer than {LONGEST_NAME} bytes ({brief(name)}): shorten the names "
            f"of the study, the task or the variant."
        )


def file_name(name: str) -> str:
    """Make a name fit for a file or folder: names of tasks may have a colon and a slash."""
    return name.replace(":", "-").replace("/", "-")


def offered(requests: Sequence[RunRequest]) -> dict[str, list[Any]]:
    """List the values of the runs by which a part of a study can be chosen, such as its tasks."""
    columns = {
        "tasks": [request.task for request in requests],
        "methods": [request.method for request in requests],
        "policies": [request.config.num_policies for request in requests],
        "seeds": [request.config.seed for request in requests],
        "variants": [request.variant for request in requests if request.variant],
    }
    return {name: list(dict.fromkeys(values)) for name, values in columns.items()}
