"""The beginning of a run of the method ``universal``: one policy for all users, and the best of it.

The universal policy is trained as a run of its own within the run, with its own checkpoint, so that
it goes on after a stop where it was. Then candidates of it play, and the best k of them become the
policies with which the run's own updates begin.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from handful.learner.base import LearnerState, UniversalLearner
from handful.methods.universal import Universal
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.tensors import read_tensors, write_tensors
from handful.training.choosing import Knowledge
from handful.training.records.checkpoint import load_state
from handful.training.records.run_writer import describe_run
from handful.training.run import Run
from handful.training.session import Session, seconds_before
from handful.training.state import Snapshot, TrainState, init_state, open_ledger
from handful.training.universal.candidates import MOST_CANDIDATES, Candidates, try_candidates
from handful.training.universal.chooser import Chooser
from handful.training.universal.counted import (
    CountedGeneralist,
    PoolCandidates,
    has_counted,
    read_counted,
    train_counted,
)
from handful.training.universal.drawing import drawn_choice
from handful.training.updates import run_updates
from handful.training.watching.callbacks import UNIVERSAL
from handful.training.watching.loggers import Step, open_log
from handful.types import NumpyArray
from handful.welfare import welfare_of

CANDIDATE_STREAM = 0xCA4D1
"""A number that is folded into the run's key for the candidates and their episodes."""


CANDIDATES = "candidates.safetensors"
"""The file of what was tried, in the folder of the stage."""


@runtime_checkable
class Generalist(Protocol):
    """What was learnt for all users, from which the policies of any budget can be chosen."""

    @property
    def candidates(self) -> Candidates | PoolCandidates:
        """What was chosen from, and what it earned."""
        ...

    @property
    def seconds(self) -> float:
        """The seconds that it took."""
        ...

    def started(self, run: Run, fresh: LearnerState, rows: NumpyArray) -> LearnerState:
        """Return the state of a learner that goes on from some of the candidates.

        Args:
            run: the run.
            fresh: the first state of its learner.
            rows: the candidates, [K], or the parts of each policy if policies draw, [K, M].
        """
        ...


class UniversalPolicy(NamedTuple):
    """A trained universal policy and its candidates.

    Attributes:
        learner: the learner of the policy.
        state: its state.
        candidates: the contexts that were tried, and what they earned.
        seconds: the seconds that its training took.
    """

    learner: UniversalLearner
    state: LearnerState
    candidates: Candidates
    seconds: float

    def started(self, run: Run, fresh: LearnerState, rows: NumpyArray) -> LearnerState:
        """Return the state of a learner that goes on from some of the candidates."""
        contexts = jnp.asarray(self.candidates.contexts[rows])
        made = self.learner.drawing if rows.ndim == 2 else self.learner.apart
        networks = made(self.state, contexts)
        return run.learner.restart(fresh.with_networks(networks), self.state)


class SharedStage:
    """The universal stage of one run, or of the runs of several budgets, which then share it."""

    def __init__(self) -> None:
        self._generalist: Generalist | None = None

    @property
    def candidates(self) -> Candidates | PoolCandidates | None:
        """The candidates that were chosen from; None before the stage is done."""
        return None if self._generalist is None else self._generalist.candidates

    def begin(self, run: Run, session: Session) -> tuple[TrainState, float]:
        """Run the universal stage of a run, or what is left of it, unless it is done.

        Args:
            run: the run.
            session: its surroundings.

        Returns:
            The state of the run before its own first update, and the seconds of training so far.
        """
        if self._generalist is None:
            assert run.config.universal is not None
            budgets = run.config.universal.budgets or (run.num_policies,)
            self._generalist = train_stage(run, session, budgets)
        state = specialised(run, self._generalist)
        session.save(state)
        return state, self._generalist.seconds

    def knowledge(self, run: Run, folder: RunFolder | None) -> Knowledge | None:
        """Return what the stage knows of the worth of policies, if it knows it.

        Args:
            run: the run.
            folder: its folder; None if it is not kept.
        """
        if folder is not None and has_counted(folder.universal):
            self.read(run, folder)
        found = self._generalist
        return found if isinstance(found, CountedGeneralist) else None

    def read(self, run: Run, folder: RunFolder) -> None:
        """Read the stage that a run has kept, unless it is known.

        Args:
            run: the run.
            folder: its folder.
        """
        within = run.stage
        if self._generalist is not None or within is None:
            return
        if has_counted(folder.universal):
            self._generalist = read_counted(folder.universal, run.problem)
            return
        assert isinstance(within.learner, UniversalLearner)
        state = load_state(folder.universal.checkpoint, jax.eval_shape(lambda: init_state(within)))
        seconds = seconds_before(folder.universal, int(state.update))
        found = _read(folder.universal.path / CANDIDATES)
        self._generalist = UniversalPolicy(within.learner, state.learner, found, seconds)


def train_stage(run: Run, session: Session, budgets: Sequence[int]) -> Generalist:
    """Do the work of the universal stage of a run, or what is left of it.

    Args:
        run: a run that begins with a universal stage.
        session: the surroundings of the run.
        budgets: the numbers of policies that will be chosen from the candidates.

    Raises:
        TrainingInterrupted: if a signal asked for a stop; the state is saved before.
    """
    stage, within = run.config.universal, run.stage
    assert stage is not None
    assert within is not None
    folder = None if session.folder is None else session.folder.universal
    if folder is not None and not folder.config.is_file():
        folder.create(describe_run(within))
    tested = 0
    if stage.survey_steps:
        counted, tested = train_counted(run, session, budgets, folder)
        if counted is not None:
            return counted
    return train_generalist(run, session, budgets, tested)


def train_generalist(
    run: Run, session: Session, budgets: Sequence[int], tested: int = 0
) -> UniversalPolicy:
    """Train a universal policy and try its candidates, or what is left of that.

    Args:
        run: a run that begins with a universal stage.
        session: the surroundings of the run; the stage has a folder in its folder.
        budgets: the numbers of policies that will be chosen from the candidates.
        tested: the transitions in which a model was tested before, in vain; they count as those of
            the candidates.

    Raises:
        TrainingInterrupted: if a signal asked for a stop; the state is saved before.
    """
    stage = run.config.universal
    assert stage is not None
    within = run.stage
    assert within is not None
    learner = within.learner
    assert isinstance(learner, UniversalLearner)
    folder = None if session.folder is None else session.folder.universal
    state, done = None, 0
    if folder is not None and folder.checkpoint.is_file():
        state = load_state(folder.checkpoint, jax.eval_shape(lambda: init_state(within)))
        done = int(state.update)
    seconds = seconds_before(folder, done)
    step = Step(done, done * within.config.collect.batch_size, seconds)
    is_trained = done == within.num_updates
    describe = partial(describe_run, within)
    with open_log(folder, [], describe, run.problem.name, step, is_trained) as log:
        inner = session.within(folder, log)
        if state is None or not is_trained:
            state, seconds = run_updates(within, state, inner, seconds, UNIVERSAL)
    kept = None if folder is None else folder.path / CANDIDATES
    if kept is not None and kept.is_file():
        return UniversalPolicy(learner, state.learner, _read(kept), seconds)
    key = jax.random.fold_in(jax.random.key(run.config.seed), CANDIDATE_STREAM)
    candidates = try_candidates(
        key,
        Chooser.of(run),
        within.problem,
        learner,
        state.learner,
        [min(budget * run.parts, MOST_CANDIDATES) for budget in budgets],
        stage.candidate_steps,
        stage.num_members,
        inner.watch("candidates", int(state.update) * within.config.collect.batch_size),
    )
    candidates = dataclasses.replace(candidates, steps=candidates.steps + tested)
    if kept is not None:
        write_tensors(kept, _arrays(candidates), {})
    return UniversalPolicy(learner, state.learner, candidates, seconds)


def specialised(run: Run, generalist: Generalist) -> TrainState:
    """Return the state of a run that begins with the best candidates.

    Args:
        run: the run.
        generalist: the universal policy and its candidates.
    """
    num_policies, method = run.num_policies, run.method
    assert isinstance(method, Universal)
    earned = generalist.candidates.returns
    if run.parts > 1:
        rows = drawn_choice(run, earned, num_policies, run.parts)
        returns = earned[rows].mean(axis=1)
    else:
        rows = filled_up(Chooser.of(run).best(earned, num_policies), num_policies)
        returns = earned[rows]
    served = best_for_users(run.problem, returns)
    assignment = method.started(jnp.asarray(served, jnp.int32), num_policies)
    mean = jnp.asarray(returns, jnp.float32)
    state = init_state(run)
    learner = generalist.started(run, state.learner, rows)
    utilities = run.problem.population.utilities(returns, served)
    welfare = jnp.asarray(welfare_of(run.worth, utilities), jnp.float32)
    start = Snapshot(welfare, mean, learner.networks, assignment)
    played = run.config.share_of(generalist.candidates.steps)
    state = dataclasses.replace(
        state,
        learner=learner,
        table=dataclasses.replace(state.table, mean=mean, seen=jnp.ones(num_policies, bool)),
        assignment=assignment,
        shortlist=state.shortlist.offer(start, state.update, spacing=0),
        validated=jnp.asarray(played, jnp.int32),
        ledger=open_ledger(run, assignment),
    )
    return jax.tree.map(jnp.copy, state)  # a step consumes its state: no array may be in it twice


def filled_up(indices: NumpyArray, num_policies: int) -> NumpyArray:
    """Return ``K`` candidates; the first of a smaller choice occur more than once."""
    return np.resize(indices, num_policies)


def best_for_users(problem: RMDP, returns: NumpyArray) -> NumpyArray:
    """Return the policy that earns each user most, [N], by returns in features [K, D]."""
    earned = problem.population.returns(returns)
    return np.argmax(earned, axis=0)


def _arrays(candidates: Candidates) -> dict[str, NumpyArray]:
    names = [one.name for one in dataclasses.fields(candidates)]
    return {name: np.asarray(getattr(candidates, name)) for name in names}


def _read(path: Any) -> Candidates:
    arrays, _ = read_tensors(path, "The file of candidates")
    steps, same_chance = int(arrays["steps"]), bool(arrays["same_chance"])
    return Candidates(**{**arrays, "steps": steps, "same_chance": same_chance})
