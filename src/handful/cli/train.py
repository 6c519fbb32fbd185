"""The command ``handful train``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from handful.cli.output import announce, run_training
from handful.cli.settings import chosen_users, parse_settings, read_assignment
from handful.errors import HandfulError

Pairs = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


@dataclass
class Train:
    """Train k policies for a task's users, decide who gets which, evaluate, and write a report."""

    task: tyro.conf.Positional[str]
    """The task's name; see 'handful tasks'."""

    policies: int
    """The budget k: how many policies, from 1 to the number of users."""

    out: Path
    """A new folder for the run."""

    method: str = "auto"
    """Who is served by whom: auto (the one of ours that suits the task), em, end-to-end, cluster,
    random, fixed, or another of ours (README); module:Class for a method of your own."""

    seed: int = 0
    """Of everything random; the same seed gives the same result."""

    steps: int = 1_000_000
    """Transitions per policy."""

    preset: str = "paper"
    """The learner's settings: 'paper' as published, 'fast' in less time or fewer transitions."""

    param: Pairs = ()
    """A parameter of the task, NAME=VALUE (--param height=4); may be repeated. 'handful tasks TASK'
    lists them."""

    users: int | None = None
    """How many users to sample, where the task samples them."""

    population_seed: int | None = None
    """Of the draw of the users; by default --seed."""

    population: Path | None = None
    """The users themselves: a CSV or Parquet file, one row a user; the task says which columns."""

    set: Pairs = ()
    """A setting of the learner that differs from the preset, NAME=VALUE; may be repeated."""

    method_set: Pairs = ()
    """A setting of the method, NAME=VALUE (--method-set warm_up=0); may be repeated."""

    run_set: Pairs = ()
    """Another setting of the run, NAME=VALUE: return_mixing, discounted_table, keep_best,
    final_assignment."""

    network: str | None = None
    """A network of your own for actors and critics: module:function, a function that makes an
    Equinox module (docs/own-network.md)."""

    threads: int | None = None
    """That step environments outside JAX; by default one a core."""

    overlap: bool = False
    """Collect outside JAX while learning, with policies that are one update old."""

    assignment: Path | None = None
    """For the method 'fixed': a CSV or Parquet file with a column 'policy', one row a user,
    policies from 0. A column 'user' or 'id' says whose row it is, as in a run's assignment.csv;
    without one the rows are in the population's order."""

    log: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Where metrics go besides metrics.jsonl: tensorboard, wandb, mlflow, or module:Class for a
    logger of your own; may be repeated."""

    tensorboard: bool = True
    """Write TensorBoard files beside metrics.jsonl, if tensorboardX is installed."""

    json: bool = False
    """Print the evaluation as JSON."""

    def run(self) -> None:
        """Train, then say how it went."""
        from handful.methods import load_method
        from handful.problem import make, run_parameters
        from handful.training.loop import train

        load_method(self.method)
        settings = parse_settings(self.set, "--set")
        _load_networks(self.network, settings)
        method_settings = parse_settings(self.method_set, "--method-set")
        if self.assignment is not None and self.method != "fixed":
            raise HandfulError("--assignment goes with --method fixed.")
        request: dict[str, Any] = {
            "method": self.method,
            "steps": self.steps,
            "seed": self.seed,
            "preset": self.preset,
            "settings": settings,
            "network": self.network,
            "method_settings": method_settings,
            "run_settings": parse_settings(self.run_set, "--run-set"),
            "threads": self.threads,
            "overlap": self.overlap,
            "out": self.out,
        }
        parameters = run_parameters(
            self.task,
            self.seed,
            parse_settings(self.param, "--param"),
            chosen_users(self.users, self.population_seed, self.population),
        )

        def start(callbacks: Sequence[Any], loggers: Sequence[Any]) -> None:
            problem = make(self.task, **parameters)
            if self.assignment is not None:  # by the names of its users
                users = problem.population.user_ids
                method_settings["policy"] = read_assignment(self.assignment, users)
            train(problem, self.policies, callbacks=callbacks, loggers=loggers, **request)

        run_training(start, self.log, self.tensorboard)
        announce(self.out, self.json)


def _load_networks(network: str | None, settings: dict[str, Any]) -> None:
    """Import the networks that the command line names: the caller has chosen their code."""
    from handful.learner.builders import FIELDS, load_network

    for name in (network, *(settings.get(field) for field in FIELDS)):
        if isinstance(name, str):
            load_network(name)
