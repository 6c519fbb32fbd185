"""The choice among the moments of a run, by episodes that neither trained nor evaluate it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.episodes import make_player
from handful.evaluation.returns import EVALUATION_EPISODES
from handful.problem import RMDP
from handful.training.config import TrainConfig
from handful.training.snapshots import Shortlist, Snapshot
from handful.training.state import TrainState

VALIDATION_STREAM = 0x7A11D
"""Folded into the run's key: neither training nor evaluation plays these episodes."""

HOST_EPISODES = 20
"""Of each policy on the host, where stepping takes long. In JAX compiling does: there as many are
played as in evaluation, by the same program."""


def validate(problem: RMDP, config: TrainConfig, state: TrainState) -> TrainState:
    """Play every shortlisted moment and the present one, to know what each is worth.

    All of them play the same episodes, with their likeliest actions and the assignment that they
    had. The present policies take the place of the least of the shortlist.
    """
    shortlist = state.shortlist.offer(state.present(jnp.inf), state.update, spacing=0)
    num_episodes = HOST_EPISODES if problem.runs_on_host else EVALUATION_EPISODES
    play = make_player(problem, config.num_policies, num_episodes)
    key = jax.random.fold_in(jax.random.key(config.seed), VALIDATION_STREAM)
    key = jax.random.fold_in(key, state.update)
    method, rows, steps = config.make_method(), [], 0
    for row in range(len(shortlist.updates)):
        snapshot = shortlist[row]
        if not jnp.isneginf(snapshot.welfare):  # a short run does not fill the list
            episodes = play(key, snapshot.policies(problem), True)
            returns = np.mean(np.asarray(episodes.returns), axis=0)
            served = np.argmax(np.asarray(method.weights(snapshot.assignment)), axis=1)
            utilities = problem.population.returns(returns)[served, np.arange(problem.num_users)]
            snapshot = dataclasses.replace(
                snapshot, welfare=jnp.asarray(utilities.mean()), returns=jnp.asarray(returns)
            )
            steps += int(np.sum(episodes.lengths)) // config.num_policies
        rows.append(snapshot)
    snapshots: Snapshot = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
    return dataclasses.replace(
        state,
        shortlist=Shortlist(snapshots, shortlist.updates, jnp.ones((), bool)),
        validated=state.validated + steps,
    )
