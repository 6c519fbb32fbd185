"""The choices at the end of a run: which policies are final, and who gets which of them.

First the policies are chosen among the moments that were shortlisted, then the assignment. Both are
chosen by what the policies are worth apart from the batches that they collected in training. A
learner that knows their returns without playing, as one that counts does, is asked for them, as a
hundred episodes would say less; so is the model of the problem that a run may have begun with.
Otherwise the policies play validation episodes, which have no part in training and none in the
evaluation.
"""

import dataclasses
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.episodes import make_player
from handful.evaluation.returns import EVALUATION_EPISODES
from handful.learner.base import LearnerState
from handful.learner.networks import Actor
from handful.learner.policies import Policies
from handful.methods.weights import likeliest_policies
from handful.training.assigning import choose_assignment
from handful.training.run import Run
from handful.training.state import Shortlist, Snapshot, TrainState
from handful.types import Array, NumpyArray, Watch, part, unwatched
from handful.welfare import welfare_of

VALIDATION_STREAM = 0x7A11D
"""A number that is folded into the run's key, so that neither training nor evaluation plays these
episodes."""

ASSIGNMENT_STREAM = 0xA5519
"""A number that is folded into the run's key for the episodes that the final assignment comes from,
which have no part in the choice of the policies either."""

UNFIT = -2
"""The mark of a user whose outside option is better than the policy, in the state of a run."""

HOST_EPISODES = 20
"""Validation episodes of each policy on the host, where stepping takes long. In JAX it is compiling
that takes long, so that as many are played there as in evaluation, by the same program."""


class Worth(NamedTuple):
    """What ``K`` policies are worth.

    Attributes:
        returns: [K, D] what an episode of each policy's likeliest actions earns in the mean, in
            features and the environment's units.
        episodes: [E, K, D] what each of an even number of episodes earns; where none were played,
            the returns twice.
        steps: how many transitions each policy played for it.
    """

    returns: NumpyArray
    episodes: NumpyArray
    steps: int


@runtime_checkable
class Appraiser(Protocol):
    """Finds out what policies are worth."""

    def __call__(self, policies: Policies, watch: Watch = unwatched) -> Worth:
        """Find out what ``K`` policies are worth.

        Args:
            policies: the policies.
            watch: is called with the share of the work that is done.
        """
        ...


@runtime_checkable
class Knowledge(Protocol):
    """What a run has learnt of its problem besides its policies, and can tell their worth by."""

    def worth(self, policies: Policies) -> Worth | None:
        """Return what policies are worth; None if it is not known of one of them."""
        ...


def make_appraiser(
    run: Run,
    state: TrainState,
    stream: int = VALIDATION_STREAM,
    knowledge: Knowledge | None = None,
) -> Appraiser:
    """Make what appraises ``K`` policies at a time, at one moment of a run.

    Args:
        run: the run.
        state: its state at this moment. All policies are appraised by the same episodes, or by the
            same knowledge of the learner.
        stream: a number for the chance in the episodes.
        knowledge: what else is known; episodes are played of policies that it knows too little of.
    """
    if run.learner.knows_returns:
        return _by_learner(run, state)
    by_episodes = make_player_of_run(run, state, stream)
    return by_episodes if knowledge is None else _by_knowledge(knowledge, by_episodes)


def _by_knowledge(knowledge: Knowledge, by_episodes: Appraiser) -> Appraiser:
    def appraise(policies: Policies, watch: Watch = unwatched) -> Worth:
        known = knowledge.worth(policies)
        return by_episodes(policies, watch) if known is None else known

    return appraise


def make_player_of_run(run: Run, state: TrainState, stream: int) -> Appraiser:
    """Make what appraises ``K`` policies by episodes, whatever the learner knows.

    Args:
        run, state, stream: the same as in :func:`make_appraiser`.
    """
    problem, config = run.problem, run.config
    num_episodes = HOST_EPISODES if problem.runs_on_host else EVALUATION_EPISODES
    play = make_player(problem, config.num_policies, num_episodes)
    key = jax.random.fold_in(jax.random.key(config.seed), stream)
    key = jax.random.fold_in(key, state.update)

    def by_episodes(policies: Policies, watch: Watch = unwatched) -> Worth:
        episodes = play(key, policies, True, watch)
        steps = int(np.sum(episodes.lengths)) // config.num_policies
        returns = np.asarray(episodes.returns)
        return Worth(np.mean(returns, axis=0), returns, steps)

    return by_episodes


def _by_learner(run: Run, state: TrainState) -> Appraiser:
    @jax.jit
    def returns(state: LearnerState, actor: Actor) -> Array:
        return run.learner.returns(state, actor, run.learnt, 1.0)

    def by_learner(policies: Policies, watch: Watch = unwatched) -> Worth:
        found = np.asarray(returns(state.learner, policies.actor)) * run.learnt.return_scale
        if state.optimism is not None:
            found = found - np.asarray(state.optimism.correction)
        watch(1.0)
        return Worth(found, np.stack([found, found]), 0)

    return by_learner


def validate(
    run: Run,
    state: TrainState,
    watch: Watch = unwatched,
    knowledge: Knowledge | None = None,
) -> TrainState:
    """Appraise every shortlisted moment and the present one, to know the welfare of each.

    All of them are appraised by the same episodes or counts, with their likeliest actions, and with
    the assignment that would be final with them: the one that validation speaks for, or the one
    that they had.

    Args:
        run: the run.
        state: its state. The present policies take the place of the least of its shortlist.
        watch: is called with the share of the work that is done.
        knowledge: what else is known of the problem (:func:`make_appraiser`).

    Returns:
        The state with a validated shortlist.
    """
    shortlist = _with_present(state, run)
    is_known = state.optimism is not None
    appraise = make_appraiser(run, state, knowledge=knowledge)
    rows, steps = [], 0
    moments = len(shortlist.updates)
    for row in range(moments):
        snapshot = shortlist[row]
        # A short run does not fill the list. What is known of the learner's optimism is of the
        # present policies: those before were corrected by what was known of them then.
        if jnp.isposinf(snapshot.welfare) if is_known else not jnp.isneginf(snapshot.welfare):
            snapshot, played = _validated(run, appraise, snapshot, part(watch, row, moments))
            steps += played
        rows.append(snapshot)
    return dataclasses.replace(
        state,
        shortlist=Shortlist(_stacked(rows), shortlist.updates, jnp.ones((), bool)),
        validated=state.validated + steps,
    )


def _validated(
    run: Run, appraise: Appraiser, snapshot: Snapshot, watch: Watch
) -> tuple[Snapshot, int]:
    """Return a moment with its worth by validation, and the transitions that it took a policy."""
    problem = run.problem
    worth = appraise(snapshot.policies(problem), watch)
    served = np.asarray(likeliest_policies(run.method.weights(snapshot.assignment)))
    if run.assigns_by_validation:
        welfare = choose_assignment(problem.population, worth.episodes, served, run.worth).held_out
    else:
        utilities = problem.population.utilities(worth.returns, served)
        welfare = welfare_of(run.worth, utilities)
    snapshot = dataclasses.replace(
        snapshot,
        welfare=jnp.asarray(welfare, jnp.float32),
        returns=jnp.asarray(worth.returns),
    )
    return snapshot, worth.steps


def keep_start(
    run: Run,
    state: TrainState,
    watch: Watch = unwatched,
    knowledge: Knowledge | None = None,
) -> TrainState:
    """Put the policies that a run started from before all moments, if none was worth more.

    They are validated by the episodes, or by the knowledge, by which :func:`validate` did the rest.

    Args:
        run: the run.
        state: its state, with a validated shortlist.
        watch: is called with the share of the work that is done.
        knowledge: the same as in :func:`validate`.

    Returns:
        The state, whose best moment is worth at least what the start is.
    """
    if state.start is None:
        return state
    start, steps = _validated(
        run, make_appraiser(run, state, knowledge=knowledge), state.start, watch
    )
    shortlist = state.shortlist
    if start.welfare > shortlist.best.welfare:
        shortlist = shortlist.offer(start, state.update, spacing=0)
    return dataclasses.replace(
        state, shortlist=shortlist, start=start, validated=state.validated + steps
    )


MOST_TURNS = 5
"""How many times episodes are played for the final assignment, at most."""

MOST_OF_RUN = 0.02
"""The share of a run's transitions that these episodes may take after the first time."""


def assign(
    run: Run,
    state: TrainState,
    watch: Watch = unwatched,
    knowledge: Knowledge | None = None,
) -> TrainState:
    """Choose who gets which of the final policies.

    Episodes are added until the choice is settled, or has taken its share of the run
    (:data:`MOST_OF_RUN`).

    Args:
        run: the run.
        state: its state, with a validated shortlist.
        watch: is called with the share of the work that is done.
        knowledge: what else is known of the problem (:func:`make_appraiser`).

    Returns:
        The state with the assignment in it: :data:`UNFIT` for a user to whom these episodes say
        that the outside option is worth more than the best policy.
    """
    problem, config, method = run.problem, run.config, run.method
    chosen = state.chosen(run)
    policies = chosen.policies(problem)
    current = np.asarray(likeliest_policies(method.weights(chosen.assignment)))
    most = MOST_OF_RUN * int(state.update) * config.collect.batch_size
    policy, steps, played = current, 0, []
    options = run.claims.options
    for turn in range(MOST_TURNS if config.num_policies > 1 or options is not None else 0):
        appraise = make_appraiser(run, state, ASSIGNMENT_STREAM + turn, knowledge)
        worth = appraise(policies, part(watch, turn, MOST_TURNS))
        played.append(worth.episodes)
        steps += worth.steps
        choice = choose_assignment(problem.population, np.concatenate(played), current, run.worth)
        policy = choice.policy
        if choice.is_settled or worth.steps == 0 or steps + worth.steps > most:
            break
    watch(1.0)
    if options is not None:
        measured = np.concatenate(played).mean(axis=0)
        earned = problem.population.utilities(measured, policy)
        policy = np.where(earned < options, UNFIT, policy)
    return dataclasses.replace(
        state,
        by_validation=jnp.asarray(policy, jnp.int32),
        validated=state.validated + steps,
    )


# One program each: operation by operation they take a second of compiling.


@partial(jax.jit, static_argnums=1)
def _with_present(state: TrainState, run: Run) -> Shortlist:
    return state.shortlist.offer(state.present(run, jnp.inf), state.update, spacing=0)


@jax.jit
def _stacked(rows: list[Snapshot]) -> Snapshot:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
