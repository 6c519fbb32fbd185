"""Users from the command line: how many, by which seed, or from a file."""

import json

import pytest

from handful.cli.users import chosen_users
from handful.domains.speeds.targets import sample_targets
from tests.speeds import TOP_SPEED, cruise_registered

TINY = ["--steps", "64", "--collect.batch-size", "64", "--collect.num-envs", "8"]
TINY += ["--ppo.minibatch-size", "32", "--ppo.num-epochs", "1", "--no-tensorboard"]


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "users.csv"
        path.write_bytes(text.encode())
        return path

    return write


def test_only_what_was_asked_for_becomes_a_parameter():
    assert chosen_users(None, None, None) == {}
    assert chosen_users(7, 0, None) == {"users": 7, "population_seed": 0}


@pytest.fixture(autouse=True)
def cruise():
    """There is a task 'cruise'."""
    with cruise_registered():
        yield


def trained(call, tmp_path, *arguments):
    """The run folder's idea of its problem."""
    command = ["train", "cruise", "--policies", 2, "--out", "run", *TINY, *arguments]
    code, _, errors = call(*command)
    assert code == 0, errors
    return json.loads((tmp_path / "run" / "config.json").read_text())["problem"]


def test_a_run_draws_its_users_with_its_own_seed(call, tmp_path):
    problem = trained(call, tmp_path, "--seed", 3, "--users", 5)
    assert problem["parameters"] == {"users": 5, "population_seed": 3}
    assert problem["attributes"]["target"] == sample_targets(5, TOP_SPEED, 3).tolist()
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["optimum_kind"] == "upper bound"
    code, output, _ = call(
        *["optimum", "cruise", "--policies", 2, "--users", 5, "--seed", 3, "--json"]
    )
    assert code == 0
    assert json.loads(output)["welfare"] == evaluation["optimum"]


def test_a_run_of_a_file_keeps_its_users_and_can_be_opened_again(call, tmp_path, file):
    path = file("user,target,club\nann,1,a\nbob,3,b\ncleo,3,b\n")
    problem = trained(call, tmp_path, "--population", path)
    users, clubs = ["ann", "bob", "cleo"], ["a", "b", "b"]
    table = {"user": users, "target": ["1", "3", "3"], "club": clubs}
    assert problem["parameters"] == {"population": table}
    assert problem["users"] == users
    assert problem["attributes"] == {"target": [1, 3, 3], "club": clubs}
    path.unlink()
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["attributes"] == problem["attributes"]
    rows = (tmp_path / "run" / "assignment.csv").read_text().splitlines()
    assert rows[0].startswith("user,target,club,policy,return")
    assert rows[2].startswith("bob,3.0,b,")
    report = (tmp_path / "run" / "report.html").read_text()
    assert "Users by club" in report
    assert "<td>b</td>" in report
    assert "--population USERS.csv" in report
    code, output, _ = call("evaluate", "run", "--episodes", 4)
    assert code == 0
    assert "% of the upper bound 100.00" in output


def test_the_seed_of_the_users_can_be_another(call, tmp_path):
    problem = trained(call, tmp_path, "--seed", 3, "--users", 5, "--population-seed", 8)
    assert problem["parameters"] == {"users": 5, "population_seed": 8}


def test_the_bound_names_velocities_and_who_is_served(call, file):
    path = file("target\n1\n1.05\n1\n3\n2\n")
    code, output, _ = call("optimum", "cruise", "--policies", 2, "--population", path)
    assert code == 0
    lines = output.splitlines()
    assert lines[0] == "upper bound: welfare 75.0000 with 2 policies"
    assert lines[2] == "policy 0 serves 3 users: 1.0000 m/s"
    assert lines[3].startswith("policy 1 serves 1 user: ")
    assert lines[4] == "nobody serves 1 user"
    welfare = json.loads(
        call("optimum", "cruise", "--policies", 2, "--population", path, "--json")[1]
    )["welfare"]
    assert welfare == pytest.approx(75.0)


FIXED = "has users of its own"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "resource-gathering", "--users", "5"], FIXED),
        (["train", "resource-gathering", "--population-seed", "5"], FIXED),
        (["train", "resource-gathering", "--population", "good.csv"], FIXED),
        (["optimum", "resource-gathering", "--users", "5"], FIXED),
        (["optimum", "resource-gathering", "--seed", "5"], FIXED),
        (["optimum", "resource-gathering", "--population", "good.csv"], FIXED),
        (["optimum", "cruise", "--population", "none.csv"], "'none.csv' cannot be read"),
        (["train", "cruise", "--population", "twins.csv"], "'ann' again, as in line 2, in column"),
        (["train", "cruise", "--population", "empty.csv"], "'empty.csv' is empty"),
        (["train", "cruise", "--population", "mixed.csv"], "column 'user' of line 3 is not in UTF"),
        (["train", "cruise", "--population", "more.csv"], "column of numbers, 'age', that nothing"),
        (["train", "cruise", "--param.population", "less.csv"], "has no column 'target'"),
        (["train", "cruise", "--population", "bad.csv"], "'x' in column 'target' of line 2"),
        (["train", "cruise", "--population", "good.csv", "--users", "3"], "'users' is for users"),
        (["optimum", "cruise", "--population", "good.csv", "--seed", "3"], "'population_seed' is"),
        (["train", "cruise", "--users", "3", "--param.users", "3"], "'users' of the task"),
        (["optimum", "cruise", "--users", "0"], "at least one user, not 0"),
        (["optimum", "cruise", "--users", "1"], "number of users (1), not 2"),
        (["optimum", "cruise", "--seed", "-1"], "seed must be 0 or more, not -1"),
    ],
)
def test_one_sentence_and_exit_code_2(call, tmp_path, arguments, sentence):
    (tmp_path / "good.csv").write_text("target\n1\n2\n")
    (tmp_path / "bad.csv").write_text("target\nx\n")
    (tmp_path / "twins.csv").write_text("user,target\nann,1\nann,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "mixed.csv").write_bytes("user,target\nJosé,1\n".encode() + b"Jos\xe9,2\n")
    (tmp_path / "more.csv").write_text("age,target\n44,1\n")
    (tmp_path / "less.csv").write_text("user\nann\n")
    out = ["--out", "run"] if arguments[0] == "train" else []
    code, output, errors = call(*arguments, "--policies", "2", *out)
    assert code == 2
    assert sentence in errors
    assert len(errors.strip().splitlines()) == 1
    assert output == ""
    assert not (tmp_path / "run").exists()
