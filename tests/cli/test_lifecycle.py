"""A run is revised, compared and given to further users from the command line."""

import json

import pytest

from tests.training.helpers import TINY

TASK = ("resource-gathering", "--param.height", 2, "--param.width", 2)
SETTINGS = ("--policies", 2, "--no-tensorboard", "--ppo.hidden-sizes", 16)
BATCH = ("--collect.num-envs", 8, "--collect.batch-size", 256)


@pytest.mark.slow
def test_a_run_is_revised_compared_and_given_to_more_users(call, tmp_path):
    steps = ("--steps", 2 * TINY["batch_size"])
    first = call("train", *TASK, *SETTINGS, *BATCH, *steps, "--method", "em", "--out", "first")
    assert first[0] == 0, first[2]
    frozen = ("--start-from", "first", "--freeze", 0, "--seed", 1)
    code, _, errors = call(
        "train", *TASK, "--policies", 2, "--no-tensorboard", *steps, *frozen, "--out", "second"
    )
    assert code == 0, errors
    code, output, errors = call("compare", "first", "second")
    assert code == 0, errors
    assert "verdict: non-inferior" in output
    code, output, _ = call("compare", "first", "second", "--json")
    assert json.loads(output)["policies"][0]["same_as"] == 0

    assert call("export", "first", "--out", "bundle.zip")[0] == 0
    frozen = ("--start-from", "bundle.zip", "--freeze", 1, "--seed", 1)
    code, _, errors = call(
        "train", *TASK, "--policies", 2, "--no-tensorboard", *steps, *frozen, "--out", "third"
    )
    assert code == 0, errors
    assert json.loads(call("compare", "first", "third", "--json")[1])["policies"][1]["same_as"] == 1

    known = (tmp_path / "first/assignment.csv").read_text().splitlines()[1].split(",")[0]
    (tmp_path / "users.csv").write_text(f"user,a,b,c,d\n{known},1,0,0,0\nnew,0,0,1,1\n")
    code, output, errors = call("assign", "first", "users.csv")
    assert code == 0, errors
    assert "1 new user" in output
    (tmp_path / "users.csv").write_text("user,a\nuser-0,1\n")
    assert "other features" in call("assign", "first", "users.csv")[2]

    code, output, errors = call("resume", "first", "--steps", 1024, "--no-tensorboard")
    assert code == 0, errors
    assert (tmp_path / "first/before-1/evaluation.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--freeze", 0), "--freeze goes with --start-from"),
        (("--start-from", "nowhere"), "no run folder at 'nowhere'"),
        (("--start-from", "nowhere.zip"), "no bundle at 'nowhere.zip'"),
    ],
)
def test_a_start_that_is_not_there_is_told(call, arguments, sentence):
    code, _, errors = call("train", *TASK, "--policies", 2, *arguments, "--out", "run")
    assert code == 2
    assert sentence in errors
