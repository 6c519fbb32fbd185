import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.scan import collect
from handful.problem import make
from handful.training.record import metrics_record
from handful.training.state import ReturnTable, init_state
from tests.environments import Countdown, Weather, problem_of, push_problem
from tests.training.helpers import assert_identical, config_of, step_of, train_tiny

TARGETS = (0.5, -0.5, 0.2)


@pytest.mark.parametrize(("method", "share_hidden"), [("end-to-end", True), ("em", False)])
def test_every_parameter_moves_in_one_step(method, share_hidden):
    """Log standard deviations, heads, shared layers, critics, and logits where there are any."""
    problem = push_problem(TARGETS)
    config = config_of(2, method, share_hidden=share_hidden)
    before = init_state(problem, config)
    after, _ = step_of(problem, config)(before)
    learnt = [(before.learner.actor, after.learner.actor)]
    learnt.append((before.learner.critic, after.learner.critic))
    if method == "end-to-end":
        learnt.append((before.assignment, after.assignment))
    assert before.learner.actor.log_std.shape == (2, 1)
    for old, new in learnt:
        leaves, _ = jax.tree_util.tree_flatten_with_path(old)
        for (path, was), now in zip(leaves, jax.tree.leaves(new), strict=True):
            assert (np.asarray(was) != np.asarray(now)).all(), jax.tree_util.keystr(path)


def test_normaliser_holds_the_raw_observations_of_all_batches():
    """Not those that it had normalised and clipped already."""
    problem, config = problem_of(Weather(), np.eye(2)), config_of(2)
    state, step = init_state(problem, config), step_of(problem, config)
    look = jax.jit(
        lambda s: collect(s.collector, problem, s.policies(problem), config.ppo.num_steps)[1]
    )
    seen = []
    for _ in range(3):
        seen.append(np.asarray(look(state).observations).reshape(2, -1, 2))
        state, _ = step(state)
    everything = np.concatenate(seen, axis=1)
    assert abs(everything.mean() - 100.0) < 2.0
    np.testing.assert_array_equal(state.learner.normalizer.count, 3 * 256)
    np.testing.assert_allclose(state.learner.normalizer.mean, everything.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(state.learner.normalizer.variance, everything.var(axis=1), rtol=1e-2)


@pytest.fixture(scope="module")
def grid_run():
    problem = make("resource-gathering", height=2, width=2, time_limit=6)
    config = config_of(2, "em", updates=5, method_settings={"warm_up": 2})
    step, states = step_of(problem, config), [init_state(problem, config)]
    metrics = []
    for _ in range(config.num_updates):
        state, told = step(states[-1])
        states.append(state)
        metrics.append(jax.device_get(told))
    return problem, config, step, states, metrics


def test_same_state_gives_the_same_next_state_bit_for_bit(grid_run):
    _, _, step, states, _ = grid_run
    assert_identical(step(states[0])[0], states[1])
    assert [int(state.update) for state in states] == list(range(6))


def test_table_keeps_undiscounted_returns_in_the_environments_units(grid_run):
    """Tours of a 2x2 grid pay between 94 and 99 a tile; the learner's scale is a hundredth."""
    _, _, _, states, metrics = grid_run
    start = 3  # every closed tour ends on the start tile, whose user is paid
    closed = np.asarray(states[-1].table.mean)[:, start]
    assert (closed > 60).all()
    assert (closed <= 99).all()
    assert all((told.episodes > 0).all() for told in metrics)


def test_welfare_metric_is_of_the_table_under_the_assignment(grid_run):
    _, _, _, states, metrics = grid_run
    for state, told in zip(states[1:], metrics, strict=True):
        served = np.asarray(state.table.mean)[np.argmax(state.assignment.served, axis=1), range(4)]
        assert told.welfare == pytest.approx(served.mean(), rel=1e-5)
        assert told.users.sum() == pytest.approx(4)


def test_assignment_stays_through_the_warm_up_and_then_follows_the_table(grid_run):
    _, _, _, states, _ = grid_run
    np.testing.assert_array_equal(states[2].assignment.served, states[0].assignment.served)
    for state in states[3:]:
        returns = np.asarray(state.table.mean).T
        served = returns[range(4), np.argmax(state.assignment.served, axis=1)]
        np.testing.assert_array_equal(served, returns.max(axis=1))
        assert (np.asarray(state.assignment.trained).sum(axis=0) > 0).all()


def test_rates_fall_linearly_from_the_first_update_to_the_last(grid_run):
    _, config, _, _, metrics = grid_run
    first, last = config.ppo.learning_rate, config.ppo.final_learning_rate
    expected = np.linspace(first, last, config.num_updates)
    np.testing.assert_allclose([told.learning_rate for told in metrics], expected, rtol=1e-5)


def test_policies_of_a_state_act_with_its_statistics():
    problem = problem_of(Weather(), np.eye(2))
    state, _ = train_tiny(problem, config_of(2), updates=2)
    policies = state.policies(problem)
    observations = jnp.full((2, 1, 2), 103.0)
    expected = state.learner.actor(state.learner.normalizer(observations))
    np.testing.assert_array_equal(policies(observations).logits, expected.logits)
    assert policies.num_policies == 2


def test_deviations_stay_where_they_are_not_learnt():
    problem = push_problem(TARGETS)
    config = config_of(2, learnable_log_std=False, initial_log_std=-0.5)
    before = init_state(problem, config)
    after, _ = step_of(problem, config)(before)
    np.testing.assert_array_equal(after.learner.actor.log_std, -0.5)
    moved = zip(
        jax.tree.leaves(before.learner.actor.stack),
        jax.tree.leaves(after.learner.actor.stack),
        strict=True,
    )
    assert all((np.asarray(was) != np.asarray(now)).all() for was, now in moved)


def test_a_discounted_table_holds_discounted_returns_and_the_shortlist_plain_ones():
    """Every episode pays (1, 2) in each of three steps: 1 + 1/2 + 1/4 with discount."""
    problem = problem_of(Countdown(3, truncates=False), np.eye(2), discount=0.5)
    plain = config_of(2, updates=2)
    for discounted, factor in ((False, 3.0), (True, 1.75)):
        config = dataclasses.replace(plain, discounted_table=discounted)
        state = init_state(problem, config)
        step = step_of(problem, config)
        for _ in range(2):
            state, _ = step(state)
        np.testing.assert_allclose(state.table.mean, [[factor, 2 * factor]] * 2, rtol=1e-5)
        # Two users, paid 3 and 6 by every policy.
        assert state.shortlist.best.welfare == pytest.approx(4.5)


def test_what_nobody_has_measured_attracts_nobody_where_returns_are_negative():
    """A table of -50 and of nothing: nothing is not more."""
    problem = problem_of(Countdown(1000, truncates=True), -np.ones((2, 2)))
    config = config_of(2, "em", method_settings={"warm_up": 0})
    state = init_state(problem, config)
    table = ReturnTable(jnp.array([[30.0, 20.0], [0.0, 0.0]]), jnp.array([True, False]))
    state = eqx.tree_at(lambda s: s.table, state, table)
    after, metrics = step_of(problem, config)(state)
    np.testing.assert_array_equal(after.assignment.served, state.assignment.served)
    assert float(metrics.welfare) == -50.0


def test_moments_of_which_nothing_is_known_are_not_kept_as_good_ones():
    """Episodes of 100 steps end in the fourth update of 32; until then nothing is worth keeping."""
    problem = problem_of(Countdown(100, truncates=True), -np.ones((2, 2)))
    config = config_of(2, "em", updates=8)
    step, state = step_of(problem, config), init_state(problem, config)
    for update in range(1, 5):
        state, metrics = step(state)
        assert bool(state.shortlist.is_empty) == (update < 4)
        assert ("best_welfare" in metrics_record(jax.device_get(metrics))) == (update == 4)
    assert float(state.shortlist.best.welfare) == -300.0
