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
from handful.learner.counting import Model, count, improve, returns_of
from handful.learner.imitation import imitate
from handful.learner.ppo import LearnerState, Rates, UpdateMetrics, update
from handful.methods import RememberedEpisodes
from handful.methods.base import split_trainable
from handful.methods.ledger import BlockwiseMethod
from handful.methods.weights import likeliest_policies
from handful.training.run import Run
from handful.training.standing import Standing, reassign_all, reassign_some
from handful.training.state import ReturnTable, Snapshot, TrainState
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int, Key, PRNGKey, PyTree


class StepMetrics(NamedTuple):
    """What one iteration says of itself.

    Attributes:
        welfare: of the moving-average returns under the assignment: a noisy, late estimate from
            training with sampled actions; evaluation is apart. Discounted where the table is.
        best_welfare: of the best policies so far, from one batch of theirs; -inf before any.
        users: weight of users on each policy.
        moved: the share of users whose policy the update changed.
        episodes: finished by each policy.
        learning_rate, entropy_coefficient: as used.
        learner: entropies, losses and the like.
        lowest_observation, highest_observation: each entry's smallest and largest value in the
            batch, in the environment's units.
        finite_features: whether each reward feature was a finite number throughout the batch.
        finite_policies: whether each policy's losses were.
    """

    welfare: Float[Array, ""]
    best_welfare: Float[Array, ""]
    users: Float[Array, " K"]
    moved: Float[Array, ""]
    episodes: Int[Array, " K"]
    learning_rate: Float[Array, ""]
    entropy_coefficient: Float[Array, ""]
    learner: UpdateMetrics
    lowest_observation: Float[Array, " O"]
    highest_observation: Float[Array, " O"]
    finite_features: Bool[Array, " D"]
    finite_policies: Bool[Array, " K"]


@in_full_precision
def train_step(state: TrainState, run: Run) -> tuple[TrainState, StepMetrics]:
    """Collect with the policies as they are, then learn: the same state, the same next state."""
    assert isinstance(state.collector, CollectorState)
    problem, ppo = run.learnt, run.config.ppo
    # Collect: every policy acts in environments of its own.
    experience = collect(
        state.collector, problem, state.policies(problem), ppo.num_steps, ppo.short_episodes
    )
    return _learn(state, *experience, run)


@in_full_precision
def learn_step(
    state: TrainState,
    keys: Key[Array, " K"],
    batch: HostExperience,
    run: Run,
) -> tuple[TrainState, StepMetrics]:
    """:func:`train_step` where the batch was collected on the host before."""
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
    key, assignment_key, update_key = jax.random.split(state.key, 3)

    # Evaluate: the table of who would get what from whom (equation 10).
    scaled = transitions.scale_features(1.0 / problem.return_scale)
    learner, model = count(state.learner, scaled, problem.environment.time_limit, problem.discount)
    table, latest = _evaluate(state, finished, model, run)
    coefficients = jnp.asarray(problem.population.coefficients)

    # Remember: the whole episodes of the batch, where the method wants any.
    archive, episodes = _remember(state, transitions, coefficients, run)

    # Reassign: the E-step, or whatever the method does instead (equation 11).
    if state.ledger is None:
        standing = reassign_all(
            assignment_key,
            method,
            state.assignment,
            coefficients,
            table,
            latest,
            state.update,
            config.num_updates,
            episodes,
        )
    else:
        assert isinstance(method, BlockwiseMethod)
        standing = reassign_some(
            method,
            state.assignment,
            state.ledger,
            coefficients,
            table,
            latest,
            state.update,
            config.num_updates,
        )

    # Keep the policies if the batch shows them to be among the best so far. (Where batches are
    # collected ahead, it is of those from before the last update.) What is not known yet is not
    # worth nothing, which would be much where returns are negative.
    batch_welfare = standing.batch_welfare
    is_known = jnp.all(table.seen | ~standing.is_served)
    batch_welfare = jnp.where(is_known | (batch_welfare > 0), batch_welfare, -jnp.inf)
    seen = Snapshot(batch_welfare, latest, state.learner.networks, standing.assignment)
    shortlist = state.shortlist.offer(seen, state.update, _spacing(run))

    # Improve: the M-step, one update of every policy for the users it serves.
    rates = _rates(state.update, run)
    learner, assignment, learner_metrics = _improve(
        update_key, learner, standing, scaled, model, rates, run
    )
    if archive is not None and method.memory is not None:
        demonstrations = archive.demonstrations(method.memory.demonstrated(assignment))
        learner = jax.lax.cond(
            method.memory.imitates(state.update, config.num_updates),
            lambda: imitate(learner, *demonstrations, config.ppo.learnable_log_std),
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
        learning_rate=rates.learning_rate,
        entropy_coefficient=rates.entropy_coefficient,
        learner=learner_metrics,
        lowest_observation=jnp.min(transitions.observations, axis=(0, 1, 2)),
        highest_observation=jnp.max(transitions.observations, axis=(0, 1, 2)),
        finite_features=jnp.all(jnp.isfinite(transitions.features), axis=(0, 1, 2)),
        finite_policies=jnp.isfinite(learner_metrics.critic_loss)
        & jnp.isfinite(learner_metrics.actor.entropy),
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
    )
    return new_state, metrics


def _evaluate(
    state: TrainState,
    finished: FinishedEpisodes,
    model: Model | None,
    run: Run,
) -> tuple[ReturnTable, Float[Array, "K D"]]:
    """The return table with a batch in it, and what the batch alone says of its policies.

    A learner that counts knows more of its policies than their last episodes say.
    """
    config = run.config
    if model is None:
        table = state.table.update(finished, config.return_mixing)
        return table, state.table.update(finished, 1.0).undiscounted
    scale, actor = run.learnt.return_scale, state.learner.actor
    seen = jnp.ones_like(state.table.seen)
    latest = returns_of(model, actor) * scale
    if not config.discounted_table:
        return ReturnTable(latest, seen), latest
    discounted = returns_of(model, actor, model.discount) * scale
    return ReturnTable(discounted, seen, latest), latest


def _improve(
    key: PRNGKey,
    learner: LearnerState,
    standing: Standing,
    scaled: Transitions,
    model: Model | None,
    rates: Rates,
    run: Run,
) -> tuple[LearnerState, PyTree, UpdateMetrics]:
    """The learner after an update, by gradients or by counts, and the method's state with it."""
    problem, config = run.learnt, run.config
    assignment = standing.assignment
    parameters, rest = split_trainable(run.method, assignment)
    if model is not None:
        mix = standing.mix_fn(parameters) / jnp.maximum(standing.trained, 1e-6)[:, None]
        learner, metrics = improve(learner, model, scaled, mix, rates, config.ppo)
        return learner, assignment, metrics
    learner, parameters, metrics = update(
        key,
        learner,
        scaled,
        parameters,
        standing.mix_fn,
        rates,
        config.ppo,
        problem.discount,
        run.mesh,
    )
    return learner, eqx.combine(parameters, rest), metrics


def _remember(
    state: TrainState,
    transitions: Transitions,
    coefficients: Float[Array, "N D"],
    run: Run,
) -> tuple[EpisodeArchive | None, RememberedEpisodes | None]:
    """The archive with what is worth keeping of a batch, and what the method sees of it."""
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
    """Updates between shortlisted moments: an episode's length, and a fiftieth of the run."""
    config = run.config
    episode = -(-run.learnt.environment.time_limit // config.ppo.num_steps)
    return max(episode, config.num_updates // 50)


def _rates(update: Int[Array, ""], run: Run) -> Rates:
    """Give each rate between its first value and its last, as far as the schedule has come."""
    config, method = run.config, run.method
    progress = run.schedule.progress(update)
    ppo = config.ppo
    learning_rate = ppo.learning_rate + progress * (ppo.final_learning_rate - ppo.learning_rate)
    if method.memory is not None:
        imitates = method.memory.imitates(update, config.num_updates)
        learning_rate = jnp.where(imitates, 0.0, learning_rate)
    return Rates(
        learning_rate=learning_rate,
        entropy_coefficient=ppo.entropy_coefficient
        + progress * (ppo.final_entropy_coefficient - ppo.entropy_coefficient),
        assignment_learning_rate=0.0
        if method.trainable is None
        else method.trainable.learning_rate,
    )
