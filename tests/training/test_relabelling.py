"""Relabelling users or policies changes nothing but the labels."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.learner.networks import take_policies
from handful.learner.update import take_learners
from handful.population import Population
from handful.problem import RMDP
from handful.training.state import init_state
from tests.environments import Weather
from tests.training.helpers import arrays_of, config_of, step_of

USERS = np.array([3, 0, 4, 1, 2])
POLICIES = np.array([2, 0, 1])
NO_WAIT = {"em": {"warm_up": 0}, "end-to-end": {}}
METHODS = pytest.mark.parametrize("method", NO_WAIT)
SETTINGS = {"batch_size": 128, "minibatch_size": 64, "num_epochs": 1}


def problem_for(order):
    table = np.random.default_rng(0).normal(size=(5, 2))[order]
    return RMDP(Weather(), Population.from_array(table), discount=0.9, return_scale=100.0)


def moments_of(state):
    """The assignment's moments: tables [N, K], or nothing."""
    moments = state.learner.actor_moments[1]
    return (moments.mu, moments.nu)


def with_users(state, order):
    """The state of the same run with its users in another order."""
    where = lambda s: (s.assignment, s.best.assignment, moments_of(s))  # noqa: E731
    return eqx.tree_at(where, state, jax.tree.map(lambda table: table[order], where(state)))


def with_policies(state, order):
    """The same run with its policies, their environments and their chance in another order."""
    order = jnp.asarray(order)
    best = state.best
    networks = (take_learners(state.learner, order), take_policies(best.actor, order))
    state = eqx.tree_at(lambda s: (s.learner, s.best.actor), state, networks)
    rows = lambda s: (s.collector, s.table, s.best.normalizer)  # noqa: E731
    columns = lambda s: (s.assignment, s.best.assignment, moments_of(s))  # noqa: E731
    state = eqx.tree_at(rows, state, jax.tree.map(lambda leaf: leaf[order], rows(state)))
    return eqx.tree_at(columns, state, jax.tree.map(lambda t: t[:, order], columns(state)))


def assert_close(one, other):
    one, other = arrays_of(one), arrays_of(other)
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-3, atol=2e-5, err_msg=name)


def two_steps(problem, config, change=lambda state: state):
    """The first step goes before the change, so that nothing is as it started."""
    step = step_of(problem, config)
    state, _ = step(init_state(problem, config))
    changed, metrics = step(change(state))
    return changed, metrics


@METHODS
def test_relabelling_users_changes_nothing_but_their_labels(method):
    config = config_of(3, method, method_settings=NO_WAIT[method], **SETTINGS)
    one, metrics = two_steps(problem_for(np.arange(5)), config)
    step = step_of(problem_for(USERS), config)
    state, _ = step(with_users(init_state(problem_for(np.arange(5)), config), USERS))
    other, relabelled_metrics = step(state)
    assert_close(with_users(one, USERS), other)
    assert_close(metrics, relabelled_metrics)


@pytest.mark.parametrize("share_hidden", [True, False], ids=["shared", "separate"])
@METHODS
def test_relabelling_policies_changes_nothing_but_their_labels(method, share_hidden):
    config = config_of(
        3, method, method_settings=NO_WAIT[method], share_hidden=share_hidden, **SETTINGS
    )
    problem = problem_for(np.arange(5))
    one, metrics = two_steps(problem, config)
    other, relabelled = two_steps(problem, config, lambda state: with_policies(state, POLICIES))
    assert_close(with_policies(one, POLICIES), other)
    np.testing.assert_allclose(metrics.welfare, relabelled.welfare, rtol=1e-5)
    np.testing.assert_allclose(metrics.users[POLICIES], relabelled.users, rtol=1e-5)
