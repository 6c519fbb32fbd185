"""A method's decisions on the host: from where the policies continue, and which are final."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.episodes import make_player
from handful.errors import HandfulError
from handful.learner.base import LearnerState, Networks
from handful.learner.networks import Actor
from handful.learner.policies import Policies
from handful.methods import FRESH, Scene
from handful.methods.base import split_trainable
from handful.methods.weights import likeliest_policies, weight_table
from handful.mix import Mix
from handful.problem import RMDP
from handful.training.choosing import Knowledge, keep_start, make_appraiser, validate
from handful.training.run import Run
from handful.training.state import (
    Pool,
    Pooled,
    ReturnTable,
    Shortlist,
    Snapshot,
    TrainState,
    init_policies,
    open_ledger,
)
from handful.types import NumpyArray, PRNGKey, Watch, part, unwatched
from handful.welfare import user_weights, welfare_of

_fresh_policies = jax.jit(init_policies, static_argnums=1)
"""A function that is compiled once for a run: otherwise every intervention would take seconds."""


def intervene(run: Run, state: TrainState, watch: Watch = unwatched) -> TrainState:
    """Let the method decide, between two updates, from where every policy continues.

    Every episode, optimiser and running mean then starts again. The learner keeps its knowledge of
    the environment. Pooled policies are renewed by it; otherwise the latest would look best for
    this reason alone.

    ``watch`` gets the share of validation that is done.
    """
    key, episodes_key, method_key, restart_key = jax.random.split(state.key, 4)
    state = _pooled(run, state, watch)
    state = _reappraised(run, _renewed(run, state))
    scene = _scene(run, state, episodes_key)
    decision = run.method.intervene(method_key, state.assignment, scene)
    # These are copies: a step consumes its state, and no two parts of it may be one array.
    assignment = jax.tree.map(jnp.copy, decision.state)
    parameters, _ = split_trainable(run.method, assignment)
    learner, collector, table = _fresh_policies(restart_key, run, parameters)
    if state.pool is not None and decision.sources is not None:
        learner, table = _placed(
            state.pool, learner, table, np.asarray(decision.sources), decision.explores
        )
    learner = run.learner.restart(learner, state.learner)
    shortlist = jax.tree.map(jnp.copy, Shortlist.empty(table.mean, learner.networks, assignment))
    return dataclasses.replace(
        state,
        key=key,
        learner=learner,
        collector=collector,
        table=table,
        assignment=assignment,
        shortlist=shortlist,
        ledger=open_ledger(run, assignment),
    )


def finish(
    run: Run,
    state: TrainState,
    watch: Watch = unwatched,
    knowledge: Knowledge | None = None,
) -> TrainState:
    """After the last update, validate the shortlist and decide which policies are final.

    If the method kept a pool, its choice from the pool becomes one of the moments.

    Args:
        run: the run.
        state: its state.
        watch: is called with the share of validation that is done.
        knowledge: what else is known of the problem
            (:func:`~handful.training.choosing.make_appraiser`).

    Returns:
        The state with a validated shortlist.
    """
    if state.pool is None:
        state = validate(run, state, part(watch, 0, 2) if run.keeps_start else watch, knowledge)
        return keep_start(run, state, part(watch, 1, 2), knowledge)
    key, episodes_key, method_key = jax.random.split(state.key, 3)
    # They are not planned again: policies that hardly acted would have the most hopeful returns.
    state = _reappraised(run, _pooled(run, state, watch))
    assert state.pool is not None
    scene = _scene(run, state, episodes_key)
    decision = run.method.intervene(method_key, state.assignment, scene)
    if decision.sources is None or np.any(np.asarray(decision.sources) < 0):
        raise HandfulError(
            f"At the end of a run, the method '{run.config.method}' must choose policies of its "
            f"pool: let its intervene give their rows as the sources where scene.is_end is true."
        )
    sources = np.asarray(decision.sources)
    served = np.asarray(likeliest_policies(run.method.weights(decision.state)))
    utilities = scene.pooled[sources[served], np.arange(run.problem.num_users)]
    chosen = Snapshot(
        jnp.asarray(welfare_of(run.worth, utilities), jnp.float32),
        state.pool.returns[sources],
        state.pool.networks.take(jnp.asarray(sources)),
        decision.state,
    )
    shortlist = state.shortlist.offer(chosen, state.update, spacing=0)
    return keep_start(run, dataclasses.replace(state, key=key, shortlist=shortlist))


def _pooled(run: Run, state: TrainState, watch: Watch) -> TrainState:
    """Return the state with its moments validated and pooled, if the method keeps a pool."""
    if state.pool is None:
        return state
    state = validate(run, state, watch)
    assert state.pool is not None
    method, coefficients = run.method, jnp.asarray(run.problem.population.coefficients)

    def mixes_of(moment: Snapshot) -> jax.Array:
        trained_for, served = (
            weight_table(weights(moment.assignment), run.num_policies)
            for weights in (method.training_weights, method.weights)
        )
        counts = None
        if not run.is_utilitarian:
            utilities = jnp.sum(served * (coefficients @ moment.returns.T), axis=1)
            counts = user_weights(run.welfare, utilities)
        return Mix.of(trained_for, coefficients, counts).mean

    pool = state.pool.add_all(state.shortlist, mixes_of)
    return dataclasses.replace(state, pool=pool)


def _renewed(run: Run, state: TrainState) -> TrainState:
    """Return the state with its pool improved by the learner's present knowledge."""
    if state.pool is None or not run.learner.knows_returns:
        return state

    @jax.jit
    def renew(networks: Networks, known: LearnerState, mixes: jax.Array) -> Networks:
        return run.learner.renew(networks, known, mixes, run.learnt)

    def bring(policies: Pooled) -> Pooled:
        return policies._replace(networks=renew(policies.networks, state.learner, policies.mixes))

    pool = state.pool.map(bring, run.num_policies)
    return dataclasses.replace(state, pool=pool)


def _reappraised(run: Run, state: TrainState) -> TrainState:
    """Return the state with its pool's returns as the learner knows them now, if it knows them."""
    if state.pool is None or not run.learner.knows_returns:
        return state
    appraise, space = make_appraiser(run, state), run.problem.environment.action_space

    def bring(policies: Pooled) -> Pooled:
        actor, normalizer = policies.networks.actor, policies.networks.normalizer
        worth = appraise(Policies(actor, normalizer, space))
        return policies._replace(returns=jnp.asarray(worth.returns, jnp.float32))

    pool = state.pool.map(bring, run.num_policies)
    return dataclasses.replace(state, pool=pool)


def _scene(run: Run, state: TrainState, key: PRNGKey) -> Scene:
    """Return what the method can see."""
    problem = run.learnt

    def trajectories(policy: int, num_episodes: int) -> NumpyArray:
        policies = state.policies(problem).take(jnp.array([policy]))
        play = make_player(problem, 1, num_episodes, trace=True)
        features = play(key, policies, False).features
        steps = np.asarray(features).reshape(-1, problem.num_features)
        return problem.population.returns(steps).T

    pooled = np.zeros((0, problem.num_users))
    if state.pool is not None:
        returns = np.asarray(state.pool.returns)[: int(state.pool.count)]
        pooled = problem.population.returns(returns)
    update = int(state.update)
    calls = run.schedule.interventions
    return Scene(
        update,
        trajectories,
        pooled,
        is_last=not calls or update >= calls[-1],
        num_updates=run.planned_updates,
        payoffs=_payoffs(problem),
    )


def _payoffs(problem: RMDP) -> NumpyArray:
    """Return the payoffs of whole episodes, in the unit of returns."""
    if problem.constant_outcomes is None:
        return np.zeros((0, problem.num_users))
    rewards = jax.vmap(problem.population.rewards)(problem.constant_outcomes())
    return np.asarray(rewards) * problem.environment.time_limit


def _placed(
    pool: Pool, learner: LearnerState, table: ReturnTable, sources: NumpyArray, explores: bool
) -> tuple[LearnerState, ReturnTable]:
    """Replace fresh policies by pooled ones if the sources of a decision say so."""
    is_pooled = jnp.asarray(sources != FRESH)
    rows = jnp.asarray(np.maximum(sources, 0))

    def pick(old: jax.Array, fresh: jax.Array) -> jax.Array:
        return jnp.where(is_pooled.reshape(-1, *[1] * (fresh.ndim - 1)), old, fresh)

    networks: Networks = jax.tree.map(pick, pool.networks.take(rows), learner.networks)
    if explores:
        networks = eqx.tree_at(
            lambda n: n.actor, networks, _spread_out(networks.actor, learner.actor)
        )
    learner = learner.with_networks(networks)
    if table.plain is None:
        mean = pick(pool.returns[rows], table.mean)
        return learner, ReturnTable(mean, is_pooled | table.seen)
    # The pool has no discounted returns, so those start again.
    plain = pick(pool.returns[rows], table.plain)
    return learner, ReturnTable(table.mean, table.seen, plain)


def _spread_out(actor: Actor, fresh: Actor) -> Actor:
    """Return policies whose continuous actions vary as much as those of a new policy.

    The spread of squashed actions depends on observations, and stays as it was learnt.
    """
    if actor.log_std is None:
        return actor
    return eqx.tree_at(lambda a: a.log_std, actor, fresh.log_std)
