import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.methods import ledger as ledger_module
from handful.methods import make_method, name_and_settings
from handful.methods.base import split_trainable
from handful.problem import make
from handful.training import state as state_module
from handful.training.loop import train
from handful.training.run import Run
from handful.training.standing import reassign_all, reassign_some
from handful.training.state import ReturnTable, open_ledger
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import config_of

FEW = {"batch_size": 64, "num_envs": 16, "minibatch_size": 32, "num_epochs": 1}
RNG = np.random.default_rng(0)
COEFFICIENTS = RNG.normal(size=(11, 3)).astype(np.float32)


def run_of(method, num_policies, coefficients=COEFFICIENTS):
    """A run of a method for users with these coefficients."""
    name, settings = name_and_settings(method)
    problem = problem_of(ContextualBandit(num_arms=3), coefficients)
    return Run(problem, config_of(num_policies, name, method_settings=settings, share_hidden=False))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    for module in (ledger_module, state_module):
        monkeypatch.setattr(module, "BLOCK", 4)


@pytest.mark.parametrize("name", ["em", "random", "cluster"])
def test_groups_are_trained_for_the_same_as_the_table_of_all_users(name):
    """The first E-step looks at everybody; policy 3 serves nobody then."""
    method = make_method(name, **({"warm_up": 0} if name == "em" else {}))
    state = method.init(jax.random.key(0), 11, 4)
    mean = jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32)
    mean = mean.at[3].set((mean[0] + mean[1]) / 2)
    table = ReturnTable(mean, jnp.ones(4, bool))
    latest = jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32)
    coefficients, update = jnp.asarray(COEFFICIENTS), jnp.asarray(0)
    ledger = open_ledger(run_of(method, 4), state)
    assert ledger is not None
    groups = reassign_some(method, state, ledger, coefficients, table, latest, update, 9)
    everybody = reassign_all(
        jax.random.key(1), method, state, coefficients, table, latest, update, 9, None
    )
    np.testing.assert_array_equal(
        method.weights(groups.assignment), method.weights(everybody.assignment)
    )
    for one in ("users", "welfare", "batch_welfare"):
        np.testing.assert_allclose(getattr(groups, one), getattr(everybody, one), rtol=1e-5)
    parameters, _ = split_trainable(method, everybody.assignment)
    if name == "em":
        assert int(groups.users[3]) == 0
        assert int(groups.trained[3]) == 1
        # Who revives it is of the block that was looked at last, so that it may be another user.
        mixes = np.asarray(groups.mix_fn(parameters)), np.asarray(everybody.mix_fn(parameters))
        np.testing.assert_allclose(mixes[0][:3], mixes[1][:3], rtol=1e-4, atol=1e-5)
        rows = np.abs(COEFFICIENTS - mixes[0][3]).max(axis=1)
        assert rows.min() < 1e-6
    else:
        np.testing.assert_allclose(
            groups.mix_fn(parameters), everybody.mix_fn(parameters), rtol=1e-4, atol=1e-5
        )


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
