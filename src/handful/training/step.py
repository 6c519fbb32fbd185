"""One iteration of training, from a state to the next: collect, evaluate, reassign, improve."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.collect.archive import EpisodeArchive
from handful.collect.host_rollout import HostCollectorState, HostExperience, digest
from handful.collect.jax_rollout import CollectorState, collect
from handful.collect.returns import FinishedEpisodes
from handful.devices import in_full_precision
from handful.errors import HandfulError
from handful.learner.base import LearnerState, Objective
from handful.learner.imitation import imitate
from handful.methods import RememberedEpisodes
from handful.methods.base import split_trainable
from handful.methods.weights import likeliest_policies
from handful.training.fairness.optimism import Optimism
from handful.training.reassign import reassign
from handful.training.run import Run
from handful.training.starting.holding import finished_by_all, hold, of_players, spread
from handful.training.state import ReturnTable, Snapshot, TrainState
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int, Key


class StepMetrics(NamedTuple):
    """The metrics of one iteration.

    Attributes:
        welfare: the welfare of the moving-average returns under the assignment: a noisy, late
            estimate from training with sampled actions; evaluation is apart. It is discounted if
            the table is.
        best_welfare: the welfare of the best policies so far, from one batch of theirs; -inf before
            any.
        users: the weight of users on each policy.
        moved: the share of users whose policy the update changed.
        episodes: the number of episodes that each policy finished.
        learner: the learner's own metrics of its update, by name: numbers [], or one for each
            policy [K], which is NaN for frozen ones.
        lowest_observation, highest_observation: the smallest and largest value of each entry in the
            batch, in the environment's units.
        finite_features: whether each reward feature was finite throughout the batch.
        finite_policies: whether the losses of each policy were finite.
        defined_welfare: whether the welfare was finite, and every user's weight in it finite and
            not negative.
    """

    welfare: Float[Array, ""]
    best_welfare: Float[Array, ""]
    users: Float[Array, " K"]
    moved: Float[Array, ""]
    episodes: Int[Array, " K"]
    learner: dict[str, Array]
    lowest_observation: Float[Array, " O"]
    highest_observation: Float[Array, " O"]
    finite_features: Bool[Array, " D"]
    finite_policies: Bool[Array, " K"]
    defined_welfare: Bool[Array, ""]


@in_full_precision
def train_step(state: TrainState, run: Run) -> tuple[TrainState, StepMetrics]:
    """Collect with the policies as they are, then learn: one update of a run.

    The function is pure: the same state gives the same next state. Compile it with the run fixed,
    as ``jax.jit(functools.partial(handful.train_step, run=run))``.

    Args:
        state: the state, from :func:`handful.init_state` or from the update before.
        run: the run, from :func:`handful.prepare`. Its environment is written in JAX.

    Returns:
        The next state, and what the update says of itself.

    Raises:
        HandfulError: if the environment is stepped on the host.
    """
    if not isinstance(state.collector, CollectorState):
        raise HandfulError(
            "train_step is for environments that are written in JAX, and this one is stepped on "
            "the host: use handful.train, with callbacks to follow it."
        )
    problem, settings = run.learnt, run.config.collect
    # Collect: every policy that is not frozen acts in environments of its own.
    policies = state.policies(problem)
    experience = collect(
        state.collector, problem, policies, settings.num_steps, settings.short_episodes
    )
    return _learn(state, *experience, run)


@in_full_precision
def learn_step(
    state: TrainState,
    keys: Key[Array, " K"],
    batch: HostExperience,
    run: Run,
) -> tuple[TrainState, StepMetrics]:
    """Do the rest of :func:`train_step` with a batch that was collected on the host before."""
    assert isinstance(state.collector, HostCollectorState)
    experience = digest(state.collector, run.learnt, keys, batch)
    return _learn(state, *experience, run)


def _learn(
    state: TrainState,
    collector: CollectorState | HostCollectorState,
    transitions: Transitions,
    finished: FinishedEpisodes,
    run: Run,
) -> tuple[TrainState, StepMetrics]:
    problem, config, method = run.learnt, run.config, run.method
    finished = finished_by_all(run, finished)
    key, assignment_key, update_key = jax.random.split(state.key, 3)

    # Evaluate: the table of every user's return from every policy (equation 10).
    scaled = transitions.scale_features(1.0 / problem.return_scale)
    learner = run.learner.observe(state.learner, scaled)
    optimism = _optimism(state, scaled, run)
    table, latest = _evaluate(state, learner, finished, optimism, run)
    coefficients = jnp.asarray(problem.population.coefficients)

    # Remember: the whole episodes of the batch, if the method uses any.
    archive, episodes = _remember(state, transitions, coefficients, run)

    # Reassign: the E-step, or the method's own step in its place (equation 11).
    standing = reassign(assignment_key, run, state, table, latest, episodes)

    # Keep the policies if the batch shows them to be among the best so far. (Where batches are
    # collected ahead, it is of those from before the last update.) What is not known yet is not
    # worth nothing, which would be much if returns are negative.
    batch_welfare = standing.batch_welfare
    is_known = jnp.all(table.seen | ~standing.is_served)
    batch_welfare = jnp.where(
        is_known | (batch_welfare > run.welfare_of_nothing), batch_welfare, -jnp.inf
    )
    if optimism is not None:  # what is measured of it becomes the surer the later it is
        is_sure = optimism.is_known & (state.update >= run.planned_updates // 2)
        batch_welfare = jnp.where(is_sure, batch_welfare, -jnp.inf)
    moment = Snapshot(batch_welfare, latest, state.networks(run), standing.assignment)
    shortlist = state.shortlist.offer(moment, state.update, _spacing(run))

    # Improve: the M-step, one update of every policy for the users it serves.
    imitates = jnp.zeros((), bool)
    if method.memory is not None:
        planned = config.planned_updates  # what comes after learns, and imitates no more
        imitates = method.memory.imitates(state.update, planned) & (state.update < planned)
    parameters, rest = split_trainable(method, standing.assignment)
    improved = run.learner.improve(
        update_key,
        learner,
        scaled,
        Objective(
            lambda learnt: of_players(run, standing.mix_of(learnt)),
            parameters,
            0.0 if method.trainable is None else method.trainable.learning_rate,
        ),
        progress=run.schedule.progress(state.update),
        pace=jnp.where(imitates, 0.0, 1.0),
        problem=problem,
        mesh=run.mesh,
    )
    learner = hold(run, state.update, learner, improved.state)
    assignment = eqx.combine(improved.parameters, rest)
    if archive is not None and method.memory is not None:
        demonstrations = archive.demonstrations(method.memory.demonstrated(assignment))
        learner = jax.lax.cond(
            imitates,
            lambda: imitate(learner, *demonstrations, run.learner.learns_spread),
            lambda: learner,
        )

    before, after = (
        likeliest_policies(method.weights(held)) for held in (state.assignment, standing.assignment)
    )
    metrics = StepMetrics(
        welfare=standing.welfare,
        best_welfare=jnp.max(shortlist.snapshots.welfare),
        users=standing.users,
        moved=jnp.mean(after != before),
        episodes=finished.count,
        learner={
            name: spread(run, value, jnp.nan) if value.ndim else value
            for name, value in improved.metrics.items()
        },
        lowest_observation=jnp.min(transitions.observations, axis=(0, 1, 2)),
        highest_observation=jnp.max(transitions.observations, axis=(0, 1, 2)),
        finite_features=jnp.all(jnp.isfinite(transitions.features), axis=(0, 1, 2)),
        finite_policies=spread(run, improved.is_finite, True),
        defined_welfare=standing.defined_welfare,
    )
    new_state = TrainState(
        key,
        state.update + 1,
        learner,
        collector,
        table,
        assignment,
        state.by_validation,
        shortlist,
        state.validated,
        state.pool,
        archive,
        standing.ledger,
        state.start,
        standing.mirror,
        standing.prices,
        optimism,
    )
    return new_state, metrics


def _optimism(state: TrainState, batch: Transitions, run: Run) -> Optimism | None:
    """Return what a batch, on the learner's scale, adds to what is known of its optimism."""
    if state.optimism is None:
        return None
    excess = run.learner.optimism(state.learner, batch, run.learnt)
    return state.optimism.after(excess * run.learnt.return_scale)


def _evaluate(
    state: TrainState,
    learnt: LearnerState,
    finished: FinishedEpisodes,
    optimism: Optimism | None,
    run: Run,
) -> tuple[ReturnTable, Float[Array, "K D"]]:
    """Return the return table with a batch in it, and the returns of the batch alone.

    A learner may know more about its policies than their last episodes show. What it says may be
    corrected by how wrong it was before.
    """
    config = run.config
    if not run.learner.knows_returns:
        table = state.table.update(finished, config.return_mixing)
        return table, state.table.update(finished, 1.0).undiscounted
    scale, actor = run.learnt.return_scale, state.learner.actor
    seen = jnp.ones_like(state.table.seen)
    if optimism is not None:  # it is known of the learner as it was before this batch
        learnt = state.learner
    latest = run.learner.returns(learnt, actor, run.learnt, 1.0) * scale
    if optimism is not None:
        latest = latest - optimism.correction
    if not config.discounted_table:
        return ReturnTable(latest, seen), latest
    discounted = run.learner.returns(learnt, actor, run.learnt, run.learnt.discount) * scale
    return ReturnTable(discounted, seen, latest), latest


def _remember(
    state: TrainState,
    transitions: Transitions,
    coefficients: Float[Array, "N D"],
    run: Run,
) -> tuple[EpisodeArchive | None, RememberedEpisodes | None]:
    """Return the archive with a batch's best episodes, and the part that the method sees."""
    before, memory = state.archive, run.method.memory
    if before is None or memory is None:
        return None, None

    def seen(archive: EpisodeArchive) -> RememberedEpisodes:
        return RememberedEpisodes(archive.returns, archive.is_filled, archive.born, coefficients)

    archive = before.add(
        transitions,
        state.update,
        run.learnt.environment.time_limit,
        lambda returns: memory.worth(state.assignment, returns, seen(before)),
        protected=memory.protected(state.assignment),
    )
    return archive, seen(archive)


def _spacing(run: Run) -> int:
    """Return the updates between shortlisted moments: one episode, and a fiftieth of the run."""
    config = run.config
    episode = -(-run.learnt.environment.time_limit // config.collect.num_steps)
    return max(episode, config.num_updates // 50)
