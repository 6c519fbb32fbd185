import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.methods import METHODS, make_method
from handful.methods import ledger as ledger_module
from handful.methods.base import split_trainable
from handful.problem import make
from handful.training import state as state_module
from handful.training.loop import train
from handful.training.reassign import reassign
from handful.training.run import Run
from handful.training.state import ReturnTable, init_state, open_ledger
from handful.welfare import name_of_welfare, user_weights, utilitarian
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import config_of

FEW = {"batch_size": 64, "num_envs": 16, "minibatch_size": 32, "num_epochs": 1}
RNG = np.random.default_rng(0)
COEFFICIENTS = RNG.normal(size=(11, 3)).astype(np.float32)


def log_sum(utilities):
    """Nash-like, and finite for what users get here."""
    return jnp.mean(jnp.log(1.0 + jnp.maximum(utilities, -0.9)))


def run_of(method, num_policies, coefficients=COEFFICIENTS, welfare=utilitarian):
    """A run of a method for users with these coefficients."""
    name, settings = METHODS.describe(method)
    problem = problem_of(ContextualBandit(num_arms=3), coefficients)
    config = config_of(num_policies, name, method_settings=settings, share_hidden=False)
    return Run(problem, dataclasses.replace(config, welfare=name_of_welfare(welfare)))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    for module in (ledger_module, state_module):
        monkeypatch.setattr(module, "BLOCK", 4)


@pytest.mark.parametrize("welfare", [utilitarian, log_sum])
@pytest.mark.parametrize("name", ["em", "random", "cluster"])
def test_blocks_are_trained_for_the_same_as_the_table_of_all_users(name, welfare):
    """The first E-step looks at everybody; policy 3 serves nobody then."""
    method = make_method(name, **({"warm_up": 0} if name == "em" else {}))
    run = run_of(method, 4, welfare=welfare)
    state = init_state(run)
    mean = jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32)
    mean = mean.at[3].set((mean[0] + mean[1]) / 2)
    table = ReturnTable(mean, jnp.ones(4, bool))
    latest = jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32)
    assert state.ledger is not None
    blocks = reassign(jax.random.key(1), run, state, table, latest)
    at_once = dataclasses.replace(state, ledger=None)
    everybody = reassign(jax.random.key(1), run, at_once, table, latest)
    np.testing.assert_array_equal(
        method.weights(blocks.assignment), method.weights(everybody.assignment)
    )
    for one in ("users", "welfare", "batch_welfare", "defined_welfare"):
        np.testing.assert_allclose(getattr(blocks, one), getattr(everybody, one), rtol=1e-5)
    parameters, _ = split_trainable(method, everybody.assignment)
    mix, same = blocks.mix_of(parameters), everybody.mix_of(parameters)
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    if name != "em":
        close(mix.weights, same.weights)
        close(mix.trained, same.trained)
        return
    assert int(blocks.users[3]) == 0
    close(mix.weights[:3], same.weights[:3])
    close(mix.trained[:3], same.trained[:3])
    # Who revives it is of the block that was looked at last, so that it may be another user.
    served = np.asarray(method.weights(blocks.assignment))
    utilities = (COEFFICIENTS @ np.asarray(mean).T)[np.arange(11), served]
    weights = np.asarray(user_weights(welfare, jnp.asarray(utilities)))[:, None]
    rows = np.abs(np.hstack([weights * COEFFICIENTS, weights]) - [*mix.weights[3], mix.trained[3]])
    assert rows.max(axis=1).min() < 1e-5


def test_users_weights_in_the_mix_by_hand():
    """Users who get 1 and 3 weigh 1 / 2 and 1 / 4 under the mean of log(1 + u)."""
    run = run_of(make_method("fixed", policy=(0, 1)), 2, np.eye(3)[:2] * [[1], [3]], log_sum)
    table = ReturnTable(jnp.eye(3)[:2], jnp.ones(2, bool))
    standing = reassign(jax.random.key(0), run, init_state(run), table, 2 * table.mean)
    mix = standing.mix_of(split_trainable(run.method, standing.assignment)[0])
    np.testing.assert_allclose(mix.weights, [[0.5, 0, 0], [0, 0.75, 0]])
    np.testing.assert_allclose(mix.trained, [0.5, 0.25])
    assert standing.welfare == pytest.approx(np.log(2 * 4) / 2)
    assert standing.batch_welfare == pytest.approx(np.log(3 * 7) / 2)


@pytest.mark.parametrize("method", ["end-to-end", "soft-em", "pooled-em"])
def test_methods_that_need_every_user_keep_no_ledger(method):
    made = make_method(method)
    assert open_ledger(run_of(made, 2), made.init(jax.random.key(0), 11, 2)) is None


def test_few_users_need_no_ledger():
    method = make_method("em")
    run = run_of(method, 2, COEFFICIENTS[:4])
    assert open_ledger(run, method.init(jax.random.key(0), 4, 2)) is None


def test_a_run_of_many_users_ends_alike_whenever_it_is_trained(tmp_path):
    problem = make("market", users=30)
    settings = {"settings": FEW, "method_settings": {"warm_up": 1}, "steps": 64 * 12}
    whole = train(problem, 3, "em", **settings)
    again = train(problem, 3, "em", **settings, out=tmp_path / "run")
    np.testing.assert_array_equal(whole.assignment, again.assignment)
    assert whole.evaluation.welfare == again.evaluation.welfare
    assert len(np.unique(whole.assignment)) > 1
