"""What happens between two updates: a method decides on the host where the policies go on from."""

import jax
import jax.numpy as jnp
import numpy as np

from handful.assignment import FRESH, Scene
from handful.collect.episodes import make_player
from handful.learner.update import LearnerState
from handful.problem import RMDP
from handful.training.config import TrainConfig
from handful.training.snapshots import Pool, Shortlist
from handful.training.state import ReturnTable, TrainState, init_policies
from handful.training.validation import validate
from handful.types import NumpyArray


def intervene(problem: RMDP, config: TrainConfig, state: TrainState) -> TrainState:
    """Let the method decide; every episode, optimiser and running mean then starts anew."""
    key, episodes_key, method_key, restart_key = jax.random.split(state.key, 4)
    method = config.make_method()
    pool = state.pool
    if pool is not None:
        state = validate(problem, config, state)
        pool = pool.add(state.shortlist.best)

    def trajectories(policy: int, num_episodes: int) -> NumpyArray:
        policies = state.policies(problem).take(jnp.array([policy]))
        play = make_player(problem, 1, num_episodes, trace=True)
        features = play(episodes_key, policies, False).features
        steps = np.asarray(features).reshape(-1, problem.num_features)
        return problem.population.returns(steps).T

    update = int(state.update)
    is_last = update == method.interventions(config.num_updates, config.num_policies)[-1]
    scene = Scene(update, trajectories, _returns(problem, pool), is_last)
    decision = method.intervene(method_key, state.assignment, scene)
    # Copies: a step consumes its state, and no two parts of that may be one array.
    assignment = jax.tree.map(jnp.copy, decision.state)
    parameters = method.parameters(assignment)
    learner, collector, table = init_policies(restart_key, problem, config, parameters)
    if pool is not None:
        learner, table = _placed(pool, learner, table, decision.sources)
    shortlist = jax.tree.map(jnp.copy, Shortlist.empty(table.mean, learner.networks, assignment))
    return TrainState(
        key,
        state.update,
        learner,
        collector,
        table,
        assignment,
        shortlist,
        state.validated,
        pool,
    )


def _returns(problem: RMDP, pool: Pool | None) -> NumpyArray:
    """Every user's return from every pooled policy, [M, N]."""
    if pool is None:
        return np.zeros((0, problem.num_users))
    return problem.population.returns(np.asarray(pool.returns)[: int(pool.count)])


def _placed(
    pool: Pool, learner: LearnerState, table: ReturnTable, sources: NumpyArray
) -> tuple[LearnerState, ReturnTable]:
    """Fresh policies, replaced by pooled ones where the sources say so."""
    is_pooled = jnp.asarray(sources != FRESH)
    rows = jnp.asarray(np.maximum(sources, 0))
    networks = pool.networks.take(rows)

    def pick(old: jax.Array, fresh: jax.Array) -> jax.Array:
        return jnp.where(is_pooled.reshape(-1, *[1] * (fresh.ndim - 1)), old, fresh)

    networks = jax.tree.map(pick, networks, learner.networks)
    learner = LearnerState(
        networks.actor,
        networks.critic,
        learner.actor_moments,
        learner.critic_moments,
        networks.normalizer,
    )
    return learner, ReturnTable(pick(pool.returns[rows], table.mean), is_pooled | table.seen)
