"""The state of training as one pytree, which a checkpoint holds."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.collect.archive import EpisodeArchive
from handful.collect.host_rollout import HostCollectorState, init_host_collector
from handful.collect.jax_rollout import CollectorState, init_collector
from handful.collect.returns import FinishedEpisodes
from handful.learner.base import LearnerState, Networks
from handful.learner.policies import Policies, reader_of
from handful.methods.base import split_trainable
from handful.methods.ledger import BLOCK, BlockwiseMethod, Ledger
from handful.methods.weights import handed_out, likeliest_policies
from handful.problem import RMDP
from handful.training.fairness.mirror import MirrorState
from handful.training.fairness.optimism import Optimism, first_optimism
from handful.training.fairness.pressure import Prices
from handful.training.fairness.weighing import begin_prices, first_weights
from handful.training.run import Run
from handful.training.starting.holding import in_all_places, of_players, with_frozen
from handful.types import Array, Bool, Float, Int, PRNGKey, PyTree

NOBODY = -1
"""The policy of a user whose outside option is better than all policies."""

SHORTLIST_LENGTH = 4
"""The number of moments that a run keeps to choose from when it ends."""


class Snapshot(eqx.Module):
    """The policies and their assignment at one moment, and their worth then.

    Attributes:
        welfare: the welfare from the episodes that the policies finished in one batch, or from
            validation.
        returns: the returns from those episodes, in features.
        networks: the policies' own parts of the learner.
        assignment: the assignment method's state.
    """

    welfare: Float[Array, ""]
    returns: Float[Array, "K D"]
    networks: Networks
    assignment: PyTree

    def policies(self, problem: RMDP) -> Policies:
        """Return the policies, ready to act without the randomness of exploration."""
        actor, normalizer = self.networks.actor.without_random_actions(), self.networks.normalizer
        reader = reader_of(problem.environment)
        return Policies(actor, normalizer, problem.environment.action_space, reader)


class Shortlist(eqx.Module):
    """The most promising moments of a run, with a distance between them.

    A batch is a noisy measure of its policies. If episodes are longer than batches, earlier
    policies began them, and the luckiest of a thousand batches looks better than it is. So several
    moments are kept, and when the run ends each of them plays validation episodes
    (:mod:`handful.training.choosing`).

    Attributes:
        snapshots: the snapshots, with a leading axis [M]; the worth is -inf for an empty row.
        updates: the update at which each snapshot was taken, [M].
        is_validated: whether the welfare is from validation.
    """

    snapshots: Snapshot
    updates: Int[Array, " M"]
    is_validated: Bool[Array, ""]

    @classmethod
    def empty(cls, returns: Array, networks: Networks, assignment: PyTree) -> "Shortlist":
        """Return a shortlist with room for snapshots of this shape."""
        like = Snapshot(jnp.asarray(-jnp.inf), returns, networks, assignment)
        rows = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], SHORTLIST_LENGTH, axis=0), like)
        # The updates lie far enough before the first one, in an order that fills every row.
        return cls(rows, jnp.full(SHORTLIST_LENGTH, -(2**30)), jnp.zeros((), bool))

    @property
    def best(self) -> Snapshot:
        """The snapshot that is worth most; of several, the first."""
        return self[jnp.argmax(self.snapshots.welfare)]

    @property
    def is_empty(self) -> Bool[Array, ""]:
        """Whether no snapshot has a worth yet."""
        return jnp.all(jnp.isneginf(self.snapshots.welfare))

    def __getitem__(self, row: int | Array) -> Snapshot:
        return _row(self.snapshots, row)

    def offer(self, snapshot: Snapshot, update: Int[Array, ""], spacing: int) -> "Shortlist":
        """Return the shortlist with a snapshot, if it is worth more than the one in its place.

        That is the latest one if it is less than ``spacing`` updates old, and otherwise the one
        that is worth least.
        """
        snapshots, updates = _offered(self.snapshots, self.updates, snapshot, update, spacing)
        return Shortlist(snapshots, updates, self.is_validated)


# These two are programs: array by array, a run's first use of each would take seconds of compiling.


@jax.jit
def _offered(
    snapshots: Snapshot,
    updates: Int[Array, " M"],
    snapshot: Snapshot,
    update: Int[Array, ""],
    spacing: int | Int[Array, ""],
) -> tuple[Snapshot, Int[Array, " M"]]:
    """Return the rows and their updates with a snapshot; see :meth:`Shortlist.offer`."""
    latest = jnp.argmax(updates)
    is_close = update - updates[latest] < spacing
    row = jnp.where(is_close, latest, jnp.argmin(snapshots.welfare))
    is_better = snapshot.welfare > snapshots.welfare[row]  # never if it is NaN
    return jax.tree.map(
        lambda rows, new: rows.at[row].set(jnp.where(is_better, new, rows[row])),
        (snapshots, updates),
        (snapshot, update),
    )


@jax.jit
def _row(snapshots: Snapshot, row: int | Array) -> Snapshot:
    """Return one row of every array."""
    return jax.tree.map(lambda leaf: leaf[row], snapshots)


class Pooled(NamedTuple):
    """Some policies of a pool, with the attributes of :class:`Pool`."""

    returns: Float[Array, "K D"]
    mixes: Float[Array, "K D"]
    networks: Networks


class Pool(eqx.Module):
    """The policies that a run had, to continue from and to choose from at the end.

    Attributes:
        count: the number of filled rows, which are always the first ones.
        returns: the returns from validation, in features.
        mixes: the worth of each feature to the mean user that each policy was trained for.
        networks: the policies' own parts of the learner.
    """

    count: Int[Array, ""]
    returns: Float[Array, "M D"]
    mixes: Float[Array, "M D"]
    networks: Networks

    @classmethod
    def empty(cls, like: Snapshot, shortlists: int) -> "Pool":
        """Return a pool with room for the policies of so many shortlists."""
        rows = shortlists * SHORTLIST_LENGTH * like.returns.shape[0]
        returns, networks = jax.tree.map(
            lambda leaf: jnp.zeros((rows, *leaf.shape[1:]), leaf.dtype),
            (like.returns, like.networks),
        )
        return cls(jnp.zeros((), jnp.int32), returns, jnp.zeros_like(returns), networks)

    def add(self, policies: Pooled) -> "Pool":
        """Return the pool with these policies in its next rows."""
        filled = jax.tree.map(
            lambda rows, new: jax.lax.dynamic_update_slice_in_dim(rows, new, self.count, 0),
            Pooled(self.returns, self.mixes, self.networks),
            policies,
        )
        return Pool(self.count + len(policies.returns), *filled)

    def map(self, change: Callable[[Pooled], Pooled], at_once: int) -> "Pool":
        """Return the pool with its policies changed, some at a time: a divisor of their number."""
        pool = dataclasses.replace(self, count=jnp.zeros_like(self.count))
        for rows in jnp.arange(int(self.count)).reshape(-1, at_once):
            old = Pooled(self.returns[rows], self.mixes[rows], self.networks.take(rows))
            pool = pool.add(change(old))
        return pool

    def add_all(
        self, shortlist: Shortlist, mixes_of: Callable[[Snapshot], Float[Array, "K D"]]
    ) -> "Pool":
        """Return the pool with the policies of every validated moment of a shortlist.

        Args:
            shortlist: the shortlist with the moments.
            mixes_of: a function from a moment to the weights of the mean user of each policy.
        """
        pool = self
        for row in range(len(shortlist.updates)):
            moment = shortlist[row]
            if jnp.isfinite(moment.welfare):
                mixes = mixes_of(moment)
                pool = pool.add(Pooled(moment.returns, mixes, moment.networks))
        return pool


class ReturnTable(eqx.Module):
    """Moving averages of the policies' returns (equation 10), kept in features.

    A user's row of the paper's table follows by linearity: :math:`Q = C \\Phi^T`.

    Attributes:
        mean: the matrix Phi, in the environment's units; undiscounted unless the run asks for a
            discount.
        seen: whether each policy has finished an episode; its first mean is taken without mixing.
        plain: the undiscounted mean beside a discounted one, by which moments of a run are
            compared.
    """

    mean: Float[Array, "K D"]
    seen: Bool[Array, " K"]
    plain: Float[Array, "K D"] | None = None

    @classmethod
    def empty(cls, num_policies: int, num_features: int, discounted: bool = False) -> "ReturnTable":
        """Return a table of zeros, in which no policy has finished an episode."""
        zeros = jnp.zeros((num_policies, num_features))
        seen = jnp.zeros(num_policies, bool)
        return cls(zeros, seen, jnp.zeros_like(zeros) if discounted else None)

    @property
    def undiscounted(self) -> Float[Array, "K D"]:
        """The means without discount, whether or not the table's own means have one."""
        return self.mean if self.plain is None else self.plain

    def update(self, finished: FinishedEpisodes, mixing: float) -> "ReturnTable":
        """Return the table with the mean return of the episodes that a batch finished, if any.

        A ``mixing`` of 1 takes the batch's mean alone.
        """
        any_finished = finished.count > 0
        weight = jnp.where(any_finished, jnp.where(self.seen, mixing, 1.0), 0.0)[:, None]

        def mixed(mean: Array, total: Array) -> Array:
            batch_mean = total / jnp.maximum(finished.count, 1)[:, None]
            return (1 - weight) * mean + weight * batch_mean

        seen = self.seen | any_finished
        if self.plain is None:
            return ReturnTable(mixed(self.mean, finished.total_return), seen)
        assert finished.discounted_return is not None
        return ReturnTable(
            mixed(self.mean, finished.discounted_return),
            seen,
            mixed(self.plain, finished.total_return),
        )


class TrainState(eqx.Module):
    """The whole state of a run.

    Attributes:
        key: the random key for everything that belongs to no single policy.
        update: the number of updates done.
        learner: the networks, the observation statistics, and further data of the learner, of the
            policies that play: all but the frozen ones.
        collector: the environments, with a key for each policy that plays; for environments on the
            host, the data of their running episodes.
        table: the return table.
        assignment: the assignment method's state.
        by_validation: the policy of each user by validation; -1 before validation has assigned any,
            and -2 for a user whose outside option is better than all policies.
        shortlist: the best moments so far, by their training episodes; if a method intervenes, the
            best ones since its last intervention.
        validated: the transitions for each policy that validation has played.
        pool: the shortlisted policies from before each intervention, for methods that continue from
            them.
        archive: the remembered episodes, for methods that remember any.
        ledger: the sums over the users of each policy, if the users are many.
        start: the policies that the run started from, if it did: its result is never worse, by
            validation.
        mirror: the users' weights, if they follow the welfare's gradient slowly.
        prices: the prices of floors, if the users have any.
        optimism: how much less the policies earn than the learner says, in runs with floors whose
            learner knows returns without playing.
    """

    key: PRNGKey
    update: Int[Array, ""]
    learner: LearnerState
    collector: CollectorState | HostCollectorState
    table: ReturnTable
    assignment: PyTree
    by_validation: Int[Array, " N"]
    shortlist: Shortlist
    validated: Int[Array, ""]
    pool: Pool | None
    archive: EpisodeArchive | None
    ledger: Ledger | None = None
    start: Snapshot | None = None
    mirror: MirrorState | None = None
    prices: Prices | None = None
    optimism: Optimism | None = None

    def policies(self, problem: RMDP) -> Policies:
        """Return the policies that play in training, as they are now."""
        return Policies(
            self.learner.actor, self.learner.normalizer, problem.environment.action_space
        )

    def networks(self, run: Run) -> Networks:
        """Return all ``K`` policies' own parts of the learner, as they are now."""
        if self.start is None:
            return self.learner.networks
        return with_frozen(run, self.learner.networks, self.start.networks)

    def present(self, run: Run, welfare: float) -> Snapshot:
        """Return the policies as they are now, with ``welfare`` as their worth."""
        return Snapshot(jnp.asarray(welfare), self.table.mean, self.networks(run), self.assignment)

    def chosen(self, run: Run) -> Snapshot:
        """Return the final policies: the best so far, or the latest."""
        if run.config.keep_best and not self.shortlist.is_empty:
            return self.shortlist.best
        return self.present(run, jnp.nan)

    @property
    def is_assigned(self) -> Bool[Array, ""]:
        """Whether validation has assigned the users."""
        return self.by_validation[0] != -1

    def handed_out(self, run: Run) -> Int[Array, " N"] | Float[Array, "N K"]:
        """Return each user's policy among the final ones, or the users' shares of them.

        It is -1 for a user whom no policy fits.
        """
        if run.assigns_by_validation and self.is_assigned:
            return jnp.maximum(self.by_validation, NOBODY)
        return handed_out(run.method.weights(self.chosen(run).assignment), run.num_policies)

    def assigned(self, run: Run) -> Int[Array, " N"]:
        """Return each user's policy among the final ones."""
        if run.assigns_by_validation and self.is_assigned:
            return jnp.maximum(self.by_validation, NOBODY)
        return likeliest_policies(run.method.weights(self.chosen(run).assignment))


def init_state(run: Run, key: PRNGKey | None = None) -> TrainState:
    """Return the state of a run before its first update.

    Args:
        run: the run, from :func:`handful.prepare`.
        key: the key of everything random in the run; by default it is made of the run's seed. With
            a key of each seed the function can be mapped over seeds (``jax.vmap``).

    Returns:
        The state, a tree of arrays.
    """
    # This is one program: op by op, the first state would take longer than the first update.
    key = jax.random.key(run.config.seed) if key is None else key
    return jax.jit(lambda key: _init_state(key, run))(key)


def _init_state(key: PRNGKey, run: Run) -> TrainState:
    key, assignment_key, policies_key = jax.random.split(key, 3)
    problem, config, method = run.learnt, run.config, run.method
    assignment = method.init(assignment_key, problem.num_users, config.num_policies)
    parameters, _ = split_trainable(method, assignment)
    learner, collector, table = init_policies(policies_key, run, parameters)
    networks = in_all_places(run, learner.networks)
    shortlist = Shortlist.empty(table.mean, networks, assignment)
    shortlists = 1 + len(run.schedule.interventions) + len(config.continued)
    pool = Pool.empty(shortlist.best, shortlists) if method.info.keeps_pool else None
    archive = None
    if method.memory is not None:
        collect = config.collect
        archive = EpisodeArchive.empty(
            problem, config.num_policies, collect.num_envs, collect.num_steps, method.memory.size
        )
    return TrainState(
        key=key,
        update=jnp.zeros((), jnp.int32),
        learner=learner,
        collector=collector,
        table=table,
        assignment=assignment,
        by_validation=jnp.full(problem.num_users, -1, jnp.int32),
        shortlist=shortlist,
        validated=jnp.zeros((), jnp.int32),
        pool=pool,
        archive=archive,
        ledger=open_ledger(run, assignment),
        start=shortlist.best if run.keeps_start else None,
        mirror=first_weights(run),
        prices=begin_prices(run),
        optimism=first_optimism(run),
    )


def open_ledger(run: Run, assignment: PyTree) -> Ledger | None:
    """Add up an assignment, if the users are many and the method assigns them by blocks.

    Returns:
        The sums; None for few users, and for methods that look at all users at once.
    """
    coefficients, method = run.problem.population.coefficients, run.method
    if len(coefficients) <= BLOCK or not isinstance(method, BlockwiseMethod):
        return None
    return Ledger.of(method.weights(assignment), jnp.asarray(coefficients), run.num_policies)


def init_policies(
    key: PRNGKey, run: Run, assignment_parameters: PyTree
) -> tuple[LearnerState, CollectorState | HostCollectorState, ReturnTable]:
    """Return new policies that play, with everything that belongs to them, and an empty table."""
    problem, config = run.learnt, run.config
    learner_key, collector_key = jax.random.split(key)
    number = len(config.players)
    learner = run.learner.init(learner_key, problem, number, assignment_parameters)
    policy_keys = of_players(run, jax.random.split(collector_key, config.num_policies))
    num_envs, discounted = config.collect.num_envs, config.discounted_table
    collector: CollectorState | HostCollectorState
    if problem.runs_on_host:
        collector = init_host_collector(policy_keys, problem, num_envs, discounted)
    else:
        collector = init_collector(
            policy_keys, problem, num_envs, discounted, config.collect.short_episodes
        )
        learner = run.learner.begin(learner, collector.observations)
    return (
        learner,
        collector,
        ReturnTable.empty(config.num_policies, problem.num_features, discounted),
    )
