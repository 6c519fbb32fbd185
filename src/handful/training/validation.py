"""The choice among the moments of a run, by what trained and evaluates nothing of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.watching import Watch, part, unwatched
from handful.problem import RMDP
from handful.training.appraisal import make_appraiser
from handful.training.config import TrainConfig
from handful.training.snapshots import Shortlist, Snapshot
from handful.training.state import TrainState


def validate(
    problem: RMDP, config: TrainConfig, state: TrainState, watch: Watch = unwatched
) -> TrainState:
    """Appraise every shortlisted moment and the present one, to know what each is worth.

    All of them by the same episodes or counts, with their likeliest actions and the assignment that
    they had. The present policies take the place of the least of the shortlist; ``watch`` is told
    how far that is.
    """
    shortlist = _with_present(state)
    appraise = make_appraiser(problem, config, state)
    method, rows, steps = config.make_method(), [], 0
    moments = len(shortlist.updates)
    for row in range(moments):
        snapshot = shortlist[row]
        if not jnp.isneginf(snapshot.welfare):  # a short run does not fill the list
            returns, spent = appraise(snapshot.policies(problem), part(watch, row, moments))
            served = np.asarray(method.assigned(snapshot.assignment))
            utilities = problem.population.utilities(returns, served)
            snapshot = dataclasses.replace(
                snapshot, welfare=jnp.asarray(utilities.mean()), returns=jnp.asarray(returns)
            )
            steps += spent
        rows.append(snapshot)
    return dataclasses.replace(
        state,
        shortlist=Shortlist(_stacked(rows), shortlist.updates, jnp.ones((), bool)),
        validated=state.validated + steps,
    )


# One program each: operation by operation they take a second of compiling.


@jax.jit
def _with_present(state: TrainState) -> Shortlist:
    return state.shortlist.offer(state.present(jnp.inf), state.update, spacing=0)


@jax.jit
def _stacked(rows: list[Snapshot]) -> Snapshot:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
