"""What a run hands out is chosen on episodes of their own."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.evaluation.returns import EVALUATION_EPISODES, evaluate
from handful.training.appraisal import HOST_EPISODES
from handful.training.config import TrainConfig
from handful.training.state import init_state
from handful.training.validation import validate
from tests.environments import ContextualBandit, problem_of, push_problem
from tests.host_environments import track_problem
from tests.training.helpers import assert_identical, config_of, step_of


@pytest.fixture(scope="module")
def trained():
    """Twelve wild updates of policies that push to and fro, in episodes that are all the same."""
    problem = push_problem((-0.5, 0.0, 0.5), spread=0.0)
    config = config_of(2, "random", updates=12, learning_rate=0.3, final_learning_rate=0.3)
    step, state = step_of(problem, config), init_state(problem, config)
    for _ in range(config.num_updates):
        state, _ = step(state)
    return problem, config, state


def test_the_moment_that_plays_best_is_chosen_whatever_training_said(trained):
    problem, config, state = trained
    # Training episodes that praise the moments in the wrong order change nothing.
    misled = eqx.tree_at(lambda s: s.shortlist.snapshots.welfare, state, replace_fn=jnp.negative)
    after = validate(problem, config, misled)
    assert after.shortlist.is_validated

    def measure(moment):
        weights = config.make_method().weights(moment.assignment)
        return evaluate(problem, moment.policies(problem), weights).welfare

    moments = range(len(after.shortlist.updates))
    measured = [measure(after.shortlist[row]) for row in moments]
    assert np.ptp(measured) > 0.1  # there is something to choose
    np.testing.assert_allclose(after.shortlist.snapshots.welfare, measured, atol=1e-6)
    assert measure(after.chosen(config)) == max(measured)


def test_the_present_policies_are_among_the_candidates(trained):
    problem, config, state = trained
    after = validate(problem, config, state)
    row = int(jnp.argmax(after.shortlist.updates))
    assert int(after.shortlist.updates[row]) == config.num_updates
    assert_identical(after.shortlist[row].networks, state.learner.networks)


def test_episodes_are_counted(trained):
    problem, config, state = trained
    after = validate(problem, config, state)
    length = problem.environment.time_limit
    assert int(after.validated) == len(after.shortlist.updates) * EVALUATION_EPISODES * length


def test_a_run_too_short_for_a_full_list_is_validated_too():
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(2, "random", updates=1)
    state, _ = step_of(problem, config)(init_state(problem, config))
    after = validate(problem, config, state)
    assert np.isfinite(after.shortlist.snapshots.welfare).sum() == 2
    assert np.isfinite(after.shortlist.best.welfare)


def test_environments_on_the_host_play_fewer_and_the_run_says_how_many(tmp_path):
    problem = track_problem(time_limit=8)
    settings = {"batch_size": 64, "minibatch_size": 32, "num_envs": 4, "num_epochs": 1}
    result = handful.train(
        problem, 2, steps=64, settings=settings, out=tmp_path / "run", method="random"
    )
    record = result.folder / "evaluation.json"
    assert f'"validation_transitions": {2 * HOST_EPISODES * 8}' in record.read_text()


def test_a_run_without_keep_best_plays_no_validation(monkeypatch):
    def refuse(*_):
        raise AssertionError("nothing to choose from")

    monkeypatch.setattr("handful.training.loop.finish", refuse)
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = dataclasses.replace(config_of(2, "random", updates=2), keep_best=False)
    assert isinstance(config, TrainConfig)
    result = handful.training.loop.train_with_config(problem, config)
    assert np.isfinite(result.evaluation.welfare)
