"""Training for several budgets at once, which shares what does not depend on the budget.

Every budget is a run of its own in a folder of its own (``k-05`` for five policies). With the
method ``universal``, the run of the largest budget is trained first: its universal policy and the
candidates that played are those of all budgets, so that another budget costs only its own EM and
its own evaluation. Other methods share nothing, and train each budget from nothing.

If training was stopped, :func:`resume_frontier` reads the runs that are finished, resumes a run
that was begun, and trains the others.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handful._support.checks import check_kind
from handful._support.files import make_folder, read_json
from handful._support.storage import WHOLE, check_stored
from handful.errors import HandfulError
from handful.evaluation.played import FeatureReturns
from handful.frontier.folder import FrontierFolder
from handful.learner import Learner
from handful.learner.builders import Network
from handful.methods import AssignmentMethod
from handful.methods.universal import Universal
from handful.problem import RMDP, check_problem
from handful.run_folder import RunFolder
from handful.training.config import TrainConfig
from handful.training.frontier_result import FrontierResult, make_frontier, read_frontier
from handful.training.loop import resume, train_run
from handful.training.preflight import checked_run, prepare
from handful.training.records.run_reader import open_run
from handful.training.result import TrainResult
from handful.training.run import Run
from handful.training.universal.beginning import SharedStage
from handful.training.universal.candidates import Candidates
from handful.training.universal.counted import PoolCandidates
from handful.training.universal.stage import plan_stage
from handful.training.watching.callbacks import Callback, with_progress
from handful.training.watching.loggers import Logger, check_loggers
from handful.types import LearnerName, MethodName, PresetName
from handful.welfare import UTILITARIAN, WelfareFn

PLAN = "budgets.json"
"""The file that says which budgets a folder is trained for, and with which settings."""

FORMAT = 1


def train_frontier(
    problem: RMDP,
    budgets: Sequence[int],
    method: MethodName | str | AssignmentMethod = "universal",
    *,
    learner: LearnerName | str | Learner | None = None,
    steps: int = 1_000_000,
    seed: int = 0,
    preset: PresetName | str = "paper",
    settings: dict[str, Any] | None = None,
    method_settings: dict[str, Any] | None = None,
    run_settings: dict[str, Any] | None = None,
    threads: int | None = None,
    overlap: bool = False,
    welfare: WelfareFn | str = UTILITARIAN,
    groups: Any = None,
    outside: Any = None,
    floors: Any = None,
    network: Network | None = None,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
    progress: bool | None = None,
) -> FrontierResult:
    """Train policies for several budgets, and measure what each budget is worth.

    With the method ``universal``, all budgets together take as many transitions as one run of the
    largest budget. With any other method, each budget is a run of its own, with as many transitions
    for each policy.

    Args:
        problem: the problem, as in :func:`handful.train`.
        budgets: the numbers of policies, each from 1 to the number of users.
        method: the method of all budgets.
        learner, seed, preset, settings, method_settings, run_settings: the same as in
            :func:`handful.train`.
        steps: the number of transitions for each policy of the largest budget.
        threads, overlap, welfare, groups, outside, floors, network: the same as in
            :func:`handful.train`. With floors, the result says from which budget on they hold.
        out: a new folder, which gets a run folder for each budget (``k-05``) and the frontier;
            without one nothing is written.
        callbacks, progress: the same as in :func:`handful.train`; they follow one budget after the
            other.
        loggers: the same as in :func:`handful.train`; each budget is a run of its own for them.

    Returns:
        The result of each budget, and the welfare of all of them with what one more policy adds.

    Raises:
        HandfulError: if the request or the problem has a fault that the caller can mend.
        TrainingInterrupted: if Ctrl-C or SIGTERM ends training; :func:`resume_frontier` goes on.

    Examples:
        >>> problem = handful.make("resource-gathering", height=2, width=2)
        >>> result = handful.train_frontier(
        ...     problem, (1, 2), steps=6144, preset="fast", progress=False
        ... )
        >>> result.budgets
        (1, 2)
    """
    check_problem(problem, "train_frontier")
    ordered = _checked_budgets(problem, budgets)
    callbacks = with_progress(callbacks, progress)
    check_loggers(loggers)
    out = None if out is None else Path(out).absolute()
    largest = prepare(
        problem,
        ordered[-1],
        method,
        learner=learner,
        steps=steps,
        seed=seed,
        preset=preset,
        settings=settings,
        method_settings=method_settings,
        run_settings=run_settings,
        threads=threads,
        overlap=overlap,
        welfare=welfare,
        groups=groups,
        outside=outside,
        floors=floors,
        network=network,
    )
    configs = plan_budgets(problem, largest.config, ordered)
    runs = {k: checked_run(problem, config) for k, config in configs.items()}
    if out is not None:
        _create(out, ordered)
    return _train(runs, out, callbacks, loggers, {})


def resume_frontier(
    path: str | Path,
    problem: RMDP | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
    *,
    loggers: Sequence[Logger] = (),
    network: Network | None = None,
    trust: bool = False,
) -> FrontierResult:
    """Continue the training for several budgets where it was stopped.

    Args:
        path: the folder that :func:`train_frontier` was given. A finished one is only read.
        problem, callbacks, progress, loggers, network, trust: the same as in
            :func:`handful.resume`.

    Returns:
        The same as :func:`train_frontier`.

    Raises:
        HandfulError: if the folder is none of several budgets, or its largest budget was stopped
            before anything of it was kept, or a run of it cannot be continued.
        TrainingInterrupted: if Ctrl-C or SIGTERM ends training.
    """
    if problem is not None:
        check_problem(problem, "resume_frontier")
    folder = FrontierFolder(Path(path).absolute())
    if folder.is_frontier:
        return read_frontier(folder.path, problem, network=network, trust=trust)
    budgets = planned_budgets(folder.path)
    callbacks = with_progress(callbacks, progress)
    first = RunFolder(folder.run(budgets[-1]))
    if not first.config.is_file():
        raise HandfulError(
            f"The training in '{path}' was stopped before anything of it was kept: delete the "
            f"folder, and train again."
        )
    _, largest = open_run(first.path, problem, trust, network)
    configs = plan_budgets(largest.problem, largest.config, budgets)
    runs = {k: checked_run(largest.problem, config) for k, config in configs.items()}
    going_on = {"network": network, "trust": trust}
    return _train(runs, folder.path, callbacks, loggers, going_on)


def is_of_budgets(path: str | Path) -> bool:
    """Return whether a folder is one of several budgets, finished or not."""
    return (Path(path) / PLAN).is_file()


def planned_budgets(path: Path) -> list[int]:
    """Return the budgets that a folder is trained for, ascending.

    Raises:
        HandfulError: if the folder is none of several budgets, or its plan is damaged.
    """
    plan = path / PLAN
    if not plan.is_file():
        raise HandfulError(f"'{path}' is no folder of several budgets: it has no {PLAN}.")
    record = read_json(plan)
    check_stored(record, {"format": WHOLE, "budgets": [WHOLE]}, plan)
    if record["format"] != FORMAT:
        raise HandfulError(
            f"'{plan}' is of format {record['format']}, and this version of handful reads format "
            f"{FORMAT}: use the version that wrote it."
        )
    return sorted(record["budgets"])


def plan_budgets(
    problem: RMDP, largest: TrainConfig, budgets: Sequence[int]
) -> dict[int, TrainConfig]:
    """Return the settings of the run of each budget.

    Args:
        problem: the problem.
        largest: the settings of the largest budget if it were trained alone, or as this function
            has returned them.
        budgets: the budgets, ascending.
    """
    method = largest.make_method()
    if not isinstance(method, Universal):
        return {k: dataclasses.replace(largest, num_policies=k) for k in budgets}
    batch = largest.collect.batch_size
    stage, updates = largest.universal, largest.num_updates
    assert stage is not None
    if tuple(budgets) != stage.budgets:
        total = largest.steps * budgets[-1]
        updates = max(int(method.own_share * total / (batch * sum(budgets))), 1)
        stage = plan_stage(problem, method, budgets[-1], total, updates * batch * sum(budgets))
        stage = dataclasses.replace(stage, budgets=tuple(budgets))
    return {
        k: dataclasses.replace(
            largest,
            num_policies=k,
            universal=stage,
            steps=-(-stage.total_steps // k) + updates * batch,
        )
        for k in budgets
    }


def _checked_budgets(problem: RMDP, budgets: Any) -> list[int]:
    """Return the budgets, ascending and each once.

    Raises:
        HandfulError: if they are no list of budgets that fit the problem.
    """
    if not isinstance(budgets, Sequence) or isinstance(budgets, str) or not budgets:
        raise HandfulError(
            "budgets must be a list of numbers of policies, such as (1, 2, 3, 5, 10)."
        )
    listed: list[Any] = list(budgets)
    for one in listed:
        check_kind("A budget", one, int)
        problem.check_budget(one)
    return sorted({int(one) for one in listed})


def _create(out: Path, budgets: Sequence[int]) -> None:
    """Create the folder with its plan in it.

    Raises:
        HandfulError: if there is something at this path already, or it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise HandfulError(
            f"'{out}' exists already: choose another folder with --out, or continue the training "
            f"in it with 'handful resume'."
        )
    try:
        if out.exists():
            out.rmdir()
        make_folder(out, PLAN, {"format": FORMAT, "budgets": list(budgets)})
    except OSError as error:
        raise HandfulError(f"The folder '{out}' cannot be made ({error.strerror}).") from None


def _train(
    runs: dict[int, Run],
    out: Path | None,
    callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
    going_on: dict[str, Any],
) -> FrontierResult:
    """Train, resume or read the run of each budget, the largest first."""
    stage, results = SharedStage(), []
    largest = max(runs)
    places = None if out is None else FrontierFolder(out)
    for budget in sorted(runs, reverse=True):
        run = runs[budget]
        result: TrainResult | None = None
        if places is not None:
            folder = RunFolder(places.run(budget))
            if folder.config.is_file():
                more = {"progress": False, "loggers": loggers, **going_on}
                result = resume(folder.path, run.problem, callbacks, stage=stage, **more)
        if result is None:
            place = None if places is None else places.run(budget)
            result = train_run(run, place, callbacks, loggers, stage=stage)
        if budget == largest and places is not None and run.config.universal is not None:
            stage.read(run, RunFolder(places.run(largest)))
        results.append(result)
    tried = stage.candidates
    played = None
    if tried is not None:
        played = FeatureReturns(tried.halves(), runs[largest].problem.population)
    spent = _transitions(results, tried)
    return make_frontier(results, candidates=played, transitions=spent, out=out)


def _transitions(
    results: Sequence[TrainResult], candidates: Candidates | PoolCandidates | None
) -> int:
    """Return all transitions of the training of several budgets, with what they share once."""
    spent = sum(result.transitions for result in results)
    if candidates is None:
        return spent
    stage = results[0].config.universal
    assert stage is not None
    # Each result has the stage as if it had been trained alone.
    shared = [
        result.config.num_policies * result.config.share_of(part)
        for result in results
        for part in (stage.training_steps, candidates.steps)
    ]
    return spent - sum(shared) + stage.training_steps + candidates.steps
