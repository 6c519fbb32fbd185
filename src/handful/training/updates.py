"""The host loop over the updates of a run: steps, interventions, reports and checkpoints."""

import time
from concurrent.futures import ThreadPoolExecutor

import jax

from handful.learner.parallel import replicate
from handful.training.intervention import intervene
from handful.training.preflight import (
    EpisodeWatch,
    check_digits,
    check_finite,
    telling_what_is_kept,
)
from handful.training.records.run_writer import metrics_record
from handful.training.run import Run
from handful.training.session import Clock, Session
from handful.training.state import TrainState, init_state
from handful.training.stepper import Stepper, open_stepper
from handful.training.watching.callbacks import TRAINING, Report

CHECKPOINT_EVERY = 30.0
"""The most seconds of training that a kill can cost."""


def run_updates(
    run: Run,
    state: TrainState | None,
    session: Session,
    spent_before: float,
    purpose: str = TRAINING,
) -> tuple[TrainState, float]:
    """Run the updates of a run that are left.

    Args:
        run: the run.
        state: its state; None before the first update.
        session: the surroundings, in which the state is kept.
        spent_before: the seconds of training so far.
        purpose: the purpose of the updates, for reports.

    Returns:
        The state after the last update, and the seconds of training of the whole run.

    Raises:
        HandfulError: if an environment, a reward or a loss fails.
        TrainingInterrupted: if a signal asked for a stop; the state is saved before.
    """
    clock = Clock(spent_before)
    with ThreadPoolExecutor(1) as pool:  # for two compilations at the same time
        opening = pool.submit(open_stepper, run)
        state = replicate(state or init_state(run), run.mesh)
        stepper = opening.result()
    with stepper as step:
        return _updates(run, step, state, session, clock, purpose)


def _updates(
    run: Run,
    step: Stepper,
    state: TrainState,
    session: Session,
    clock: Clock,
    purpose: str,
) -> tuple[TrainState, float]:
    problem, config = run.problem, run.config
    first, saved_at = int(state.update), time.monotonic()
    episodes = EpisodeWatch(run)
    for update in range(first + 1, config.num_updates + 1):
        transitions = config.transitions_after(update)
        if update - 1 in run.schedule.interventions:
            if update - 1 > first:  # else there is nothing new to save
                session.save(state)  # a callback may end the run
            watch = session.watch("validation", transitions - config.collect.batch_size)
            state = replicate(intervene(run, state, watch), run.mesh)
            step.restart()
            episodes.restart()
        with telling_what_is_kept(session.folder):
            state, metrics = step(state)
            metrics = jax.device_get(metrics)
            check_finite(problem, metrics, update)
            if update == first + 1:
                check_digits(problem, metrics)
            episodes.check(metrics.episodes)
        seconds = clock.tick()
        rate = clock.updates_per_second() * config.collect.batch_size * len(config.players)
        record = metrics_record(metrics)
        session.tell(
            Report(update, config.num_updates, transitions, rate, seconds, record, purpose)
        )
        asked_by = session.stop.signal_number  # it is read once, so that a stopped run is saved
        due = time.monotonic() - saved_at > CHECKPOINT_EVERY
        if update == config.num_updates or due or asked_by is not None:
            session.save(state)
            saved_at = time.monotonic()
        if asked_by is not None:
            raise session.interrupted(transitions, asked_by)
    return state, clock.seconds
