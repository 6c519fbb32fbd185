"""What a bundle says of returns and users, by hand."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

import handful
from handful.evaluation.played import FeatureReturns, ReturnTable
from handful.evaluation.returns import Evaluation, summarize
from handful.export.bundle import bundle_files, check_target, write_bundle
from handful.export.tables import (
    assignment_header,
    assignment_rows,
    feature_returns,
    users_header,
    users_rows,
)
from tests.bundles import nested_problem, random_policies, release_of

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")

SPEEDS, CALMS = (1.0, 3.0, 1.0, 3.0), (2.0, 2.0, 4.0, 4.0)
FEATURES = np.array(  # [E, K, D]
    [[[speed, 0.0], [0.0, calm]] for speed, calm in zip(SPEEDS, CALMS, strict=True)]
)
WEIGHTS = [[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]]


def a_problem(user_ids=("ann", "=bob", "cle,o")):
    population = handful.Population(np.array(WEIGHTS), user_ids=user_ids)
    return replace(nested_problem(), population=population)


def measured(problem, assignment, features=FEATURES, shares=None):
    played = FeatureReturns(features, problem.population)
    one = summarize(played, np.full((4, 2), 7), np.array(assignment), shares)
    return Evaluation(np.array(assignment), 4, 0, one, one)


def test_returns_in_features_have_errors_and_covariances():
    problem = a_problem()
    found = feature_returns(problem, measured(problem, [0, 1, 1]), ("speed", "calm"))
    first, second = found["policies"]
    assert (first["mean"], second["mean"]) == ([2.0, 0.0], [0.0, 3.0])
    # Four episodes with the values 1, 3, 1, 3: a variance of 4/3, and of their mean 1/3.
    assert first["stderr"] == pytest.approx([np.sqrt(1 / 3), 0.0])
    np.testing.assert_allclose(first["covariance"], [[1 / 3, 0.0], [0.0, 0.0]])
    assert first["length"] == 7.0
    assert found["names"] == ["speed", "calm"]
    assert found["episodes"] == 4


@pytest.mark.parametrize("seed", range(5))
def test_a_covariance_gives_the_error_of_every_users_return(seed):
    rng = np.random.default_rng(seed)
    problem = a_problem()
    features = rng.normal(size=(4, 2, 2)) @ rng.normal(size=(2, 2))
    evaluation = measured(problem, [0, 1, 1], features)
    found = feature_returns(problem, evaluation, ())
    for k in (0, 1):
        covariance = np.array(found["policies"][k]["covariance"])
        errors = np.sqrt([w @ covariance @ w for w in np.array(WEIGHTS)])
        np.testing.assert_allclose(errors, evaluation.deterministic.returns_stderr[k])


def test_rewards_that_are_not_linear_have_no_returns_in_features():
    problem = a_problem()
    payed = replace(problem.population, reward_fn=lambda outcome: outcome)
    problem = replace(problem, population=payed)
    one = summarize(ReturnTable(np.zeros((4, 2, 3))), np.ones((4, 2)), np.array([0, 1, 1]))
    found = feature_returns(problem, Evaluation(np.array([0, 1, 1]), 4, 0, one, one), ())
    assert found["policies"] == []
    assert "not linear" in found["why_no_policies"]


def test_the_assignment_says_how_far_ahead_a_policy_is_and_why_a_user_has_it():
    problem = a_problem()
    rows = list(assignment_rows(problem, measured(problem, [0, 1, 1]), None))
    # Returns of ann: 2 and 0; of bob: 0 and 3; of cleo: 4 and 3, though she has the second.
    third = np.sqrt(1 / 3)
    assert [row[:2] for row in rows] == [["ann", 0], ["=bob", 1], ["cle,o", 1]]
    assert [row[2] for row in rows] == [2.0, 3.0, 3.0]
    assert [row[4] for row in rows] == [1, 0, 0]
    assert [row[5] for row in rows] == [2.0, 3.0, -1.0]
    # Of cleo's margin: the episodes' differences are 0, -4, 2 and -2, with a variance of 20/3.
    assert [row[6] for row in rows] == pytest.approx([third, third, np.sqrt(20 / 3 / 4)])
    assert [row[7] for row in rows] == [
        "highest measured return",
        "highest measured return",
        "choice of the method; policy 0 measured higher",
    ]


def test_one_policy_has_no_margin_and_shares_have_columns():
    problem = a_problem()
    played = FeatureReturns(FEATURES[:, :1], problem.population)
    one = summarize(played, np.ones((4, 1)), np.zeros(3, int))
    rows = list(assignment_rows(problem, Evaluation(np.zeros(3, int), 4, 0, one, one), None))
    assert [row[4:] for row in rows] == [[None, None, None, "only policy"]] * 3
    shares = np.array([[0.75, 0.25], [0.0, 1.0], [0.25, 0.75]])
    rows = list(assignment_rows(problem, measured(problem, [0, 1, 1], shares=shares), shares))
    assert [row[-2:] for row in rows] == shares.tolist()
    assert assignment_header(shares)[-2:] == ["share_0", "share_1"]


def test_users_are_there_only_if_they_are_asked_for_and_names_come_back():
    problem = a_problem()
    release = release_of(problem, random_policies(problem, 2), [0, 1, 1])
    private = bundle_files(release, False)
    assert "users.csv" not in private
    for data in private.values():
        assert b"weights" not in data or b"2.0,1.0" not in data
    files = bundle_files(release, True)
    rows = list(csv.reader(io.StringIO(files["users.csv"].decode())))
    assert rows[0] == ["user", "feature_0", "feature_1"]
    assert [list(map(float, row[1:])) for row in rows[1:]] == WEIGHTS
    assert rows[2][0] == "'=bob"  # a spreadsheet would compute it
    assert json.loads(files["manifest.json"])["with_users"] is True


def test_a_feature_that_is_called_like_an_attribute_has_another_column():
    population = handful.Population(
        np.array([[1.0, 2.0]]), attributes={"speed": [3.0]}, feature_names=("speed", "calm")
    )
    assert users_header(population, population.feature_names) == [
        "user",
        "speed",
        "weight of speed",
        "calm",
    ]
    assert list(users_rows(population)) == [["user-0", 3.0, 1.0, 2.0]]


@pytest.mark.parametrize("zipped", [False, True])
def test_nothing_is_written_over(tmp_path, zipped):
    taken = tmp_path / ("bundle.zip" if zipped else "bundle")
    taken.mkdir()
    with pytest.raises(handful.HandfulError, match="a bundle is never changed"):
        check_target(tmp_path / "bundle", zipped)
    (tmp_path / "link.zip").symlink_to(tmp_path / "nowhere")
    with pytest.raises(handful.HandfulError, match="a bundle is never changed"):
        check_target(tmp_path / "link.zip", False)
    taken.rmdir()
    folder, archive = check_target(tmp_path / "bundle", zipped)
    problem = a_problem()
    release = release_of(problem, random_policies(problem, 2), [0, 1, 1])
    write_bundle(release, folder, archive, False)
    assert (archive is not None) == zipped
    with pytest.raises(handful.HandfulError, match="exists by now"):
        write_bundle(release, folder, archive, False)
    left = {path.name for path in tmp_path.iterdir()} - {"link.zip"}
    assert left == {"bundle", "bundle.zip"} if zipped else {"bundle"}
    for path in (tmp_path / "bundle").rglob("*"):
        assert path.is_dir() or not path.stat().st_mode & 0o222
