"""Everything that changes during training, as one pytree: what a checkpoint holds."""

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.collect.host import HostCollectorState, init_host_collector
from handful.collect.scan import CollectorState, FinishedEpisodes, init_collector
from handful.environment import num_symbols
from handful.learner.policies import Policies
from handful.learner.update import LearnerState, Networks, init_learner
from handful.problem import RMDP
from handful.training.config import TrainConfig
from handful.types import Array, Bool, Float, Int, PRNGKey, PyTree


class ReturnTable(eqx.Module):
    """Moving averages of the policies' returns (equation 10), kept in features.

    A user's row of the paper's table follows by linearity: :math:`Q = C \\Phi^T`.

    Attributes:
        mean: Phi, undiscounted and in the environment's units.
        seen: whether a policy has finished an episode at all; its first mean is taken as it is.
    """

    mean: Float[Array, "K D"]
    seen: Bool[Array, " K"]

    @classmethod
    def empty(cls, num_policies: int, num_features: int) -> "ReturnTable":
        """Zeros, nothing seen."""
        return cls(jnp.zeros((num_policies, num_features)), jnp.zeros(num_policies, bool))

    def update(self, finished: FinishedEpisodes, mixing: float) -> "ReturnTable":
        """Mix in the mean return of the episodes that a batch finished, where it did any.

        A ``mixing`` of 1 takes the batch's mean alone.
        """
        any_finished = finished.count > 0
        batch_mean = finished.total_return / jnp.maximum(finished.count, 1)[:, None]
        weight = jnp.where(any_finished, jnp.where(self.seen, mixing, 1.0), 0.0)[:, None]
        return ReturnTable((1 - weight) * self.mean + weight * batch_mean, self.seen | any_finished)


class Snapshot(eqx.Module):
    """Policies and their assignment at one moment, and what they were worth then.

    Attributes:
        welfare: mean over users, from the episodes that the policies finished in one batch.
        returns: in features, from those episodes.
        networks: the policies' own parts of the learner.
        assignment: the assignment method's state.
    """

    welfare: Float[Array, ""]
    returns: Float[Array, "K D"]
    networks: Networks
    assignment: PyTree

    @classmethod
    def worthless(cls, learner: LearnerState, table: ReturnTable, assignment: PyTree) -> "Snapshot":
        """One that anything is better than, in memory of its own: a step consumes its state."""
        parts = jax.tree.map(jnp.copy, (table.mean, learner.networks, assignment))
        return cls(jnp.asarray(-jnp.inf), *parts)

    def better_of(self, other: "Snapshot") -> "Snapshot":
        """Whichever is worth more; this one if they are worth the same."""
        return jax.tree.map(lambda a, b: jnp.where(other.welfare > self.welfare, b, a), self, other)

    def policies(self, problem: RMDP) -> Policies:
        """The policies, ready to act."""
        actor, normalizer = self.networks.actor, self.networks.normalizer
        return Policies(actor, normalizer, problem.environment.action_space)


class Pool(eqx.Module):
    """Policies that a run had, to go on from: a snapshot a round.

    Attributes:
        count: rows that are filled, always the first ones.
        returns: in features, when they were kept.
        networks: their own parts of the learner.
    """

    count: Int[Array, ""]
    returns: Float[Array, "M D"]
    networks: Networks

    @classmethod
    def empty(cls, like: Snapshot, rounds: int) -> "Pool":
        """Room for the policies of so many snapshots."""
        returns, networks = jax.tree.map(
            lambda leaf: jnp.zeros((rounds * leaf.shape[0], *leaf.shape[1:]), leaf.dtype),
            (like.returns, like.networks),
        )
        return cls(jnp.zeros((), jnp.int32), returns, networks)

    def add(self, snapshot: Snapshot) -> "Pool":
        """Fill the next rows."""
        returns, networks = jax.tree.map(
            lambda rows, new: jax.lax.dynamic_update_slice_in_dim(rows, new, self.count, 0),
            (self.returns, self.networks),
            (snapshot.returns, snapshot.networks),
        )
        return Pool(self.count + snapshot.returns.shape[0], returns, networks)


class TrainState(eqx.Module):
    """The whole of a run.

    Attributes:
        key: of chance that belongs to no single policy.
        update: updates done.
        learner: networks, moments, observation statistics.
        collector: environments, with a key for each policy; of environments on the host, what is
            known of their running episodes.
        table: the return table.
        assignment: the assignment method's state.
        best: the best policies so far, by their training episodes; where a method intervenes, since
            it last did.
        pool: the best policies from before each intervention, of methods that go on from them.
    """

    key: PRNGKey
    update: Int[Array, ""]
    learner: LearnerState
    collector: CollectorState | HostCollectorState
    table: ReturnTable
    assignment: PyTree
    best: Snapshot
    pool: Pool | None

    def policies(self, problem: RMDP) -> Policies:
        """The policies as they are now."""
        return Policies(
            self.learner.actor, self.learner.normalizer, problem.environment.action_space
        )

    def chosen(self, config: TrainConfig) -> Snapshot:
        """What the run hands out: the best policies so far, or the latest."""
        latest = Snapshot(
            self.best.welfare, self.table.mean, self.learner.networks, self.assignment
        )
        return self.best if config.keep_best and jnp.isfinite(self.best.welfare) else latest


def init_state(problem: RMDP, config: TrainConfig) -> TrainState:
    """A run before its first update."""
    # Compiled as one program: op by op, the first state would take longer than the first update.
    key = jax.random.key(config.seed)
    return jax.jit(lambda key: _init_state(key, problem, config))(key)


def _init_state(key: PRNGKey, problem: RMDP, config: TrainConfig) -> TrainState:
    key, assignment_key, policies_key = jax.random.split(key, 3)
    method = config.make_method()
    assignment = method.init(assignment_key, problem.num_users, config.num_policies)
    parameters = method.parameters(assignment)
    learner, collector, table = init_policies(policies_key, problem, config, parameters)
    best = Snapshot.worthless(learner, table, assignment)
    rounds = len(method.interventions(config.num_updates, config.num_policies))
    pool = Pool.empty(best, rounds) if method.keeps_pool else None
    update = jnp.zeros((), jnp.int32)
    return TrainState(key, update, learner, collector, table, assignment, best, pool)


def init_policies(
    key: PRNGKey, problem: RMDP, config: TrainConfig, assignment_parameters: PyTree
) -> tuple[LearnerState, CollectorState | HostCollectorState, ReturnTable]:
    """Everything about the policies, fresh."""
    learner_key, collector_key = jax.random.split(key)
    learner = init_learner(
        learner_key,
        config.ppo,
        config.num_policies,
        problem.environment.observation_size,
        problem.environment.action_space,
        problem.num_features,
        assignment_parameters,
        num_symbols(problem.environment),
    )
    policy_keys = jax.random.split(collector_key, config.num_policies)
    start = init_host_collector if problem.runs_on_host else init_collector
    collector = start(policy_keys, problem, config.ppo.num_envs)
    return learner, collector, ReturnTable.empty(config.num_policies, problem.num_features)
