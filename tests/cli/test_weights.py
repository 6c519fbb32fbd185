"""Users with linear preferences from a file, from the command line to the results."""

import json

import polars as pl
import pytest

from tests.weights import arms_registered

TINY = ["--steps", "64", "--collect.batch-size", "64", "--collect.num-envs", "8"]
TINY += ["--ppo.minibatch-size", "32", "--ppo.num-epochs", "1", "--no-tensorboard"]


@pytest.fixture(autouse=True)
def arms():
    """There is a task 'arms'."""
    with arms_registered():
        yield


def test_a_table_of_weights_goes_all_the_way(call, tmp_path):
    frame = pl.DataFrame(
        {
            "id": ["ann", "bob", "cleo"],
            "right": [1.0, 0.5, 0.0],
            "left": [0.0, 0.5, 1.0],
            "Ward": "a",
        }
    )
    frame.write_parquet(tmp_path / "users.parquet")
    command = ["train", "arms", "--policies", 2, "--population", "users.parquet", "--out", "run"]
    code, _, errors = call(*command, *TINY)
    assert code == 0, errors
    (tmp_path / "users.parquet").unlink()
    problem = json.loads((tmp_path / "run" / "config.json").read_text())["problem"]
    assert problem["users"] == ["ann", "bob", "cleo"]
    assert problem["feature_names"] == ["left", "right"]
    assert problem["attributes"] == {"Ward": ["a", "a", "a"]}
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["attributes"] == problem["attributes"]
    # Bob gets a half whatever is done.
    assert [returns[1] for returns in evaluation["returns"]] == pytest.approx([0.5, 0.5])
    assert (tmp_path / "run" / "assignment.csv").read_text().startswith("user,Ward,policy,return")
    code, output, errors = call("evaluate", "run", "--episodes", 4, "--json")
    assert code == 0, errors
    assert json.loads(output)["users"] == ["ann", "bob", "cleo"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"left,right\n", "has no users"),
        (b"left,rigth\n1,2\n", "has no column 'right' (did you mean 'rigth'?)"),
        (b"left,right,up\n1,2,3\n", "has a column of numbers, 'up', that nothing asks for"),
        (b"left,right\n1,2\n1,lots\n", "'lots' in column 'right' of line 3"),
        (b"left,right\n1,2\n1,\n", "'' in column 'right' of line 3"),
        (b"left,right\nnan,2\n", "'nan' in column 'left' of line 2"),
        (b"id,left,right\nann,1,2\nann,1,2\n", "'ann' again, as in line 2, in column 'id' of"),
        (b"left,right\n1,2\n0,0\n", "only weights of 0 in line 3 (columns left, right)"),
        (b"id,left,right\nann,1,2\n\xe9va,1,2\n", "column 'id' of line 3 is not in UTF-8"),
        (b"left,right\n1,2,3\n", "has 3 entries in line 2"),
        (b"left,right\n1,2\n1,2\n1,2\n1,2\n", "more than 3 users (at line 5)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_table_is_one_sentence_and_leaves_nothing(
    call, tmp_path, monkeypatch, content, sentence
):
    monkeypatch.setattr("handful.users.table.MAX_USERS", 3)
    (tmp_path / "bad.csv").write_bytes(content)
    command = ["train", "arms", "--policies", 1, "--population", "bad.csv", "--out", "run"]
    code, output, errors = call(*command)
    assert code == 2
    assert "The population 'bad.csv'" in errors
    assert sentence in errors
    assert len(errors.strip().splitlines()) == 1
    assert output == ""
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_the_markets_table_has_columns_of_its_own(call, tmp_path):
    (tmp_path / "users.csv").write_text("id;Risk Aversion;bank\nann;2,5;x\nbob;8;y\n")
    command = ["optimum", "market", "--policies", 2, "--population", "users.csv"]
    code, output, errors = call(*command)
    assert code == 0, errors
    assert output.splitlines()[2:] == [
        "policy 0 serves 1 user: 2.5000 relative risk aversion",
        "policy 1 serves 1 user: 8.0000 relative risk aversion",
    ]
    (tmp_path / "users.csv").write_text("id,risk_aversion\nann,0\n")
    code, _, errors = call(*command)
    assert code == 2
    assert "'0' in column 'risk_aversion' of line 2" in errors


def test_users_whom_a_fund_costs_money_are_served_all_the_same(call):
    code, output, _ = call("optimum", "market", "--policies", 1, "--users", 50)
    assert code == 0
    assert "policy 0 serves 50 users" in output
    assert "nobody serves" not in output
