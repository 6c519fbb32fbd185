"""What a page says of fairness: each number by hand."""

import json

import numpy as np
import pytest

from handful.report.fairness import fairness, served_utilities
from handful.report.page import write_report
from handful.report.plots.lorenz import gini_coefficient, lorenz
from handful.report.run import read_run
from tests.report.folders import write_run
from tests.sealing import seal

USERS = ["ann", "bob", "cem", "dee"]
WARDS = {"ward": ["north", "south", "north", "south"]}


def run_of(path, claims=None, utilities=None, attributes=WARDS, **changes):
    folder = write_run(path / "run", users=USERS, num_policies=2, attributes=attributes, **changes)
    config = json.loads((folder / "config.json").read_text())
    if claims is not None:
        config["settings"]["claims"] = claims
    (folder / "config.json").write_text(json.dumps(config))
    record = json.loads((folder / "evaluation.json").read_text())
    if utilities is not None:
        returns = np.full((2, 4), -5.0)
        returns[np.arange(4) % 2, np.arange(4)] = utilities
        for kind in ("deterministic", "stochastic"):
            record[kind] |= {"utilities": list(utilities), "returns": returns.tolist()}
    seal(folder, record)
    return folder


def read(folder):
    run = read_run(folder)
    assert run.results is not None
    return run, run.results, fairness(run, run.results)


def test_welfare_under_every_function_is_of_the_same_assignment(tmp_path):
    _, _, made = read(run_of(tmp_path, utilities=[1.0, 2.0, 4.0, 8.0]))
    values = {(row[0], "by ward" in row[1]): row[2] for row in made.welfares.rows}
    assert values["utilitarian (trained for)", False] == "3.75"
    assert values["nash", False] == "2.83"  # 64 ** (1 / 4)
    assert values["power:-2", False] == "1.74"  # ((1 + 1/4 + 1/16 + 1/64) / 4) ** (-1 / 2)
    assert values["gini", False] == "2.31"  # (7 * 1 + 5 * 2 + 3 * 4 + 8) / 16
    assert values["egalitarian", False] == "1.00"
    assert values["cvar:0.1", False] == "1.00"
    assert values["groups:egalitarian", True] == "2.50"  # the mean of ann and cem
    assert values["groups:nash", True] == "3.54"  # (2.5 * 5) ** (1 / 2)
    assert values["groups:utilitarian", True] == "3.75"


def test_where_somebody_gains_nothing_the_geometric_mean_is_not_defined(tmp_path):
    _, _, made = read(run_of(tmp_path, utilities=[-1.0, 2.0, 4.0, 8.0]))
    values = {row[0]: row[2] for row in made.welfares.rows}
    assert values["nash"].startswith("not defined")
    assert values["power:-2"].startswith("not defined")
    assert values["egalitarian"] == "-1.00"


def test_groups_and_policies_are_one_table_the_worst_served_group_first(tmp_path):
    _, _, made = read(run_of(tmp_path, utilities=[1.0, 2.0, 4.0, 8.0]))
    (table,) = made.groups
    assert table.header == ("ward", "users", "mean return", "lowest", "policy 0", "policy 1")
    assert table.rows == [
        ("north", "2", "2.50", "1.00", "2 (2.50)", "0"),
        ("south", "2", "5.00", "2.00", "0", "2 (5.00)"),
    ]


def test_who_is_below_a_floor_is_listed_with_how_much_is_missing(tmp_path):
    claims = {
        "floors": [
            {"least": 3.0},
            {"least": 0.5},
            {"least": 3.0, "of": "groups"},
            {"least": 4.0, "of": "share", "share": 0.75},
        ],
        "groups": WARDS["ward"],
    }
    _, _, made = read(run_of(tmp_path, claims, utilities=[1.0, 2.0, 4.0, 8.0]))
    assert "2 users of 4 get less than the floor." in made.sentences
    assert "Every user gets at least the floor (0.50)." in made.sentences
    assert "The mean of group north is 0.50 below its floor of 3.00." in made.sentences
    said = "Of all users, 1 user too few get at least 4.00, which 75 % must get."
    assert said in made.sentences
    (table,) = made.claims
    assert table.rows == [("ann", "1.00", "3.00", "2.00"), ("bob", "2.00", "3.00", "1.00")]
    assert made.groups[0].header[0] == "group"


def test_who_is_below_the_outside_option_is_listed(tmp_path):
    _, _, made = read(run_of(tmp_path, {"outside": [0.0, 2.5, 0.0, 0.0]}, [1.0, 2.0, 4.0, 8.0]))
    assert any("1 user with a policy gets less than it." in one for one in made.sentences)
    assert made.claims[0].rows == [("bob", "2.00", "2.50", "0.50")]


def test_the_price_of_fairness_is_what_the_mean_loses(tmp_path):
    folder = run_of(tmp_path, utilities=[1.0, 2.0, 4.0, 8.0])
    assert any("price of fairness is 0" in one for one in read(folder)[2].sentences)
    record = json.loads((folder / "evaluation.json").read_text())
    record["deterministic"]["returns"][1][0] = 5.0  # the other policy would earn ann 4 more
    seal(folder, record)
    (said,) = [one for one in read(folder)[2].sentences if "price of fairness" in one]
    assert "would be 4.75, and this assignment has 1.00 less (21.1 %)" in said


def test_users_without_a_policy_have_what_they_have_outside(tmp_path):
    run, results, _ = read(run_of(tmp_path, {"outside": 7.0}, [1.0, 2.0, 4.0, 8.0]))
    results.assignment[0] = -1
    assert served_utilities(run, results).tolist() == [7.0, 2.0, 4.0, 8.0]
    made = fairness(run, results)
    assert made.groups[0].header[-1] == "no policy"
    assert any("No policy fits 1 user" in one for one in made.sentences)


def test_the_first_sentence_knows_of_users_without_a_policy(tmp_path):
    folder = run_of(tmp_path, {"outside": 7.0}, [1.0, 2.0, 4.0, 8.0])
    served = " ".join(write_report(folder).read_text().split())
    assert "served by one of the policies. The policies were trained" in served
    record = json.loads((folder / "evaluation.json").read_text())
    seal(folder, record | {"num_no_policy_fits": 1, "no_policy_fits": ["ann"]})
    page = " ".join(write_report(folder).read_text().split())
    assert "one of the policies, except 1 user whom no policy fits" in page
    assert "from the policy that serves them, or have without one." in page


def test_the_curve_by_hand():
    users, shares, is_share = lorenz(np.array([3.0, 1.0, 4.0]))
    assert is_share
    np.testing.assert_allclose(users, [0.0, 1 / 3, 2 / 3, 1.0])
    np.testing.assert_allclose(shares, [0.0, 1 / 8, 4 / 8, 1.0])
    assert gini_coefficient(np.array([2.0, 2.0])) == pytest.approx(0.0)
    assert gini_coefficient(np.array([0.0, 1.0])) == pytest.approx(0.5)
    _, reached, is_share = lorenz(np.array([3.0, -1.0]))
    assert not is_share
    np.testing.assert_allclose(reached, [0.0, -0.5, 1.0])


def test_the_page_has_the_section_and_escapes_names(tmp_path):
    claims = {"floors": [{"least": 3.0}]}
    attributes = {"ward": ["<b>", "south", "<b>", "south"]}
    folder = run_of(tmp_path, claims, [1.0, 2.0, 4.0, 8.0], attributes)
    page = write_report(folder).read_text(encoding="utf-8")
    assert '<h2 id="fairness">' in page
    assert "Welfare of this assignment under each function" in page
    assert "Users below their floor" in page
    assert "&lt;b&gt;" in page
    assert "<td><b>" not in page
    assert (folder / "plots" / "lorenz.svg").is_file()
