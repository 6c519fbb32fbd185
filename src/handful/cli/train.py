"""The command ``handful train``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from handful._support.flags import flag_name
from handful.cli.frontier import announce_frontier
from handful.cli.output import announce, run_training
from handful.cli.pool_options import number_or_name
from handful.cli.settings import Section, given, named, settings_of
from handful.cli.tasks import task_section
from handful.cli.users import chosen_users, read_assignment
from handful.errors import HandfulError


@dataclass
class Train:
    """Train k policies for a task's users, decide who gets which, evaluate, and write a report."""

    task: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="TASK")]]
    """The task's name; see 'handful tasks'. 'handful train TASK --method NAME --help' also lists
    the parameters of the task and the settings of the method."""

    policies: Annotated[tuple[int, ...], tyro.conf.arg(metavar="K [K ...]")]
    """The budget k: how many policies, from 1 to the number of users. With several (--policies 1 2
    5) policies are trained for each, and a table says what one more policy is worth."""

    out: Path
    """A new folder for the run."""

    method: str = "auto"
    """Who is served by whom: auto (the one of ours that suits the task), em, end-to-end, cluster,
    random, fixed, or another of ours; module:Class for a method of your own. A method that is named
    has settings, --method.NAME VALUE."""

    learner: str | None = None
    """What improves the policies: ppo, counting or sac, or module:Class for a learner of your own;
    by default what suits the task and the preset."""

    seed: int = 0
    """The seed of everything random; the same seed gives the same result."""

    steps: int = 1_000_000
    """Transitions per policy."""

    preset: str = "paper"
    """The learner's settings: 'paper' as published, 'fast' in less time or fewer transitions."""

    users: int | None = None
    """How many users to sample, if the task samples them."""

    population_seed: int | None = None
    """The seed of the draw of the users; by default --seed."""

    population: Path | None = None
    """The users themselves: a CSV or Parquet file, one row a user; the task says which columns."""

    network: str | None = None
    """A network of your own for actors and critics: module:function, a function that makes an
    Equinox module (docs/own-network.md)."""

    welfare: str = "utilitarian"
    """What is trained for and measured: utilitarian (the mean over users), nash@-10, power:-2@-10,
    egalitarian, gini, cvar:0.1, groups:egalitarian and the like (docs/welfare.md), or
    module:function for a welfare function of your own."""

    group: str | None = None
    """The column of the users' table with their groups, for floors and welfares of groups."""

    outside: str | None = None
    """What users get without us: a number, or the column that says it. Nobody is given a policy
    that is worth less to them."""

    floor: str | None = None
    """What every user must get at least: a number, or the column that says it."""

    group_floor: float | None = None
    """What the mean of every group must be at least."""

    share: float | None = None
    """The share of the users for whom --floor must hold; everybody if it is not given."""

    threads: int | None = None
    """The number of threads that step environments outside JAX; by default one a core."""

    assignment: Path | None = None
    """The assignment for the method 'fixed': a CSV or Parquet file with a row for each user, whose
    column 'policy' counts from 0. A column 'user' or 'id' says whose row it is, as in a run's
    assignment.csv; without one the rows are in the population's order."""

    start_from: Path | None = None
    """The folder of a finished run, or a bundle (its folder or zip file), whose policies training
    starts from, instead of new ones."""

    freeze: tuple[int, ...] = ()
    """The numbers, from 0, of those of its policies that stay as they are."""

    log: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Where metrics go besides metrics.jsonl: tensorboard, wandb, mlflow, or module:Class for a
    logger of your own; may be repeated."""

    tensorboard: bool = True
    """Write TensorBoard files beside metrics.jsonl, if tensorboardX is installed."""

    json: bool = False
    """Print the evaluation as JSON."""

    @classmethod
    def sections(cls, arguments: Sequence[str]) -> list[Section]:
        """Return the sections of settings that the command has with these arguments.

        Raises:
            HandfulError: if the arguments name a task or a method that does not exist.
        """
        preset = named(arguments, "--preset", "paper")
        return [
            *task_section(arguments),
            *_learner_sections(preset, named(arguments, "--learner", None)),
            *_method_section(named(arguments, "--method", "auto"), arguments),
            _run_section(),
        ]

    def _floors(self, problem: Any) -> Any:
        """Return the floors that the options ask for, in the form that training takes."""
        from handful.choice.floors import Floor
        from handful.training.fairness.claims import read_claims

        floors: list[Any] = []
        if self.floor is not None:
            level = number_or_name(self.floor)
            (own,) = read_claims(problem.population, None, None, level).floors
            kind = "everyone" if self.share is None else "share"
            floors.append(Floor(own.least, kind, 1.0 if self.share is None else self.share))
        elif self.share is not None:
            raise HandfulError("A share is of a floor: give --floor as well.")
        if self.group_floor is not None:
            floors.append(Floor(self.group_floor, "groups"))
        return floors or None

    def run(self) -> None:
        """Train, then say how it went."""
        from handful.problem import make, run_parameters
        from handful.training.frontier import train_frontier
        from handful.training.loop import train

        if not self.policies:
            raise HandfulError("Give a number of policies, as in --policies 5, or several.")
        sections = _learner_sections(self.preset, self.learner)
        settings = {n: value for one in sections for n, value in given(self, one.name).items()}
        _load_networks(self.network, settings)
        method_settings = given(self, "method")
        if self.assignment is not None and self.method != "fixed":
            raise HandfulError("--assignment goes with --method fixed.")
        if self.start_from is not None and len(self.policies) > 1:
            raise HandfulError("--start-from goes with one number of policies.")
        if self.freeze and self.start_from is None:
            raise HandfulError("--freeze goes with --start-from RUN.")
        beginning: dict[str, Any] = {}
        if self.start_from is not None:
            beginning = {"start_from": self.start_from, "frozen": self.freeze}
        run_settings = given(self, "run")
        request: dict[str, Any] = {
            "method": self.method,
            "learner": self.learner,
            "steps": self.steps,
            "seed": self.seed,
            "preset": self.preset,
            "settings": settings,
            "network": self.network,
            "method_settings": method_settings,
            "run_settings": run_settings,
            "threads": self.threads,
            "overlap": run_settings.pop("overlap", False),
            "welfare": self.welfare,
            "out": self.out,
        }
        parameters = run_parameters(
            self.task,
            self.seed,
            given(self, "param"),
            chosen_users(self.users, self.population_seed, self.population),
        )

        def start(callbacks: Sequence[Any], loggers: Sequence[Any]) -> None:
            problem = make(self.task, **parameters)
            if self.assignment is not None:  # by the names of its users
                users = problem.population.user_ids
                method_settings["policy"] = read_assignment(self.assignment, users)
            following = {"callbacks": callbacks, "loggers": loggers}
            claims = {
                "groups": self.group,
                "outside": number_or_name(self.outside),
                "floors": self._floors(problem),
            }
            if len(self.policies) == 1:
                train(problem, self.policies[0], **following, **beginning, **claims, **request)
            else:
                train_frontier(problem, self.policies, **following, **claims, **request)

        run_training(start, self.log, self.tensorboard)
        if len(self.policies) == 1:
            announce(self.out, self.json)
        else:
            announce_frontier(self.out, self.json)


def _load_networks(network: str | None, settings: dict[str, Any]) -> None:
    """Import the networks that the command line names: the caller has chosen their code."""
    from handful.learner.builders import load_network, named_networks

    given = [] if network is None else [network]
    for name in given + named_networks(settings):
        load_network(name)


def _learner_sections(preset: str, learner: str | None) -> list[Section]:
    """Return a section for the settings of each learner, and one for those of collecting.

    Args:
        preset: the name of the preset, whose values the help shows.
        learner: the learner's name, ``module:Class`` for one of the caller's own, or None if no
            learner is named: the task then decides which one it is.
    """
    from handful.learner import LEARNERS
    from handful.training.config import PRESETS, CollectConfig

    if learner is not None:
        LEARNERS.load(learner)  # the caller has chosen this code
    names = LEARNERS if learner is None else [learner]
    usual, source = PRESETS.get(preset, {}), f"preset {preset}"
    sections = []
    for name in names:
        kind = LEARNERS.find(name)
        known = {n: value for n, value in usual.items() if n not in kind.usual_settings}
        title = f"Settings of the learner '{name}' that differ from the preset."
        sections.append(Section(_section_name(name), title, settings_of(kind, known, source)))
    if learner is not None and LEARNERS.find(learner).usual_settings:
        usual, source = {**usual, **LEARNERS.find(learner).usual_settings}, f"learner {learner}"
    collecting = settings_of(CollectConfig, usual, source)
    title = "How policies collect transitions, where it differs from the preset."
    return [*sections, Section("collect", title, collecting)]


def _section_name(learner: str) -> str:
    """Return the beginning of a learner's flags: its name, or ``learner`` for the caller's own."""
    return "learner" if ":" in learner else learner


def _method_section(method: str, arguments: Sequence[str]) -> list[Section]:
    """Return the settings of a method that is named.

    Raises:
        HandfulError: if there is no such method, or settings are given and no method is.
    """
    from handful.methods import AUTO, METHODS

    if method == AUTO:
        setting = next((one for one in arguments if one.startswith(flag_name("method", ""))), None)
        if setting is not None:
            raise HandfulError(
                f"{setting} is a setting of one method, and 'auto' chooses among them: name the "
                f"method with --method."
            )
        return []
    METHODS.load(method)
    title = f"Settings of the method '{method}' that differ from its defaults."
    return [Section("method", title, settings_of(METHODS.find(method)))]


def _run_section() -> Section:
    """Return the settings of a run that belong neither to the learner nor to the method."""
    from handful.training.config import RUN_SETTINGS, TrainConfig

    settings = [one for one in settings_of(TrainConfig) if one.name in RUN_SETTINGS]
    return Section("run", "Other settings of the run.", tuple(settings))
