"""A run hands out the best policies that it had in training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.training.state import Snapshot, init_state
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import assert_identical, config_of, step_of


@pytest.fixture(scope="module")
def run():
    """A problem, its settings, and every state and metrics of eight wild updates."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(2, "random", updates=8, learning_rate=0.3, final_learning_rate=0.3)
    step, states, metrics = step_of(problem, config), [init_state(problem, config)], []
    for _ in range(config.num_updates):
        state, measured = step(states[-1])
        states.append(state)
        metrics.append(measured)
    return problem, config, states, metrics


def test_a_snapshot_gives_way_only_to_a_better_one(run):
    _, _, states, _ = run
    old = dataclasses.replace(states[0].best, welfare=jnp.asarray(2.0))
    more = jax.tree.map(lambda leaf: leaf + 1, (old.returns, old.networks))
    new = Snapshot(jnp.asarray(3.0), *more, 0)
    new = dataclasses.replace(new, assignment=old.assignment)
    assert_identical(old.better_of(new), new)
    assert_identical(old.better_of(dataclasses.replace(new, welfare=jnp.asarray(2.0))), old)
    assert_identical(old.better_of(dataclasses.replace(new, welfare=jnp.asarray(jnp.nan))), old)


def test_the_best_are_those_that_collected_the_best_batch(run):
    """The snapshot holds the policies from before the update that saw them do well."""
    _, _, states, metrics = run
    best_so_far = [float(measured.best_welfare) for measured in metrics]
    assert best_so_far == sorted(best_so_far)
    moments = [i for i, w in enumerate(best_so_far) if i == 0 or w > best_so_far[i - 1]]
    kept = states[-1].best
    assert_identical(kept.networks, states[moments[-1]].learner.networks)


def test_a_run_hands_out_the_best_or_on_request_the_latest(run):
    _, config, states, _ = run
    state = states[-1]
    assert_identical(state.chosen(config).networks, state.best.networks)
    latest = state.chosen(dataclasses.replace(config, keep_best=False))
    assert_identical(latest.networks, state.learner.networks)


def test_before_the_first_update_there_is_only_the_latest(run):
    _, config, states, _ = run
    assert_identical(states[0].chosen(config).networks, states[0].learner.networks)
