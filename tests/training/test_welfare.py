"""Training for a welfare of the caller's own: known answers, run folders, studies, many users."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.methods import METHODS
from handful.methods import ledger as ledger_module
from handful.run_folder import RunFolder
from handful.training import state as state_module
from handful.training.loop import resume, train
from handful.training.records.run_reader import resume_advice
from handful.training.records.run_writer import describe_run
from handful.training.run import Run
from handful.training.session import TrainingInterrupted
from handful.welfare import WELFARES, register_welfare, utilitarian
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import config_of

FEW = {"batch_size": 256, "num_envs": 32, "minibatch_size": 128, "num_epochs": 2}
QUICK = {
    **FEW,
    "hidden_sizes": (16,),
    "learning_rate": 0.01,
    "final_learning_rate": 0.001,
    "num_epochs": 4,
}

# Arms: one for each of two users with opposite wishes, and a compromise. In the mean the first
# earns 0.5 and the compromise 0.45.
WISHES = np.array([[1.0, 0.0, 0.45], [0.0, 0.6, 0.45]])


def nash(utilities):
    """The mean of log(0.1 + u)."""
    return jnp.mean(jnp.log(0.1 + utilities))


@pytest.fixture(autouse=True)
def welfares(monkeypatch):
    monkeypatch.setattr("handful.welfare.WELFARES", dict(WELFARES))
    register_welfare("nash", nash)


@pytest.mark.parametrize(
    ("welfare", "returns", "value"),
    [("utilitarian", [1.0, 0.0], 0.5), (nash, [0.45, 0.45], np.log(0.55))],
)
def test_one_policy_takes_a_side_or_the_compromise_as_the_welfare_asks(welfare, returns, value):
    problem = problem_of(ContextualBandit(3), WISHES)
    result = train(problem, 1, "em", steps=256 * 80, settings=QUICK, welfare=welfare)
    measured = result.evaluation.deterministic
    np.testing.assert_allclose(measured.returns, [returns], atol=1e-6)
    assert result.evaluation.welfare == pytest.approx(value, abs=1e-6)
    assert result.evaluation.welfare_stderr == pytest.approx(0.0, abs=1e-6)
    assert result.evaluation.mean_utility == pytest.approx(np.mean(returns), abs=1e-6)


def test_with_a_policy_for_each_both_welfares_agree():
    """Each user's best policy is the best assignment for both."""
    problem = problem_of(ContextualBandit(3), WISHES)
    result = train(problem, 2, "fixed", method_settings={"policy": (0, 1)}, steps=256 * 60,
                   settings=QUICK, welfare="nash")  # fmt: skip
    np.testing.assert_allclose(result.evaluation.deterministic.utilities, [1.0, 0.6], atol=1e-6)


def test_end_to_end_learns_the_assignment_by_the_welfares_gradient():
    problem = problem_of(ContextualBandit(2), np.eye(2))
    result = train(problem, 2, "end-to-end", steps=256 * 30, settings=QUICK, welfare="nash")
    assert np.isfinite(result.evaluation.welfare)


def small_run(**others):
    problem = handful.make("resource-gathering", height=2, width=2)
    settings = {**FEW, "share_hidden": False}
    return train(problem, 2, "em", steps=256 * 4, settings=settings, **others)


def shifted(utilities):
    """Concave, and finite for every return there is."""
    return jnp.mean(jnp.log(1.0 + jnp.exp(utilities / 50.0)))


def test_a_run_folder_keeps_the_name_and_both_numbers(tmp_path):
    register_welfare("shifted", shifted)
    result = small_run(welfare=shifted, out=tmp_path / "run")
    assert result.config.welfare == "shifted"
    record = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert record["welfare_function"] == "shifted"
    assert record["optimum"] is record["percent_of_optimum"] is None
    utilities = result.evaluation.deterministic.utilities
    assert record["mean_utility"] == pytest.approx(utilities.mean())
    assert record["welfare"] == pytest.approx(np.log(1 + np.exp(utilities / 50)).mean(), rel=1e-5)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["settings"]["welfare"] == "shifted"
    again = resume(tmp_path / "run").evaluation
    assert (again.welfare, again.welfare_function) == (result.evaluation.welfare, "shifted")
    assert again.mean_utility == result.evaluation.mean_utility
    # Another process that knows no function of this name says so.
    del handful.welfare.WELFARES["shifted"]
    with pytest.raises(HandfulError, match="no welfare function named 'shifted'"):
        resume(tmp_path / "run")


def test_a_run_folder_imports_a_module_only_with_trust(tmp_path, monkeypatch):
    (tmp_path / "fairness.py").write_text(
        "import jax.numpy as jnp\n\ndef soft(u):\n    return jnp.mean(jnp.tanh(u / 100))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    result = small_run(welfare="fairness:soft", out=tmp_path / "run")
    del handful.welfare.WELFARES["fairness:soft"]
    with pytest.raises(HandfulError, match=r"'fairness:soft' is not known.*--trust"):
        resume(tmp_path / "run")
    assert resume(tmp_path / "run", trust=True).evaluation.welfare == result.evaluation.welfare
    folder = RunFolder(tmp_path / "run")
    assert "--trust" in resume_advice(folder, result.problem)


class StopAfter(handful.Callback):
    """Asks training to stop as a signal does."""

    def __init__(self, update):
        self._update = update

    def on_update(self, report):
        if report.update == self._update:
            raise TrainingInterrupted("stop", 15)


def test_an_unfinished_run_of_an_old_folder_is_utilitarian():
    problem = problem_of(ContextualBandit(2))
    run = Run(problem, config_of(1))
    settings = describe_run(run)["settings"]
    del settings["welfare"]
    config = handful.TrainConfig.from_dict(settings)
    assert Run(problem, config).is_utilitarian


@pytest.mark.parametrize(
    "method", [name for name in METHODS if name not in ("fixed",) and "em" in name]
)
def test_methods_that_choose_by_the_mean_user_are_refused_before_training(method):
    assert METHODS[method].info.only_utilitarian == (method in {"pooled-em", "family-em"})
    if method == "pooled-em":
        problem = problem_of(ContextualBandit(2))
        with pytest.raises(HandfulError, match="goes with the welfare 'utilitarian' only"):
            train(problem, 1, method, steps=256, settings=FEW, welfare="nash")


def test_auto_takes_a_method_that_suits_the_welfare():
    problem = handful.make("resource-gathering", height=2, width=2)
    config = {"steps": 256 * 2, "settings": {**FEW, "num_envs": 2}}
    assert train(problem, 1, **config).config.method == "elite-em"
    assert train(problem, 1, **config, welfare=shifted).config.method == "elite-em"
    robot = handful.make("ant", users=4)
    assert handful.prepare(robot, 1, steps=2048).config.method == "family-em"
    assert handful.prepare(robot, 1, steps=2048, welfare=shifted).config.method == "em"


def falls(utilities):
    return -jnp.mean(utilities)


def test_a_bad_function_is_refused_before_anything_is_written(tmp_path):
    problem = problem_of(ContextualBandit(2))
    with pytest.raises(HandfulError, match="falls where a user earns more"):
        train(problem, 1, steps=256, settings=FEW, welfare=falls, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_function_that_is_not_defined_at_the_users_returns_stops_the_run():
    """Everybody earns -1 from whatever a policy does, and log(-0.9) is no number."""
    problem = problem_of(ContextualBandit(2), -np.ones((2, 2)))
    with pytest.raises(HandfulError, match=r"no finite value.* at the users' returns in update 1:"):
        train(problem, 1, "em", steps=256 * 4, settings=FEW, welfare="nash")


def test_many_users_are_trained_for_by_blocks_as_by_one_table(monkeypatch):
    """With one block for all or several the run ends alike, in a welfare that weighs users."""
    problem = problem_of(ContextualBandit(3), np.tile(WISHES, (6, 1)))
    settings = {**QUICK, "num_epochs": 1}
    method_settings = {"policy": tuple(range(2)) * 6}
    ends = []
    for block in (100, 5):
        for module in (ledger_module, state_module):
            monkeypatch.setattr(module, "BLOCK", block)
        result = train(problem, 2, "fixed", method_settings=method_settings, steps=256 * 30,
                       settings=settings, welfare="nash")  # fmt: skip
        ends.append(result.evaluation)
    np.testing.assert_array_equal(ends[0].assignment, ends[1].assignment)
    assert ends[0].welfare == pytest.approx(ends[1].welfare, rel=1e-5)


def test_one_policy_for_many_users_takes_the_compromise(monkeypatch):
    for module in (ledger_module, state_module):
        monkeypatch.setattr(module, "BLOCK", 5)
    problem = problem_of(ContextualBandit(3), np.tile(WISHES, (6, 1)))
    result = train(problem, 1, "em", steps=256 * 80, settings=QUICK, welfare="nash")
    np.testing.assert_allclose(result.evaluation.deterministic.utilities, 0.45, atol=1e-6)


def test_settings_of_a_run_may_name_it_too():
    problem = problem_of(ContextualBandit(2))
    result = train(problem, 1, "em", steps=256, settings=FEW, run_settings={"welfare": "nash"})
    assert result.config.welfare == "nash"
    assert not Run(problem, result.config).is_utilitarian
    assert Run(problem, dataclasses.replace(result.config, welfare="utilitarian")).welfare is (
        utilitarian
    )
