"""What a run hands out is chosen on episodes of their own."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.evaluation.returns import EVALUATION_EPISODES, evaluate
from handful.methods.em import EMState
from handful.methods.weights import handed_out
from handful.training.assigning import Choice
from handful.training.choosing import HOST_EPISODES, MOST_TURNS, assign, validate
from handful.training.config import TrainConfig
from handful.training.run import Run
from handful.training.state import init_state
from tests.environments import ContextualBandit, problem_of, push_problem
from tests.host_environments import track_problem
from tests.training.helpers import assert_identical, config_of, step_of


@pytest.fixture(scope="module")
def trained():
    """Twelve wild updates of policies that push to and fro, in episodes that are all the same."""
    problem = push_problem((-0.5, 0.0, 0.5), spread=0.0)
    config = config_of(2, "random", updates=12, learning_rate=0.3, final_learning_rate=0.3)
    step, state = step_of(problem, config), init_state(Run(problem, config))
    for _ in range(config.num_updates):
        state, _ = step(state)
    return problem, config, state


def test_the_moment_that_plays_best_is_chosen_whatever_training_said(trained):
    problem, config, state = trained
    # Training episodes that praise the moments in the wrong order change nothing.
    misled = eqx.tree_at(lambda s: s.shortlist.snapshots.welfare, state, replace_fn=jnp.negative)
    after = validate(Run(problem, config), misled)
    assert after.shortlist.is_validated

    def measure(moment):
        weights = config.make_method().weights(moment.assignment)
        return evaluate(problem, moment.policies(problem), weights).welfare

    moments = range(len(after.shortlist.updates))
    measured = [measure(after.shortlist[row]) for row in moments]
    assert np.ptp(measured) > 0.1  # there is something to choose
    np.testing.assert_allclose(after.shortlist.snapshots.welfare, measured, atol=1e-6)
    assert measure(after.chosen(Run(problem, config))) == max(measured)


def test_the_present_policies_are_among_the_candidates(trained):
    problem, config, state = trained
    after = validate(Run(problem, config), state)
    row = int(jnp.argmax(after.shortlist.updates))
    assert int(after.shortlist.updates[row]) == config.num_updates
    assert_identical(after.shortlist[row].networks, state.learner.networks)


def test_episodes_are_counted(trained):
    problem, config, state = trained
    after = validate(Run(problem, config), state)
    length = problem.environment.time_limit
    assert int(after.validated) == len(after.shortlist.updates) * EVALUATION_EPISODES * length


def test_a_run_too_short_for_a_full_list_is_validated_too():
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(2, "random", updates=1)
    state, _ = step_of(problem, config)(init_state(Run(problem, config)))
    after = validate(Run(problem, config), state)
    assert np.isfinite(after.shortlist.snapshots.welfare).sum() == 2
    assert np.isfinite(after.shortlist.best.welfare)


def test_environments_on_the_host_play_fewer_and_the_run_says_how_many(tmp_path):
    problem = track_problem(time_limit=8)
    settings = {"batch_size": 64, "minibatch_size": 32, "num_envs": 4, "num_epochs": 1}
    result = handful.train(
        problem, 2, steps=64, settings=settings, out=tmp_path / "run", method="random"
    )
    record = result.folder / "evaluation.json"
    # Two moments and the final assignment.
    assert f'"validation_transitions": {3 * HOST_EPISODES * 8}' in record.read_text()


def test_a_run_without_keep_best_does_not_choose_among_moments(monkeypatch):
    def refuse(*_):
        raise AssertionError("nothing to choose from")

    monkeypatch.setattr("handful.training.loop.finish", refuse)
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = dataclasses.replace(config_of(2, "random", updates=2), keep_best=False)
    assert isinstance(config, TrainConfig)
    result = handful.train_run(Run(problem, config))
    assert np.isfinite(result.evaluation.welfare)


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_handed_out_assignment_comes_from_validation_not_from_the_methods_table(
    monkeypatch, keep_best
):
    """Every user is with their worst policy when training ends; all moments are of that kind."""
    problem = push_problem((-0.5, 0.0, 0.5), spread=0.0)
    settings = {"learning_rate": 0.3, "final_learning_rate": 0.3}
    config = config_of(2, "em", updates=12, method_settings={"warm_up": 0}, **settings)
    config = dataclasses.replace(config, keep_best=keep_best)
    step, state = step_of(problem, config), init_state(Run(problem, config))
    for _ in range(config.num_updates):
        state, _ = step(state)
    wrong = EMState.of(jnp.zeros(3, jnp.int32), 2)  # everybody on the first
    state = dataclasses.replace(state, assignment=wrong)
    state = eqx.tree_at(
        lambda s: s.shortlist.snapshots.assignment,
        state,
        jax.tree.map(lambda leaf: jnp.repeat(leaf[None], 4, axis=0), wrong),
    )
    if keep_best:
        state = validate(Run(problem, config), state)
    after = assign(Run(problem, config), state)
    policies = after.chosen(Run(problem, config)).policies(problem)
    measured = evaluate(problem, policies, after.handed_out(Run(problem, config))).deterministic
    np.testing.assert_array_equal(measured.utilities, measured.returns.max(axis=0))
    assert measured.welfare >= measured.returns.mean(axis=1).max()
    # As the method left it, where that is asked for.
    as_trained = dataclasses.replace(config, final_assignment="method")
    assert after.handed_out(Run(problem, as_trained)).tolist() == [0, 0, 0]


def test_a_method_that_keeps_its_rule_is_handed_out_as_it_assigned(trained):
    problem, config, state = trained
    after = assign(Run(problem, config), validate(Run(problem, config), state))
    assert after.is_assigned
    run = Run(problem, config)
    own = handed_out(run.method.weights(after.chosen(run).assignment), run.num_policies)
    np.testing.assert_array_equal(after.handed_out(run), own)


def test_episodes_for_the_assignment_are_added_until_it_is_settled(trained, monkeypatch):
    problem, config, state = trained
    length, played = problem.environment.time_limit, int(state.validated)
    settled = assign(Run(problem, config), state)  # all episodes go the same way
    assert int(settled.validated) - played == EVALUATION_EPISODES * length
    monkeypatch.setattr(Choice, "is_settled", False)
    share = int(state.update) * config.collect.batch_size
    monkeypatch.setattr("handful.training.choosing.MOST_OF_RUN", 0.0)
    once = assign(Run(problem, config), state)
    assert int(once.validated) - played == EVALUATION_EPISODES * length
    three = 3.5 * EVALUATION_EPISODES * length / share
    monkeypatch.setattr("handful.training.choosing.MOST_OF_RUN", three)
    thrice = assign(Run(problem, config), state)
    assert int(thrice.validated) - played == 3 * EVALUATION_EPISODES * length
    monkeypatch.setattr("handful.training.choosing.MOST_OF_RUN", 1e9)
    most = assign(Run(problem, config), state)
    assert int(most.validated) - played == MOST_TURNS * EVALUATION_EPISODES * length


def test_one_policy_needs_no_episodes_to_be_assigned():
    problem = push_problem((-0.5, 0.0, 0.5), spread=0.0)
    config = config_of(1, "em", updates=1)
    state = init_state(Run(problem, config))
    after = assign(Run(problem, config), state)
    assert after.by_validation.tolist() == [0, 0, 0]
    assert int(after.validated) == 0
