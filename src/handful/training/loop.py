"""The host loop: it runs steps, calls callbacks, saves the state, and returns the result."""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handful._support.backend import computing
from handful._support.checks import check_kind
from handful._support.foreign import in_same_directory
from handful.errors import HandfulError, HandfulWarning
from handful.evaluation.gap import measure_gap
from handful.evaluation.returns import EVALUATION_EPISODES, evaluate
from handful.learner import Learner
from handful.learner.builders import Network
from handful.methods import AssignmentMethod
from handful.problem import RMDP, check_problem
from handful.run_folder import RunFolder
from handful.training.choosing import assign
from handful.training.config import BY_VALIDATION
from handful.training.ending import judge
from handful.training.fairness.floor_records import (
    described_floors,
    floor_records,
    stored_floors,
)
from handful.training.fairness.judging import judged_floors
from handful.training.intervention import finish
from handful.training.preflight import prepare
from handful.training.records.evaluation_files import read_findings
from handful.training.records.provenance import changed_versions, versions
from handful.training.records.run_reader import (
    check_goes_on,
    evaluation_of,
    handed_out,
    is_of_todays_method,
    load_run_state,
    open_run,
    stored_run,
)
from handful.training.records.run_writer import (
    describe_run,
    evaluation_record,
    write_results,
)
from handful.training.result import TrainResult
from handful.training.run import Run
from handful.training.session import Session, open_session, seconds_before
from handful.training.starting.beginning import begin
from handful.training.starting.continuation import FINAL
from handful.training.starting.continuing import extend
from handful.training.state import TrainState
from handful.training.universal.beginning import SharedStage
from handful.training.updates import run_updates
from handful.training.watching.callbacks import Callback, with_progress
from handful.training.watching.findings import History
from handful.training.watching.loggers import Logger, RunLog, Step, check_loggers, open_log
from handful.types import LearnerName, MethodName, PresetName
from handful.welfare import UTILITARIAN, WelfareFn


def train(
    problem: RMDP,
    num_policies: int,
    method: MethodName | str | AssignmentMethod = "auto",
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
    start_from: Any = None,
    frozen: Sequence[int] = (),
    out: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
    progress: bool | None = None,
) -> TrainResult:
    """Train ``num_policies`` policies for a population and decide who gets which.

    Args:
        problem: a problem from :func:`handful.make`, or your own :class:`~handful.problem.RMDP`.
        num_policies: the budget ``K``, from 1 to the number of users.
        method: the assignment method, or its name; ``auto`` takes the method that suits the problem
            (:mod:`handful.training.config`).
        learner: the learner, or its name (``ppo``, ``counting``, ``sac``); None takes the learner
            that suits the problem and the preset.
        steps: the number of transitions for each policy that is not frozen.
        seed: the seed of everything random in training; the same seed gives the same result.
        preset: the settings of the learner and of collecting by name, ``paper`` or ``fast``.
        settings: settings that differ from the preset and from what the problem asks for, of the
            learner (:class:`~handful.learner.ppo.PPO`) and of collecting
            (:class:`~handful.training.config.CollectConfig`).
        method_settings: settings of the method that differ from its defaults.
        run_settings: further settings that differ from their defaults
            (:data:`~handful.training.config.RUN_SETTINGS`), such as ``{"return_mixing": 0.2}``.
        threads: the number of threads that step an environment on the host; by default one for each
            core.
        overlap: whether the next batch of an environment on the host is collected while the
            policies learn from this one (:class:`~handful.training.stepper.HostStepper`).
        network: a network of your own for actors and critics, or a pair of one for each, where None
            stands for the library's own: a builder, which is called as ``build(key,
            observation_size, num_outputs)`` and returns an Equinox module, or its name.
        welfare: the welfare function that is trained for and measured: a function of ``jax.numpy``
            from the utilities of all users to one number, or the name of one. The default is the
            mean (:mod:`handful.welfare`).
        groups: the group of each user [N], or the name of the users' column that has it.
        outside: what each user gets without us: a number, one for each user [N], or the name of
            their column. Nobody is given a policy that is worth less by validation, and the
            welfare counts the outside option.
        floors: what users must get at least: a number, one for each user, the name of their
            column, or :class:`handful.Floor` objects. Training makes users below their floor count
            more; whether floors hold is in the result (:mod:`handful.training.fairness.pressure`).
        start_from: policies to start from instead of new ones: a result, the folder of a finished
            run, a bundle (its folder, its zip file, or what :func:`handful.load` returns), or
            :class:`~handful.Policies`. They are the first policies of the run, share no layers any
            more, and bring the settings of their learner (a bundle the learner's name alone). The
            result is never worse than they are, by the run's own validation
            (:mod:`handful.training.starting.beginning`).
        frozen: the numbers of those of them that stay as they are, to the last bit. They serve
            users, and may get or lose users like the others. They are measured at the start and
            when the run ends, and play no transitions in between
            (:attr:`~handful.training.config.TrainConfig.players`).
        out: a new folder to keep the run in; without one nothing is written.
        callbacks: objects that training calls after every update.
        loggers: further receivers of the metrics, besides ``metrics.jsonl`` in ``out``: objects of
            classes derived from :class:`~handful.training.watching.loggers.Logger`.
        progress: True shows how far training is on standard error, as a bar on a terminal and
            elsewhere as a line every ten seconds; False shows nothing; None, the default, shows it
            unless ``callbacks`` hold a :class:`~handful.training.watching.callbacks.ProgressBar`
            already.

    Returns:
        the policies, the assignment of the users, and the evaluation.

    Raises:
        HandfulError: if the request or the problem has a fault that the caller can mend.
        TrainingInterrupted: if Ctrl-C or SIGTERM ends training; the state is saved before.

    Examples:
        >>> problem = handful.make("resource-gathering", height=2, width=2)
        >>> result = handful.train(problem, 2, "em", steps=8192, preset="fast", progress=False)
        >>> result.policies.num_policies
        2
        >>> len(result.assignment) == problem.num_users
        True
    """
    check_problem(problem, "train")
    callbacks = with_progress(callbacks, progress)
    check_loggers(loggers)
    # The path is made absolute before anything of the environment's runs: it may call os.chdir.
    out = None if out is None else Path(out).absolute()
    run = prepare(
        problem,
        num_policies,
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
        start_from=start_from,
        frozen=frozen,
    )
    return train_run(run, out, callbacks, loggers)


@computing
@in_same_directory
def train_run(
    run: Run,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
    *,
    stage: SharedStage | None = None,
) -> TrainResult:
    """Train a run from its first update to its last, and evaluate it, as :func:`train` does.

    Args:
        run: the run, from :func:`prepare`.
        out: the same as in :func:`train`.
        callbacks: the same as in :func:`train`.
        loggers: the same as in :func:`train`.
        stage: the universal stage that runs with other budgets share, if the run begins with one
            (:func:`handful.train_frontier`).

    Returns:
        the policies, the assignment of the users, and the evaluation.
    """
    folder = None if out is None else RunFolder(Path(out).absolute())
    if folder is None:
        return _go_on(run, None, None, callbacks, loggers, stage)
    folder.create(describe_run(run))
    with folder.hold():
        try:
            return _go_on(run, None, folder, callbacks, loggers, stage)
        except BaseException:
            if not folder.has_state:
                folder.remove()  # the run failed before it had anything to keep
            raise


@computing
@in_same_directory
def resume(
    path: str | Path,
    problem: RMDP | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
    *,
    loggers: Sequence[Logger] = (),
    network: Network | None = None,
    trust: bool = False,
    steps: int | None = None,
    rates: str = FINAL,
    stage: SharedStage | None = None,
) -> TrainResult:
    """Continue a run from its last checkpoint, or train a finished one for more steps.

    The result is the same as without a stop. With an environment on the host, running episodes
    start again, so the result is equally good but not the same.

    Args:
        path: the path of the run folder. A finished run is only read, without training; its
            problem is made all the same, which :func:`handful.load_run` can do without.
        problem: the run's problem, needed only if it has no name to make it by.
        callbacks: objects that training calls after every update.
        progress: the same as in :func:`train`.
        loggers: the same as in :func:`train`; a logger that the run had before goes on where it
            was. A run that is finished already calls none.
        network: the run's own network, as in :func:`train`. It is needed only if the run has a
            network that this program does not know and cannot import, or in place of ``trust``.
        trust: whether the problem and a network may be made by running code that the folder names,
            as with ``gymnasium:module:Thing``. A stranger's folder can name any code.
        steps: the transitions for each policy of the whole run, if it is to be more than it had.
            A run that is not finished is finished first. The results so far stay in the folder
            ``before-1`` of the run (``before-2``, and so on), and its final policies
            stay the final ones if more training finds no better ones, by validation.
        rates: how the learner's rates go on with ``steps``: ``final`` keeps those with which they
            ended; ``again`` lets them fall once more, from the first to the last.
        stage: the same as in :func:`train_run`.

    Returns:
        the policies, the assignment of the users, and the evaluation, as :func:`train` returns
        them.

    Raises:
        HandfulError: if there is no run at the path, another process is training it, a file of it
            was changed or does not fit, its method has changed since it began, or its problem
            cannot be made without trust.
        TrainingInterrupted: if Ctrl-C or SIGTERM ends training; the state is saved before.
    """
    if problem is not None:
        check_problem(problem, "resume")
    callbacks = with_progress(callbacks, progress)
    check_loggers(loggers)
    folder = RunFolder(path)
    if steps is not None:
        following = {"callbacks": callbacks, "loggers": loggers, "network": network}
        _lengthen(RunFolder(Path(path).absolute()), steps, rates, problem, trust, following, stage)
    if folder.is_finished:
        return _read(path, problem, trust, network)
    with folder.hold():
        _, run = open_run(path, problem, trust, network)
        stored = folder.read_config()
        check_todays_method(folder, run)
        changed = changed_versions(stored["versions"], versions())
        if changed:
            warnings.warn(
                HandfulWarning(
                    f"The run in '{path}' was begun with {', '.join(changed)}: it may end "
                    f"differently, and its evaluation names all versions."
                ),
                stacklevel=2,
            )
        state = None  # the run was stopped before its first checkpoint
        if folder.checkpoint.is_file():
            state = load_run_state(folder, run)
        # An environment may call os.chdir: from here on the path must not depend on it.
        folder = RunFolder(Path(path).absolute())
        return _go_on(run, state, folder, callbacks, loggers, stage)


def _lengthen(
    folder: RunFolder,
    steps: int,
    rates: str,
    problem: RMDP | None,
    trust: bool,
    following: Mapping[str, Any],
    stage: SharedStage | None,
) -> None:
    """Let a run be longer, once it is finished; nothing happens if it is so long already."""
    check_kind("steps", steps, int)
    _, config = stored_run(folder, trust)
    if config.continued and config.total_steps == steps:
        return  # that continuation was begun before
    if not folder.is_finished:
        resume(folder.path, problem, progress=False, trust=trust, stage=stage, **following)
    _, run = open_run(folder.path, problem, trust, following["network"])
    check_todays_method(folder, run)
    extend(folder, config, steps, rates)


def check_todays_method(folder: RunFolder, run: Run) -> None:
    """Check that the method of a run is what it was when the run began.

    Raises:
        HandfulError: if it has changed since, or left the library.
    """
    check_goes_on(folder, run.config)
    if not is_of_todays_method(folder.read_config(), run.method):
        raise HandfulError(
            f"The run in '{folder.path}' was begun with another revision of "
            f"'{run.config.method}' and would end as neither: go on with the version of handful "
            f"that began it, or train again."
        )


def _read(
    path: str | Path, problem: RMDP | None, trust: bool, network: Network | None
) -> TrainResult:
    """Return the result of a finished run."""
    folder, run = open_run(path, problem, trust, network)
    record = folder.read_evaluation()
    evaluation, shares = evaluation_of(folder, record, run.problem)
    floors = stored_floors(run, record)
    if floors is None:
        floors = floor_records(run, evaluation.deterministic.played, evaluation.assignment)
    return TrainResult(
        problem=run.problem,
        config=run.config,
        policies=handed_out(folder, run).policies,
        assignment=evaluation.assignment,
        shares=shares,
        evaluation=evaluation,
        folder=folder.path,
        transitions=run.config.played(record["transitions"], record["validation_transitions"]),
        findings=read_findings(folder, record),
        floors=floors,
    )


def _go_on(
    run: Run,
    state: TrainState | None,
    folder: RunFolder | None,
    callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
    stage: SharedStage | None,
) -> TrainResult:
    """Run the remaining updates, evaluate, and write the results, while the loggers are open."""
    done = 0 if state is None else int(state.update)
    begun = Step(done, run.config.transitions_after(done), seconds_before(folder, done))
    is_trained = done == run.num_updates
    describe = partial(describe_run, run)
    with open_log(folder, loggers, describe, run.problem.name, begun, is_trained) as log:
        return _logged(run, state, folder, callbacks, log, stage)


def _started(run: Run, session: Session) -> TrainState:
    """Return the state of a run that starts from policies, once it is kept.

    Raises:
        HandfulError: if the run was stopped before it had kept the policies.
    """
    if run.given is None:
        raise HandfulError(
            "The run was stopped before it had measured the policies that it starts from, so that "
            "it has nothing to go on with: remove its folder, and start again."
        )
    state = begin(run, run.given, session.watch("validation", 0))
    session.save(state)
    return state


def _logged(
    run: Run,
    state: TrainState | None,
    folder: RunFolder | None,
    callbacks: Sequence[Callback],
    log: RunLog,
    stage: SharedStage | None,
) -> TrainResult:
    """Do the work of :func:`_go_on`, from the first update if there is no state yet."""
    problem, config, stage = run.problem, run.config, stage or SharedStage()
    done = 0 if state is None else int(state.update)
    seconds = seconds_before(folder, done)
    is_trained = done == config.num_updates
    history = History(folder, done)
    callbacks = [history, log, *callbacks]
    with open_session(folder, callbacks, problem) as session:
        if state is None or not is_trained:
            if state is None and config.universal is not None:
                state, seconds = stage.begin(run, session)
            if state is None and config.start is not None:
                state = _started(run, session)
            state, seconds = run_updates(run, state, session, seconds)
        transitions = config.transitions_after(int(state.update))
        known = stage.knowledge(run, folder)
        if config.keep_best and not state.shortlist.is_validated:
            state = finish(run, state, session.watch("validation", transitions), known)
            session.save(state)
        if config.final_assignment == BY_VALIDATION and not state.is_assigned:
            state = assign(run, state, session.watch("validation", transitions), known)
            session.save(state)
        policies = state.chosen(run).policies(problem)
        alpha = np.asarray(state.handed_out(run))
        watch = session.watch("evaluation", transitions)
        evaluation = evaluate(
            problem,
            policies,
            alpha,
            seed=config.seed,
            num_episodes=EVALUATION_EPISODES,
            watch=watch,
            welfare=run.own_welfare,
            outside=run.claims.options,
        )
        promises = judged_floors(run, policies, evaluation, transitions, watch)
        judgement = judge(run, state, policies, evaluation, history, promises, watch)
    shares = alpha if alpha.ndim == 2 else None
    if folder is not None or log.has_loggers:
        gap = None
        if not config.claims.outside:  # what users have without us is in the welfare, too
            gap = measure_gap(problem, config.num_policies, evaluation.welfare, config.welfare)
        training = {
            "transitions": transitions,
            "validation_transitions": int(state.validated),
            "seconds": seconds,
        }
        record = {
            **evaluation_record(problem, policies, evaluation, gap, training),
            **described_floors(promises),
            **judgement.record(),
        }
        if folder is not None:
            write_results(folder, problem, policies, evaluation, shares, record)
        log.evaluation = record
    return TrainResult(
        problem=problem,
        config=config,
        policies=policies,
        assignment=evaluation.assignment,
        shares=shares,
        evaluation=evaluation,
        folder=None if folder is None else folder.path,
        transitions=config.played(transitions, int(state.validated)),
        findings=tuple(judgement.findings),
        floors=promises,
    )
