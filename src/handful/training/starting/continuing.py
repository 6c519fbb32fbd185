"""More steps for a run that is finished: what it was stays beside what it becomes.

The settings keep a list of continuations, and the run is the one that it began as: its checkpoint
goes on, its metrics grow, and all transitions are counted together. The results so far are copied
into a folder of their own before they are made anew, with the settings as they were, so that the
folder can be read and compared like any finished run. Every file is moved or replaced in one step,
in an order in which a kill at any moment leaves a run that can go on.
"""

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp

from handful._support.files import write_json
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.training.config import TrainConfig
from handful.training.run import Run
from handful.training.starting.continuation import RATES, Continuation
from handful.training.state import Shortlist, TrainState, init_state


def earlier_results(folder: RunFolder, number: int) -> RunFolder:
    """Return the folder of a run's results as they were before a continuation.

    Args:
        folder: the folder of the run.
        number: the number of the continuation, from 1.
    """
    return RunFolder(folder.path / f"before-{number}")


def extend(folder: RunFolder, config: TrainConfig, steps: int, rates: str) -> None:
    """Note in the folder of a finished run that it goes on, and put its results aside.

    Args:
        folder: the folder, which this process does not hold.
        config: the settings of the run so far.
        steps: the transitions for each policy of the whole run from now on.
        rates: how the learner's rates go on, one of :data:`RATES`.

    Raises:
        HandfulError: if the steps are not a batch more than the run has had, or another process
            trains the run.
    """
    if rates not in RATES:
        raise HandfulError(f"The rates must be {' or '.join(RATES)}, not '{rates}'.")
    continued = (*config.continued, Continuation(steps, rates))
    longer = dataclasses.replace(config, continued=continued)
    if longer.num_updates <= config.num_updates:
        raise HandfulError(
            f"The run in '{folder.path}' has had {config.total_steps:,} steps (transitions per "
            f"policy), and {steps:,} are not a batch more: name the steps of the whole run, at "
            f"least {config.total_steps + config.collect.batch_size:,}."
        )
    with folder.hold():
        folder.read_evaluation()  # what is put aside is whole
        _put_aside(folder, earlier_results(folder, len(continued)).path)
        folder.evaluation.unlink()
        stored = folder.read_config()
        settings = {**stored["settings"], "continued": [vars(one) for one in continued]}
        write_json(folder.config, {**stored, "settings": settings})


def _put_aside(folder: RunFolder, place: Path) -> None:
    """Copy the results of a run and its settings; a copy that a kill left is made again."""
    if place.is_symlink():
        raise HandfulError(f"'{place}' is a link: remove it, as results are copied there.")
    if place.exists():
        shutil.rmtree(place)
    staging = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=folder.path))
    try:
        for path in (folder.config, folder.evaluation, *folder.results):
            if path.is_file():
                shutil.copy2(path, staging / path.name)
        os.replace(staging, place)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def gone_on(run: Run, before: Run, state: TrainState) -> TrainState:
    """Return the state with which a continuation begins.

    The policies go on from where training stood. The final ones stay beside the best
    moments to come, so that the result is never worse than it was, by validation.

    Args:
        run: the run with the continuation.
        before: the same run without it.
        state: its last state, validated and assigned.
    """
    chosen = dataclasses.replace(state.chosen(before), welfare=jnp.asarray(-jnp.inf))
    fresh = jax.eval_shape(lambda: init_state(run))
    networks = state.networks(run)
    pool = state.pool
    if pool is not None and fresh.pool is not None:
        rows = len(fresh.pool.returns)

        def longer(leaf: jax.Array) -> jax.Array:
            if leaf.ndim == 0:
                return leaf
            return jnp.pad(leaf, [(0, rows - len(leaf)), *[(0, 0)] * (leaf.ndim - 1)])

        pool = jax.tree.map(longer, pool)
    state = dataclasses.replace(
        state,
        by_validation=jnp.full_like(state.by_validation, -1),
        shortlist=Shortlist.empty(state.table.mean, networks, state.assignment),
        pool=pool,
        start=chosen,
    )
    return jax.tree.map(jnp.copy, state)  # a step consumes its state: no array may be in it twice
