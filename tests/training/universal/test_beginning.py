"""Runs that begin with a universal policy: the plan, the candidates, and going on after a stop."""

import os
import signal
from itertools import combinations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

import handful
from handful.errors import HandfulError
from handful.learner import PPO
from handful.methods.universal import Universal
from handful.run_folder import RunFolder
from handful.training.config import TrainConfig, make_config
from handful.training.session import Session, StopRequest, TrainingInterrupted
from handful.training.universal.beginning import specialised, train_generalist
from handful.training.universal.candidates import (
    Candidates,
    finalists,
    spread_first,
    try_candidates,
)
from handful.training.universal.chooser import Chooser
from handful.training.universal.stage import plan_stage
from handful.training.watching.callbacks import UNIVERSAL, Callback
from tests.training.helpers import TINY

STEPS = 1536


def problem_of():
    return handful.make("resource-gathering", height=2, width=3)


def start(out=None, callbacks=(), **settings):
    return handful.train(
        problem_of(),
        3,
        "universal",
        steps=STEPS,
        settings={**TINY, "hidden_sizes": (8,)},
        method_settings={"candidate_share": 0.3, "model": False, **settings},
        out=out,
        callbacks=callbacks,
        progress=False,
    )


class Stop(Callback):
    """Sends this process a signal at an update of the universal policy, or among candidates."""

    def __init__(self, update=None):
        self.update, self.purposes = update, []

    def on_update(self, report):
        self.purposes.append(report.purpose)
        if report.purpose == UNIVERSAL and report.update == self.update:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_episodes(self, report):
        if self.update is None and report.purpose == "candidates":
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed run, with a folder."""
    return start(tmp_path_factory.mktemp("runs") / "whole")


@pytest.mark.parametrize("update", [2, None], ids=["in training", "among candidates"])
def test_a_run_stopped_in_its_first_stage_ends_as_if_it_had_not_been(whole, tmp_path, update):
    stop = Stop(update)
    with pytest.raises(TrainingInterrupted, match="handful resume"):
        start(tmp_path / "run", [stop])
    assert set(stop.purposes) == {UNIVERSAL}
    again = handful.resume(tmp_path / "run", progress=False)
    one, other = (load_file(r.folder / "policies.safetensors") for r in (whole, again))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    np.testing.assert_array_equal(again.assignment, whole.assignment)
    assert again.evaluation.welfare == whole.evaluation.welfare


def test_all_transitions_are_counted(whole):
    record = RunFolder(whole.folder).read_evaluation()
    config = whole.config
    own = config.num_updates * config.collect.batch_size
    stage = config.universal
    assert record["transitions"] == own + -(-stage.steps // 3)
    assert record["transitions"] + stage.candidate_steps / 3 <= STEPS
    played = int(load_file(whole.folder / "universal" / "candidates.safetensors")["steps"])
    assert record["validation_transitions"] >= -(-played // 3)
    counted = record["transitions"] + record["validation_transitions"]
    assert whole.transitions == 3 * counted


def test_a_finished_run_is_read_with_its_stage(whole):
    again = handful.resume(whole.folder, progress=False)
    assert again.config == whole.config
    assert again.evaluation.welfare == whole.evaluation.welfare
    assert not any(finding.kind == "never-moved" for finding in whole.findings)


def test_settings_come_back_from_text_and_other_methods_have_none():
    config = make_config(problem_of(), 3, "universal", "fast", steps=50_000)
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert "universal" not in make_config(problem_of(), 3, "em", "fast").to_dict()


@pytest.mark.parametrize("steps", [5_000, 100_000, 3_000_000])
@pytest.mark.parametrize("task", ["resource-gathering", "glide"])
def test_no_more_transitions_are_planned_than_asked_for(task, steps):
    config = make_config(handful.make(task), 3, "universal", "fast", steps=steps)
    stage = config.universal
    own = config.num_updates * config.collect.batch_size * 3
    assert own + stage.total_steps <= 3 * steps
    assert stage.steps % (stage.num_members * stage.collect.batch_size) == 0
    assert own + stage.total_steps > 0.9 * 3 * steps - config.collect.batch_size * 3


def test_transitions_are_left_for_four_candidates_a_policy_where_episodes_are_long():
    """By hand: two episodes of a candidate take 200 steps, 20 candidates 4,000, half of all."""
    problem = handful.make("glide")
    assert problem.environment.time_limit == 100
    for total, expected in ((300_000, 24_000), (90_000, 8_000), (30_000, 5_400)):
        stage = plan_stage(problem, Universal(), 5, total, total // 10)
        assert stage.candidate_steps == expected  # 8 %, by the candidates, and a fifth of 27,000


def test_only_long_stages_begin_more_than_once():
    problem = handful.make("glide")
    batch = 160 * 64
    for updates, starts in ((999, 1), (1000, 2)):
        total = int(updates * batch / (1 - Universal().candidate_share)) + 1
        stage = plan_stage(problem, Universal(), 3, total, 0)
        assert (stage.steps, stage.starts) == (updates * batch, starts)
        assert plan_stage(problem, Universal(starts=1), 3, total, 0).starts == 1
        assert plan_stage(problem, Universal(starts=3), 3, total, 0).starts == (starts > 1) * 2 + 1


def test_too_few_transitions_are_refused():
    with pytest.raises(HandfulError, match="needs more transitions"):
        plan_stage(problem_of(), Universal(), 3, 3000, 2900)


@pytest.mark.parametrize("learner", ["counting", PPO(hidden_sizes=(), share_hidden=False)])
def test_learners_that_have_no_universal_policy_are_refused(learner):
    problem = handful.make("icu-sepsis", users=3) if learner == "counting" else problem_of()
    with pytest.raises(HandfulError, match="choose the learner 'ppo'"):
        handful.prepare(problem, 2, "universal", learner=learner, steps=200_000, preset="fast")


def prepared(**more):
    """A run that tries many candidates."""
    return handful.prepare(
        problem_of(),
        3,
        "universal",
        steps=STEPS,
        settings={**TINY, "hidden_sizes": (8,)},
        method_settings={"candidate_share": 0.3},
        **more,
    )


@pytest.fixture(scope="module")
def generalist():
    run = prepared()
    return run, train_generalist(run, Session(None, [], StopRequest()), [1, 3])


def test_a_run_begins_with_the_best_candidates(generalist):
    run, found = generalist
    values = found.candidates.returns @ run.problem.population.coefficients.T
    rows = Chooser.of(run).best(found.candidates.returns, 3)
    welfare = values[rows].max(axis=0).mean()
    assert welfare >= max(values.mean(axis=1))
    state = specialised(run, found)
    assert float(state.shortlist.best.welfare) == pytest.approx(welfare, rel=1e-4)
    served = np.asarray(run.method.weights(state.assignment))
    own = np.asarray(state.table.mean) @ run.problem.population.coefficients.T
    np.testing.assert_allclose(own[served, np.arange(6)], own.max(axis=0))
    assert state.table.seen.all()
    assert int(state.validated) == -(-found.candidates.steps // 3)  # each policy's share


def test_candidates_differ_and_play_within_their_transitions(generalist):
    run, found = generalist
    candidates = found.candidates
    assert len(np.unique(np.round(candidates.contexts, 4), axis=0)) == len(candidates.contexts)
    assert set(candidates.rows[candidates.rounds == 0]) == set(range(len(candidates.contexts)))
    assert candidates.steps <= run.config.universal.candidate_steps


def test_the_first_candidates_stand_for_all_users():
    """By hand: a crowd of three at 0, a pair at 10 and one user at 14."""
    users = np.array([[0.0], [0.0], [1.0], [10.0], [10.0], [14.0]])
    proposed = np.array([[5.0], [14.0], [0.0], [1.0], [10.0]])
    # The distances to the nearest, all users together: with 5 and 14, 0, 1 or 10: 22, 20, 21, 18.
    # Besides 5 and 10, with 14, 0 or 1: 14, 5, 6. Besides these and 0, with 14 or 1: 1, 4.
    np.testing.assert_array_equal(spread_first(proposed, users)[:, 0], [5.0, 10.0, 0.0, 14.0, 1.0])


@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_an_order_of_candidates_has_each_of_them_once(count, users, seed):
    rng = np.random.default_rng(seed)
    proposed, contexts = rng.normal(size=(count, 2)), rng.normal(size=(users, 2))
    ordered = spread_first(proposed, contexts)
    np.testing.assert_array_equal(ordered[0], proposed[0])
    np.testing.assert_array_equal(np.sort(ordered, axis=0), np.sort(proposed, axis=0))


@pytest.mark.parametrize("turns", [6, 9, 14])
def test_candidates_leave_few_transitions_unused(generalist, turns):
    """Full episodes of a few candidates at once: the last turns may lack one, and its slack."""
    run, found = generalist
    length = 2 * run.problem.environment.time_limit
    tried = try_candidates(
        jax.random.key(0),
        Chooser.of(run),
        run.stage.problem,
        found.learner,
        found.state,
        [3],
        2 * turns * length,
        160,
    )
    assert 2 * turns * length * (1 - 2 / turns) <= tried.steps <= 2 * turns * length


def test_candidates_that_may_be_best_play_on():
    problem = problem_of()
    user = np.asarray(problem.population.coefficients, float).mean(axis=0)
    # Two are nearly as good as each other, by episodes that differ much; the others are bad.
    worth = np.array([-40.0, 10.0, 10.5, -40.0])
    earned = (worth[:, None] + np.array([-2.0, 2.0]))[..., None] * user
    earned[1] = earned[1, ::-1]
    contexts = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    found = Candidates(contexts, np.arange(4), np.zeros(4, int), earned, 10, True)
    chooser = Chooser(np.asarray(problem.population.coefficients, float))
    playing = finalists(chooser, found, [1], np.random.default_rng(0))
    assert set(playing) == {1, 2}
    sure = found
    for turn in range(1, 200):
        sure = sure.after(np.arange(4), np.full(4, turn), earned, 10)
    assert list(finalists(chooser, sure, [1], np.random.default_rng(0))) == [2]


def test_halves_are_means_of_even_and_odd_episodes():
    earned = np.array([[[1.0], [3.0]], [[5.0], [7.0]], [[2.0], [6.0]]])
    found = Candidates(np.eye(2), np.array([0, 1, 0]), np.array([0, 0, 1]), earned, 6, True)
    np.testing.assert_allclose(found.halves(), [[[1.5], [5.0]], [[4.5], [7.0]]])


def test_a_run_for_the_worst_served_begins_with_what_is_best_for_them():
    """Its universal policy is trained for all alike, and the choice is for the worst served."""
    run = prepared(welfare="egalitarian")
    assert run.stage.counts_all_alike
    found = train_generalist(run, Session(None, [], StopRequest()), [3])
    values = found.candidates.returns @ run.problem.population.coefficients.T
    rows = Chooser.of(run).best(found.candidates.returns, 3)
    most = max(values[list(some)].max(axis=0).min() for some in combinations(range(len(values)), 3))
    assert values[rows].max(axis=0).min() == pytest.approx(most)
    state = specialised(run, found)
    assert float(state.shortlist.best.welfare) == pytest.approx(most, rel=1e-4)
    assert state.mirror is not None
