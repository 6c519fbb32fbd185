"""Floors are judged by more episodes where the evaluation's leave doubt."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from handful.choice.floors import Floor
from handful.evaluation.returns import evaluate
from handful.training.fairness import judging
from handful.training.fairness.claims import Claims
from handful.training.fairness.floor_records import floor_records, stored_floors
from handful.training.fairness.judging import judged_floors
from handful.training.run import Run
from handful.training.state import init_state
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import config_of

GROUPS = ("a", "a", "b")


def run_of(*floors):
    """Contexts are drawn, so that what a policy earns is so, too."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(1, "em", 32)
    return Run(problem, dataclasses.replace(config, claims=Claims(GROUPS, (), floors)))


@pytest.fixture(scope="module")
def measured():
    """Random policies and their evaluation, with a run without floors."""
    run = run_of()
    policies = init_state(run, jax.random.key(3)).policies(run.problem)
    return policies, evaluate(run.problem, policies, np.zeros(3, int), seed=run.config.seed)


def mean_of(evaluation, users):
    return float(evaluation.deterministic.utilities[users].mean())


def test_a_floor_in_an_interval_is_judged_by_the_share_of_the_run(measured):
    policies, evaluation = measured
    level = mean_of(evaluation, [0, 1])
    run = run_of(Floor([level, -100.0], "groups"))
    transitions, length = 40_000, float(evaluation.deterministic.lengths[0])
    [record] = judged_floors(run, policies, evaluation, transitions)
    assert record.episodes == int(judging.SHARE_OF_RUN * transitions / length) > 100
    [few] = judged_floors(run, policies, evaluation, 100)
    assert (few.episodes, few.unsure, few.below) == (100, 1, 0)


def test_what_is_clear_needs_no_more_episodes(measured):
    policies, evaluation = measured
    run = run_of(Floor([-100.0, 100.0], "groups"))
    [record] = judged_floors(run, policies, evaluation, 10**9)
    assert (record.episodes, record.unsure, record.below, record.certain) == (100, 0, 1, 1)
    assert judged_floors(run_of(), policies, evaluation, 10**9) == ()


def test_the_number_of_steps_is_bounded(measured, monkeypatch):
    policies, evaluation = measured
    run = run_of(Floor([mean_of(evaluation, [0, 1]), -100.0], "groups"))
    limit = run.problem.environment.time_limit
    monkeypatch.setattr(judging, "MOST_STEPS", 150 * limit)
    assert judged_floors(run, policies, evaluation, 10**9)[0].episodes == 150


def test_records_are_read_as_they_were_written(measured):
    _, evaluation = measured
    run = run_of(Floor(100.0), Floor(0.1, "share", 0.5), Floor(100.0, "groups"))
    played = evaluation.deterministic.played
    records = floor_records(run, played, evaluation.assignment)
    stored = json.loads(json.dumps({"floors": [one.record() for one in records]}))
    assert stored_floors(run, stored) == records
    for one in stored["floors"]:
        del one["episodes"]  # as an earlier version wrote it
    assert stored_floors(run, stored) is None
