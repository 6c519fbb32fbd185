import json
import shutil

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.evaluation.returns import Measurement
from handful.problem import make
from handful.report.page import write_report
from handful.report.run import read_run
from handful.run_folder import RunFolder
from handful.training.loop import train
from handful.training.records import run_writer as record_module
from handful.training.records.run_reader import evaluation_of
from tests.environments import ContextualBandit, problem_of

FEW = {"batch_size": 64, "num_envs": 16, "minibatch_size": 32, "num_epochs": 1}


def run_of(problem, out, method="em"):
    result = train(problem, 2, method, steps=64, settings=FEW, out=out)
    folder = RunFolder(out)
    return result, folder, folder.read_evaluation()


def assert_same(one: Measurement, other: Measurement) -> None:
    for name in ("welfare", "welfare_stderr", "soft_welfare", "reassigned_welfare_stderr"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("utilities", "worst_episodes", "reassigned", "lengths", "returns_stderr"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.returns, other.returns)


@pytest.mark.parametrize("method", ["em", "end-to-end"])
def test_an_evaluation_is_read_as_it_was_measured(tmp_path, method):
    table = np.array([[1.0, 0.0], [0.0, 2.0], [0.5, 1.0]], np.float32)
    problem = problem_of(ContextualBandit(), table)
    result, folder, record = run_of(problem, tmp_path / "run", method)
    evaluation, shares = evaluation_of(folder, record, problem)
    assert_same(evaluation.deterministic, result.evaluation.deterministic)
    assert_same(evaluation.stochastic, result.evaluation.stochastic)
    np.testing.assert_array_equal(evaluation.assignment, result.assignment)
    assert (evaluation.seed, evaluation.num_episodes) == (0, 100)
    if method == "em":
        assert shares is None
    else:
        np.testing.assert_array_equal(shares, result.alpha)


def test_exact_rewards_are_read_as_they_were_measured(tmp_path, monkeypatch):
    problem = make("glide", users=300)
    result, folder, record = run_of(problem, tmp_path / "run")
    assert "feature_returns" not in record["deterministic"]
    evaluation, _ = evaluation_of(folder, record, problem)
    assert_same(evaluation.deterministic, result.evaluation.deterministic)


def test_a_run_with_many_users_lists_none_of_them_and_its_report_shows_some(tmp_path, monkeypatch):
    monkeypatch.setattr(record_module, "MOST_LISTED", 10)
    monkeypatch.setattr("handful.training.records.evaluation_files.SHOWN", 3)
    problem = make("market", users=20)
    result, folder, record = run_of(problem, tmp_path / "run")
    assert not {"users", "assignment", "returns", "attributes"} & record.keys()
    assert not {"returns", "utilities", "worst_episodes"} & record["deterministic"].keys()
    assert record["num_users"] == 20
    assert sum(record["users_per_policy"]) == 20
    assert not folder.returns.exists()
    # What any policy earns any user follows from what is kept.
    phi = np.array(record["deterministic"]["feature_returns"])
    assert phi.shape == (2, 3)
    measured = result.evaluation.deterministic
    np.testing.assert_allclose(problem.population.returns(phi), measured.returns)
    lines = folder.assignment.read_text().splitlines()
    assert lines[0] == "user,risk_aversion,taste,policy,return"
    assert len(lines) == 21
    shown = read_run(folder.path).results
    assert shown is not None
    np.testing.assert_array_equal(shown.assignment, result.assignment)
    assert len(shown.shown) < 20
    worst = measured.worst_user
    np.testing.assert_allclose(shown.returns_of(worst), measured.returns[:, worst])
    assert write_report(folder.path).is_file()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A problem, and the folder of a run for its five users."""
    problem = make("market", users=5)
    return problem, run_of(problem, tmp_path_factory.mktemp("small") / "run")[1].path


@pytest.fixture
def copied(small, tmp_path):
    """The problem, and a copy of the folder with its record, for a test that damages it."""
    problem, path = small
    folder = RunFolder(shutil.copytree(path, tmp_path / "run"))
    return problem, folder, folder.read_evaluation()


def test_a_small_run_lists_its_users(small):
    folder = RunFolder(small[1])
    record = folder.read_evaluation()
    assert record["users"] == [f"user-{i}" for i in range(5)]
    assert len(record["deterministic"]["returns"][0]) == 5
    assert len(folder.returns.read_text().splitlines()) == 1 + 2 * 2 * 5
    assert folder.assignment.read_text().splitlines()[0].endswith("return,share_0,share_1")


def test_damaged_arrays_are_told(copied):
    problem, folder, record = copied
    folder.users.write_bytes(folder.users.read_bytes()[:-8])
    with pytest.raises(HandfulError, match=r"users\.safetensors' cannot be read"):
        evaluation_of(folder, record, problem)


def test_arrays_of_another_run_are_told(copied, tmp_path):
    problem, folder, record = copied
    other = run_of(make("market", users=6), tmp_path / "other")[1]
    folder.users.write_bytes(other.users.read_bytes())
    with pytest.raises(HandfulError, match="is damaged or does not fit"):
        evaluation_of(folder, record, problem)
    assert json.loads(folder.evaluation.read_text()) == record
