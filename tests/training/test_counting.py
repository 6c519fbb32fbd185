"""Whole runs of the learner that counts, on problems whose optimum is known."""

import dataclasses

import numpy as np
import pytest

import handful
from handful.domains.tabular.optimum import tabular_rmdp
from handful.domains.tabular.problem import tabular_problem
from handful.exact.tabular import Dynamics, policy_iteration
from handful.learner.counted_model import estimate
from handful.learner.counting import likeliest_actions
from handful.run_folder import RunFolder
from handful.training.choosing import make_appraiser
from handful.training.intervention import finish, intervene
from handful.training.run import Run
from handful.training.session import TrainingInterrupted
from handful.training.state import init_state
from tests.training.helpers import config_of, step_of
from tests.training.test_resume import StopAt, assert_same_run

COUNTS = {
    "learner": "counting",
    "num_envs": 32,
    "batch_size": 1024,
    "planning_steps": 3,
    "temperature": 0.05,
    "final_temperature": 0.01,
}
SOLO = {"rounds": 2, "warm_up": 0, "solo": True, "frontier": False}


def lottery(seed=0, num_states=6, num_actions=3, num_users=8):
    """Users who weigh three features; a step ends the episode by a fifth."""
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.full(num_states, 0.5), size=(num_states, num_actions))
    return tabular_problem(
        transitions,
        features=rng.random((num_states, num_actions, 3)),
        coefficients=rng.dirichlet(np.full(3, 0.5), size=num_users),
        stop_probability=0.2,
        time_limit=200,
        observe_time=False,
    )


def welfare_of(problem, result):
    returns = handful.exact_returns(problem, result.policies)
    return returns[result.assignment, np.arange(problem.num_users)].mean()


@pytest.mark.parametrize("num_policies", [1, 2])
def test_the_best_policies_of_a_small_problem_are_found(num_policies):
    problem = lottery()
    result = handful.train(
        problem,
        num_policies,
        "pooled-em",
        steps=40 * 1024,
        settings=COUNTS,
        method_settings={**SOLO, "rounds": 4},
    )
    best = handful.optimum(problem, num_policies)
    one = handful.optimum(problem, 1)
    assert best.kind == "exact"
    found = welfare_of(problem, result)
    assert found <= best.welfare + 1e-6
    assert found >= 0.99 * best.welfare
    if num_policies > 1:
        assert found - one.welfare >= 0.9 * (best.welfare - one.welfare) > 0.01


@pytest.mark.parametrize(("method", "method_settings"), [("em", {}), ("pooled-em", SOLO)])
def test_a_resumed_run_ends_bit_for_bit_as_one_that_was_not_stopped(
    tmp_path, method, method_settings
):
    def start(out, callbacks=()):
        handful.train(
            handful.make("tabular", file=file),
            2,
            method,
            steps=6 * 1024,
            seed=1,
            settings=COUNTS,
            method_settings=method_settings,
            out=out,
            callbacks=callbacks,
        )

    environment = lottery().environment
    file = str(tmp_path / "lottery.npz")
    rng = np.random.default_rng(3)
    np.savez(
        file,
        transitions=environment.transitions,
        rewards=rng.random((4, *environment.transitions.shape[:2])),
        stop_probability=0.2,
        time_limit=200,
        observe_time=False,
    )
    start(tmp_path / "whole")
    with pytest.raises(TrainingInterrupted):
        start(tmp_path / "stopped", callbacks=[StopAt(2)])
    handful.resume(tmp_path / "stopped")
    assert_same_run(RunFolder(tmp_path / "stopped"), RunFolder(tmp_path / "whole"))


@pytest.fixture(scope="module")
def trained():
    """Four updates, with a round's end after the second."""
    problem = lottery()
    settings = {**SOLO, "rounds": 1}
    config = config_of(2, "pooled-em", 4, settings, **COUNTS)
    step, state = step_of(problem, config), init_state(Run(problem, config))
    before = int(state.learner.experience.starts.sum())
    for _ in range(2):
        state, metrics = step(state)
    return problem, config, state, metrics, before


def test_every_transition_of_every_policy_is_counted(trained):
    _, _, state, metrics, before = trained
    experience = state.learner.experience
    assert before == 2 * 32  # all begin
    assert int(experience.visits.sum()) == 2 * 2 * 1024
    assert int(experience.starts.sum()) > before
    assert np.isfinite(metrics.learner["critic_loss"]).all()


def test_what_was_counted_outlives_a_round(trained):
    problem, config, state, _, _ = trained
    after = intervene(Run(problem, config), state)
    for name in ("visits", "followed", "features", "starts"):
        np.testing.assert_array_equal(
            getattr(after.learner.experience, name), getattr(state.learner.experience, name)
        )
    assert int(after.pool.count) == 2 * 2  # one moment, and the policies as they were then


def test_policies_are_appraised_by_counts_near_the_truth(trained):
    problem, config, state, _, _ = trained
    policies = state.policies(problem)
    worth = make_appraiser(Run(problem, config), state)(policies)
    assert worth.steps == 0
    rmdp = tabular_rmdp(problem)
    chosen = np.argmax(np.asarray(policies.actor.stack.head.weight), axis=2)
    truth = [rmdp.feature_returns(actions) for actions in chosen]
    np.testing.assert_allclose(worth.returns, truth, rtol=0.15)


def test_a_pool_is_appraised_anew_by_all_that_was_counted_since(trained):
    problem, config, state, _, _ = trained
    after = intervene(Run(problem, config), state)
    wrong = dataclasses.replace(after.pool, returns=after.pool.returns + 100.0)
    again = intervene(Run(problem, config), dataclasses.replace(after, pool=wrong))
    rows = int(after.pool.count)
    np.testing.assert_allclose(again.pool.returns[:rows], after.pool.returns[:rows], rtol=1e-4)


def test_a_pool_is_planned_anew_for_the_users_that_its_policies_were_trained_for(trained):
    """Policies of early rounds were planned with few counts: later ones must not win by that."""
    problem, config, state, _, _ = trained
    pool = intervene(Run(problem, config), state).pool
    alone = np.argmax(np.asarray(state.assignment.em.trained), axis=0)
    mixes = problem.population.coefficients[np.tile(alone, 2)]  # at both moments
    np.testing.assert_allclose(pool.mixes[:4], mixes, rtol=1e-6)
    model = estimate(state.learner.experience, problem.environment.time_limit, 1.0)
    dynamics = Dynamics(np.asarray(model.moves, float), 1.0)
    planned = np.asarray(likeliest_actions(pool.networks.actor))
    for policy, mix in zip(planned, mixes, strict=False):
        reward = np.asarray(model.features, float) @ mix
        np.testing.assert_array_equal(policy, policy_iteration(dynamics, reward))


def test_what_is_handed_out_is_not_planned_anew(trained):
    """It would be by counts that hope the most of what hardly ever acted."""
    problem, config, state, _, _ = trained
    after = finish(Run(problem, config), state)
    acted = np.asarray(state.learner.actor.stack.head.weight)
    pooled = np.asarray(after.pool.networks.actor.stack.head.weight)
    assert any(np.array_equal(acted, pooled[row : row + 2]) for row in range(len(pooled) - 1))


def test_the_table_of_returns_is_the_model_s(trained):
    problem, config, state, _, _ = trained
    step = step_of(problem, config)
    after, _ = step(state)
    model = make_appraiser(Run(problem, config), after)
    # The policies that collected the batch, by counts that have it.
    np.testing.assert_allclose(after.table.mean, model(state.policies(problem)).returns, rtol=1e-4)
    assert after.table.seen.all()
