"""What users count in training under welfares whose gradient jumps."""

import dataclasses
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

import handful
from handful.errors import HandfulError
from handful.methods import ledger as ledger_module
from handful.methods.base import split_trainable
from handful.training import state as state_module
from handful.training.fairness.mirror import step_size
from handful.training.fairness.weighing import ordered
from handful.training.reassign import reassign
from handful.training.run import Run
from handful.training.session import TrainingInterrupted
from handful.training.state import ReturnTable, init_state
from handful.welfare_functions import parse_welfare
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import assert_identical, config_of
from tests.training.test_welfare import QUICK, WISHES

UPDATES = 40


class Stop(handful.Callback):
    """Sends this process a signal at the third update."""

    def on_update(self, report):
        if report.update == 3:
            os.kill(os.getpid(), signal.SIGTERM)


def run_of(welfare, coefficients, **settings):
    problem = problem_of(ContextualBandit(3), coefficients)
    config = config_of(1, "em", UPDATES, method_settings={"warm_up": 0})
    return Run(problem, dataclasses.replace(config, welfare=welfare, **settings))


def step_once(run, earned, update=UPDATES):
    """The mix and the state's weights after one E-step in which policy 0 earns this in features."""
    state = dataclasses.replace(init_state(run), update=jnp.asarray(update))
    table = ReturnTable(jnp.asarray([earned], jnp.float32), jnp.ones(1, bool))
    standing = reassign(jax.random.key(0), run, state, table, table.mean)
    rest = split_trainable(run.method, standing.assignment)[0]
    return np.asarray(standing.mix_of(rest).weights[0]), standing


def test_egalitarian_weights_move_one_step_by_hand():
    """Users get 0, 1 and 2; half a step multiplies their weights by 1, e^-1/4 and e^-1/2."""
    run = run_of("egalitarian", np.eye(3), weight_step=0.5)
    mix, standing = step_once(run, [0.0, 1.0, 2.0])
    grown = np.exp([0.0, -0.25, -0.5])
    expected = 3 * grown / grown.sum()
    np.testing.assert_allclose(mix, expected, rtol=1e-5)
    assert standing.welfare == 0.0  # the welfare itself is not smoothed
    with pytest.raises(HandfulError, match="weight_step must be above 0"):
        run_of("egalitarian", np.eye(3), weight_step=0.0)


def test_training_begins_with_the_mean_and_goes_over_to_the_welfare():
    """A quarter of the way half of the weight is divided alike, and nobody has more than 2/3."""
    run = run_of("egalitarian", np.eye(3), weight_step=1.0)
    begun, _ = step_once(run, [0.0, 1.0, 2.0], update=0)
    np.testing.assert_allclose(begun, [1.0, 1.0, 1.0], rtol=1e-5)
    state = dataclasses.replace(init_state(run), update=jnp.asarray(UPDATES // 4))
    table = ReturnTable(jnp.asarray([[0.0, 9.0, 9.0]]), jnp.ones(1, bool))
    for _ in range(20):
        standing = reassign(jax.random.key(0), run, state, table, table.mean)
        state = dataclasses.replace(state, mirror=standing.mirror)
    np.testing.assert_allclose(standing.mirror.shares, [2 / 3, 1 / 6, 1 / 6], rtol=1e-4)


def test_a_run_that_begins_with_trained_policies_trains_for_its_welfare_at_once():
    problem = problem_of(ContextualBandit(3), np.eye(3))
    request = {"steps": 51_200, "settings": {**QUICK, "hidden_sizes": (8,)}}
    run = handful.prepare(problem, 1, "universal", welfare="egalitarian", **request)
    assert run.begins_trained
    assert not run.stage.begins_trained
    _, standing = step_once(run, [0.0, 9.0, 9.0], update=0)
    assert standing.mirror.shares[0] > 0.34


def test_the_usual_step_suits_the_number_of_updates():
    run = run_of("egalitarian", np.eye(3))
    _, standing = step_once(run, [0.0, 0.0, 1.0])
    step = step_size(np.eye(3)[0], 40)
    grown = np.exp([0.0, 0.0, -step])
    np.testing.assert_allclose(standing.mirror.shares, grown / grown.sum(), rtol=1e-5)


@pytest.mark.parametrize("welfare", ["utilitarian", "nash@-5", "power:-2@-5"])
def test_welfares_without_jumps_keep_no_weights(welfare):
    run = run_of(welfare, np.eye(3))
    assert init_state(run).mirror is None
    assert step_once(run, [0.0, 1.0, 2.0])[1].mirror is None


def test_groups_weigh_by_their_means():
    groups = dataclasses.replace(parse_welfare("groups:egalitarian"), labels=(0, 0, 1))
    found = ordered(groups, 3)
    np.testing.assert_array_equal(found.places, [1.0, 0.0])
    np.testing.assert_allclose(found.averages, [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert ordered(dataclasses.replace(groups, of=parse_welfare("nash")), 3) is None


def test_weights_by_blocks_are_those_of_one_table(monkeypatch):
    for module in (ledger_module, state_module):
        monkeypatch.setattr(module, "BLOCK", 4)
    coefficients = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    run = run_of("gini:4", coefficients)
    state = dataclasses.replace(init_state(run), update=jnp.asarray(UPDATES))
    table = ReturnTable(jnp.asarray([[1.0, -2.0, 0.5]]), jnp.ones(1, bool))
    assert state.ledger is not None
    blocks = reassign(jax.random.key(1), run, state, table, table.mean)
    at_once = reassign(
        jax.random.key(1), run, dataclasses.replace(state, ledger=None), table, table.mean
    )
    np.testing.assert_allclose(blocks.mirror.logs, at_once.mirror.logs, rtol=1e-4)
    one, other = (s.mix_of(split_trainable(run.method, s.assignment)[0]) for s in (blocks, at_once))
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-4, atol=1e-5)


def test_one_policy_takes_the_compromise_where_the_worst_served_user_counts():
    """The mean takes the first user's arm; the fairest of the three serves both alike."""
    problem = problem_of(ContextualBandit(3), WISHES)
    result = handful.train(problem, 1, "em", steps=256 * 80, settings=QUICK, welfare="egalitarian",
                           progress=False)  # fmt: skip
    measured = result.evaluation.deterministic
    np.testing.assert_allclose(measured.utilities, [0.45, 0.45], atol=1e-6)
    assert result.evaluation.welfare == pytest.approx(0.45)


def test_a_stopped_run_goes_on_with_its_weights(tmp_path):
    problem = problem_of(ContextualBandit(3), WISHES)
    request = {"steps": 256 * 6, "settings": QUICK, "welfare": "gini", "progress": False}
    whole = handful.train(problem, 1, "em", out=tmp_path / "whole", **request)
    with pytest.raises(TrainingInterrupted):
        handful.train(problem, 1, "em", out=tmp_path / "run", callbacks=[Stop()], **request)
    assert np.ptp(load_file(tmp_path / "run" / "checkpoint.safetensors")["mirror/logs"]) > 0.01
    again = handful.resume(tmp_path / "run", problem, progress=False)
    assert_identical(again.policies.actor, whole.policies.actor)
    assert again.evaluation.welfare == whole.evaluation.welfare
