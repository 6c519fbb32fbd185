"""A finished run is read, compared and given to further users from its files alone."""

import json
import shutil

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.learner.policies_file import digests_of_policies
from tests.training.helpers import TINY


def problem():
    task = handful.make("resource-gathering", height=2, width=2)
    wishes = np.arange(1.0, 1.0 + 5 * task.num_features).reshape(5, -1) % 7.0
    users = handful.Population(wishes, task.population.features, tuple("abcde"))
    return handful.RMDP(task.environment, users, return_scale=10.0)


def train(out, **more):
    return handful.train(
        problem(), 2, "em", steps=4 * TINY["batch_size"], settings=TINY, out=out, **more
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service") / "run"
    return train(folder), folder


@pytest.fixture
def no_problem_later(monkeypatch):
    """After the call no problem can be made, and no episode can be played."""

    def forbidden(*_, **__):
        raise AssertionError("reading must not make a problem or play")

    def forbid():
        for name in (
            "handful.training.records.run_reader.make_stored",
            "handful.collect.episodes.make_player",
            "handful.evaluation.played.make_player",
        ):
            monkeypatch.setattr(name, forbidden)

    return forbid


@pytest.fixture
def no_problem(no_problem_later):
    """No problem can be made, and no episode can be played."""
    no_problem_later()


def test_a_finished_run_is_read_without_its_problem(run, no_problem):
    result, folder = run
    stored = handful.load_run(folder)
    assert stored.welfare == result.evaluation.welfare
    assert stored.transitions == result.transitions
    np.testing.assert_array_equal(stored.assignment, result.assignment)
    assert digests_of_policies(stored.policies) == digests_of_policies(result.policies)
    np.testing.assert_array_equal(
        stored.evaluation.deterministic.returns, result.evaluation.deterministic.returns
    )
    np.testing.assert_array_equal(
        stored.population.coefficients, result.problem.population.coefficients
    )
    np.testing.assert_allclose(
        stored.service.utilities, result.evaluation.deterministic.utilities, rtol=1e-5
    )
    assert [one.kind for one in stored.findings] == [one.kind for one in result.findings]


def test_users_with_a_feature_each_are_kept_without_a_table(tmp_path):
    task = handful.make("resource-gathering", height=2, width=2)
    result = handful.train(
        task, 2, "random", steps=TINY["batch_size"], settings=TINY, out=tmp_path / "run"
    )
    stored = handful.load_run(tmp_path / "run")
    np.testing.assert_array_equal(stored.population.coefficients, np.eye(task.num_users))
    assert stored.population.user_ids == result.problem.population.user_ids


def test_a_run_equals_itself_and_differs_from_another(run, tmp_path):
    result, folder = run
    same = handful.compare(folder, result)
    assert (same.verdict, same.welfare_difference, same.welfare_stderr) == ("non-inferior", 0, 0)
    other = train(tmp_path / "other", seed=1)
    found = handful.compare(folder, other)
    expected = other.evaluation.mean_utility - result.evaluation.mean_utility
    assert found.welfare_difference == pytest.approx(expected, rel=1e-5)
    assert not found.is_paired  # their evaluations had other seeds


def test_assignments_of_more_users_have_versions_and_say_what_they_changed(
    run, tmp_path, no_problem
):
    _, original = run
    folder = tmp_path / "run"
    shutil.copytree(original, folder)
    stored = handful.load_run(folder)
    wishes = np.asarray(stored.population.coefficients)
    more = handful.Population(np.concatenate([wishes, wishes[:1]]), user_ids=tuple("abcdef"))
    first = handful.assign_users(folder, more)
    assert (first.version, first.changes.new_users) == (1, ("f",))
    best = (more.coefficients @ stored.service.returns.T).max(axis=1)
    np.testing.assert_allclose(first.service.utilities, best, rtol=1e-6)
    lines = (folder / "assignments/v1/assignment.csv").read_text().splitlines()
    assert lines[0] == "user,policy,return,margin,margin_stderr"
    assert len(lines) == 7

    fewer = handful.Population(-more.coefficients[1:], user_ids=tuple("bcdef"))
    second = handful.assign_users(folder, fewer)
    assert (second.version, second.changes.gone_users) == (2, ("a",))
    assert second.changes.num_changed_wishes == 5
    assert (second.changes.old_policy == first.service.assignment[1:]).all()
    changes = json.loads((folder / "assignments/v2/changes.json").read_text())
    assert changes["num_users"] == 5

    (folder / "assignments/v2/wishes.safetensors").write_bytes(
        (folder / "assignments/v1/wishes.safetensors").read_bytes()
    )
    with pytest.raises(HandfulError, match="v2' is damaged"):
        handful.assign_users(folder, more)


@pytest.mark.parametrize("source", [3, "nowhere"])
def test_what_serves_nobody_is_refused(run, source):
    with pytest.raises(HandfulError):
        handful.compare(run[1], source)


def test_users_of_other_features_are_refused(run):
    with pytest.raises(HandfulError, match="other features"):
        handful.assign_users(run[1], handful.Population.from_array([[1.0]]), keep=False)


def test_bundles_are_compared_by_their_files(run, tmp_path, no_problem_later):
    """A policy that stayed is the same file; a bundle without wishes takes those of the other."""
    result, folder = run
    revised = handful.train(
        problem(), 2, start_from=result, frozen=[0], steps=1024, seed=1, out=tmp_path / "second"
    )
    before = result.save(tmp_path / "before", with_users=True)
    after = revised.save(tmp_path / "after")
    no_problem_later()
    found = handful.compare(before, after)
    assert found.sources[0] == 0
    expected = revised.evaluation.mean_utility - result.evaluation.mean_utility
    assert found.welfare_difference == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert handful.compare(after, before).welfare_difference == pytest.approx(-expected, abs=1e-4)
    with pytest.raises(HandfulError, match="--with-users"):
        handful.compare(after, after)
    assert handful.compare(folder, after).welfare_difference == pytest.approx(expected, abs=1e-4)
