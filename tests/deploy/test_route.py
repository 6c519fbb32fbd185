"""A bundle routes new users, from Python and from the command line, without a simulator."""

import csv
import json

import numpy as np
import pytest

import handful
from handful.cli.main import main
from handful.errors import HandfulError
from handful.export.bundle import bundle_files
from handful.routing import Returns
from tests.bundles import nested_problem, put, random_policies, release_of

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")


@pytest.fixture(scope="module")
def release():
    problem = nested_problem()
    return release_of(problem, random_policies(problem, 3), np.array([0, 1, 2]))


@pytest.fixture(scope="module")
def folder(release, tmp_path_factory):
    return put(bundle_files(release, True), tmp_path_factory.mktemp("route") / "bundle")


def test_routes_follow_from_the_evaluation_that_the_bundle_tells(release, folder):
    bundle = handful.load(folder)
    routes = bundle.route([[1.0], [-1.0], [0.5]], least=[-9.0, -9.0, 9.0])
    episodes = release.evaluation.deterministic.played.features[:, :, 0]
    mean = episodes.mean(axis=0)
    top, low = int(mean.argmax()), int(mean.argmin())
    assert routes.best.tolist() == [top, low, top]
    assert routes.policy.tolist() == [top, low, -1]
    # Policies are compared episode by episode, as their chance is the same.
    second = int(routes.second[0])
    apart = episodes[:, top] - episodes[:, second]
    joint = Returns.read(bundle.features, "b").joint[:, 0, :, 0]
    variance = joint[top, top] + joint[second, second] - 2 * joint[top, second]
    assert variance == pytest.approx(apart.var(ddof=1) / len(apart))
    # A part of the margin may be luck.
    assert 0.0 < routes.margin[0] <= apart.mean() * (1 + 1e-9)


def test_a_bundle_with_its_users_is_its_own_prior(folder, release, tmp_path):
    router = handful.load(folder).router()
    np.testing.assert_allclose(router.prior[:3], [[1.0], [-1.0], [0.5]])
    without = handful.load(put(bundle_files(release, False), tmp_path / "without"))
    with pytest.raises(HandfulError, match="without its users' weights: give a prior"):
        without.router()
    assert without.router(prior=[[2.0]]).prior.tolist() == [[2.0]]


def called(arguments, capsys):
    try:
        main([str(one) for one in arguments])
        code = 0
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


def test_the_command_gives_a_table_of_users_their_policies(folder, tmp_path, capsys):
    users = tmp_path / "new.csv"
    users.write_text("user,feature_0\nann,1\nbob,-2\n")
    routes = handful.load(folder).route([[1.0], [-2.0]], ["ann", "bob"])
    code, text, said = called(["assign", folder, users], capsys)
    rows = list(csv.DictReader(text.splitlines()))
    assert code == 0
    assert [row["user"] for row in rows] == ["ann", "bob"]
    assert [int(row["policy"]) for row in rows] == routes.policy.tolist()
    assert [float(row["confidence"]) for row in rows] == routes.confidence.tolist()
    assert "no policy fits: 0" in said
    out = tmp_path / "routes.csv"
    code, text, said = called(["assign", folder, users, "--least", 99, "--out", out], capsys)
    assert (code, text) == (0, "")
    assert "no policy fits: 2" in said
    assert [row["policy"] for row in csv.DictReader(out.read_text().splitlines())] == ["", ""]
    code, text, _ = called(["assign", folder, users, "--json"], capsys)
    assert json.loads(text)["digest"] == handful.load(folder).digest


def test_the_command_says_which_column_is_missing(folder, tmp_path, capsys):
    users = tmp_path / "new.csv"
    users.write_text("user,speed\nann,1\n")
    code, _, said = called(["assign", folder, users], capsys)
    assert code == 2
    assert "feature_0" in said
