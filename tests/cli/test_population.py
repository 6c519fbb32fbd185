"""Users from the command line: how many, by which seed, or from a file."""

import json

import pytest

from handful.cli.population import chosen_users, read_population
from handful.envs.mujoco.targets import sample_targets
from handful.errors import HandfulError
from tests.speeds import TOP_SPEED, cruise_registered

TINY = ["--steps", "64", "--set", "batch_size=64", "--set", "num_envs=8"]
TINY += ["--set", "minibatch_size=32", "--set", "num_epochs=1", "--no-tensorboard"]


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "users.csv"
        path.write_bytes(text.encode())
        return path

    return write


def test_targets_alone(file):
    path = file("target\n1.5\n0\n2e-1\n")
    assert read_population(path) == {"targets": (1.5, 0.0, 0.2)}


def test_names_in_any_column_and_other_columns_are_fine(file):
    path = file('\ufeffage, target ,user\r\n44,1.5,ann\r\n\r\n31,2," bob"\r\n')
    assert read_population(path) == {"targets": (1.5, 2.0), "user_ids": ("ann", "bob")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no column 'target': its line 1"),
        ("user,speed\nann,1\n", "has no column 'target'"),
        ("user,target\n", "has no users"),
        ("target\n1\nfast\n", "'fast' in column 'target' of line 3"),
        ("target\n1\n\nnan\n", "'nan' in column 'target' of line 4"),
        ("target\ninf\n", "'inf' in column 'target' of line 2"),
        ("target\n-0.5\n", "'-0.5' in column 'target' of line 2"),
        ("user,target\nann\n", "'' in column 'target' of line 2"),
        ("user,target\nann,1\nbob,2\nann,3\n", "'ann' again, as in line 2, in column 'user' of"),
        ("user,target\nann,1\n,2\n", "nothing in column 'user' of line 3"),
        ("target,user\n1,ann\n2\n", "nothing in column 'user' of line 3"),
        ('target\n"1\n2"\n', r"'1\n2' in column 'target' of line 3"),
        ('target\n1\n"2\n3\n', "cannot be read (unexpected end of data)"),
    ],
)
def test_a_bad_file_is_one_sentence_with_file_line_and_column(file, text, sentence):
    path = file(text)
    with pytest.raises(HandfulError) as error:
        read_population(path)
    assert sentence in str(error.value)
    assert f"'{path}'" in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_text(file, tmp_path):
    path = tmp_path / "binary.csv"
    path.write_bytes(b"target\n\xff\xfe\n")
    for unreadable in (path, tmp_path, tmp_path / "none.csv"):
        with pytest.raises(HandfulError, match="cannot be read"):
            read_population(unreadable)


def test_a_million_users(file):
    path = file("user,target\n" + "".join(f"u{i},{i / 1e6}\n" for i in range(1_000_000)))
    read = read_population(path)
    assert read["targets"] == tuple(i / 1e6 for i in range(1_000_000))
    assert read["user_ids"][-1] == "u999999"


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
    path = file("user,target\nann,1\nbob,3\ncleo,3\n")
    problem = trained(call, tmp_path, "--population", path)
    assert problem["parameters"] == {"targets": [1, 3, 3], "user_ids": ["ann", "bob", "cleo"]}
    assert problem["users"] == ["ann", "bob", "cleo"]
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
    assert lines[3].startswith("policy 1 serves 1 users: ")
    assert lines[4] == "nobody serves 1 users"
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
        (["train", "cruise", "--population", "bad.csv"], "'x' in column 'target' of line 2"),
        (["train", "cruise", "--population", "good.csv", "--users", "3"], "'users' is for users"),
        (["optimum", "cruise", "--population", "good.csv", "--seed", "3"], "'population_seed' is"),
        (["train", "cruise", "--users", "3", "--param", "users=3"], "'users' of the task"),
        (["optimum", "cruise", "--users", "0"], "at least one user, not 0"),
        (["optimum", "cruise", "--users", "1"], "number of users (1), not 2"),
        (["optimum", "cruise", "--seed", "-1"], "seed must be 0 or more, not -1"),
    ],
)
def test_one_sentence_and_exit_code_2(call, tmp_path, arguments, sentence):
    (tmp_path / "good.csv").write_text("target\n1\n2\n")
    (tmp_path / "bad.csv").write_text("target\nx\n")
    out = ["--out", "run"] if arguments[0] == "train" else []
    code, output, errors = call(*arguments, "--policies", "2", *out)
    assert code == 2
    assert sentence in errors
    assert len(errors.strip().splitlines()) == 1
    assert output == ""
    assert not (tmp_path / "run").exists()
