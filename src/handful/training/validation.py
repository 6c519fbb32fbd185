"""The choices at the end of a run, by episodes that neither trained nor evaluate anything of it.

First the policies are chosen among the moments that were shortlisted, then who gets which of them.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.watching import Watch, part, unwatched
from handful.problem import RMDP
from handful.training.appraisal import ASSIGNMENT_STREAM, make_appraiser
from handful.training.assigning import choose_assignment
from handful.training.config import TrainConfig
from handful.training.snapshots import Shortlist, Snapshot
from handful.training.state import TrainState


def validate(
    problem: RMDP, config: TrainConfig, state: TrainState, watch: Watch = unwatched
) -> TrainState:
    """Appraise every shortlisted moment and the present one, to know what each is worth.

    All of them are appraised by the same episodes or counts, with their likeliest actions, and with
    the assignment that they would be handed out with: the one that validation speaks for, or the
    one that they had. The present policies take the place of the least of the shortlist; ``watch``
    is told how far that is.
    """
    shortlist = _with_present(state)
    appraise = make_appraiser(problem, config, state)
    method, rows, steps = config.make_method(), [], 0
    moments = len(shortlist.updates)
    for row in range(moments):
        snapshot = shortlist[row]
        if not jnp.isneginf(snapshot.welfare):  # a short run does not fill the list
            worth = appraise(snapshot.policies(problem), part(watch, row, moments))
            served = np.asarray(method.assigned(snapshot.assignment))
            if config.assigns_by_validation:
                welfare = choose_assignment(problem.population, worth.episodes, served).held_out
            else:
                welfare = problem.population.utilities(worth.returns, served).mean()
            snapshot = dataclasses.replace(
                snapshot,
                welfare=jnp.asarray(welfare, jnp.float32),
                returns=jnp.asarray(worth.returns),
            )
            steps += worth.steps
        rows.append(snapshot)
    return dataclasses.replace(
        state,
        shortlist=Shortlist(_stacked(rows), shortlist.updates, jnp.ones((), bool)),
        validated=state.validated + steps,
    )


MOST_TURNS = 5
"""How often episodes are played for the final assignment, at most."""

MOST_OF_RUN = 0.02
"""Of a run's transitions, the share that these episodes may take after the first turn."""


def assign(
    problem: RMDP, config: TrainConfig, state: TrainState, watch: Watch = unwatched
) -> TrainState:
    """Find out who should be handed which of the policies that are handed out.

    Episodes are added until the choice is settled, or has taken its share of the run
    (:data:`MOST_OF_RUN`). ``watch`` is told how far that is.
    """
    chosen, method = state.chosen(config), config.make_method()
    policies = chosen.policies(problem)
    current = np.asarray(method.assigned(chosen.assignment))
    most = MOST_OF_RUN * int(state.update) * config.ppo.batch_size
    policy, steps, played = current, 0, []
    for turn in range(MOST_TURNS if config.num_policies > 1 else 0):
        appraise = make_appraiser(problem, config, state, ASSIGNMENT_STREAM + turn)
        worth = appraise(policies, part(watch, turn, MOST_TURNS))
        played.append(worth.episodes)
        steps += worth.steps
        choice = choose_assignment(problem.population, np.concatenate(played), current)
        policy = choice.policy
        if choice.is_settled or worth.steps == 0 or steps + worth.steps > most:
            break
    watch(1.0)
    return dataclasses.replace(
        state,
        by_validation=jnp.asarray(policy, jnp.int32),
        validated=state.validated + steps,
    )


# One program each: operation by operation they take a second of compiling.


@jax.jit
def _with_present(state: TrainState) -> Shortlist:
    return state.shortlist.offer(state.present(jnp.inf), state.update, spacing=0)


@jax.jit
def _stacked(rows: list[Snapshot]) -> Snapshot:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
