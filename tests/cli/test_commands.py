"""The commands end to end, on a grid that trains in a second."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from tests.programs import handful, handful_here

SMALL = ["--param.height", "2", "--param.width", "2", "--collect.batch-size", "256"]
SMALL += ["--collect.num-envs", "8", "--ppo.num-epochs", "4", "--no-tensorboard"]


EM = ["--method", "em", "--method.warm-up", "5"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run in `demo`, and what training printed."""
    folder = tmp_path_factory.mktemp("runs")
    arguments = ["--policies", 2, "--steps", 10_000, *EM, *SMALL]
    done = handful("train", "resource-gathering", *arguments, "--out", "demo", "--json", cwd=folder)
    return folder, json.loads(done.stdout)


def test_train_writes_a_whole_run_folder(finished):
    folder, record = finished
    names = {path.name for path in (folder / "demo").iterdir()}
    assert names >= {
        "config.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
        "assignment.csv",
        "returns.csv",
        "evaluation.json",
        "traces.json",
        "plots",
        "report.html",
    }
    assert record["optimum_kind"] == "exact"
    assert record["percent_of_optimum"] == pytest.approx(
        100 * record["welfare"] / record["optimum"]
    )
    assert len(record["assignment"]) == 4
    assert len(record["returns"]) == 2
    assert not [name for name in names if name.startswith(".")]


def test_evaluate_gives_what_training_stored(finished):
    folder, record = finished
    again = json.loads(handful_here("evaluate", "demo", "--json", cwd=folder).stdout)
    for key in ("welfare", "welfare_stderr", "optimum", "assignment", "returns", "stochastic"):
        assert again[key] == record[key]


def test_evaluate_writes_every_users_return_from_every_policy(finished):
    folder, record = finished
    done = handful_here("evaluate", "demo", "--returns", "returns.parquet", "--json", cwd=folder)
    assert json.loads(done.stdout)["returns"] == record["returns"]
    table = pl.read_parquet(folder / "returns.parquet")
    assert table.columns == ["user", "policy_0", "policy_1"]
    assert table["user"].to_list() == record["users"]
    np.testing.assert_allclose(table.drop("user").to_numpy().T, record["returns"])


def test_the_place_of_the_returns_is_looked_at_first(finished):
    folder, _ = finished
    done = handful_here("evaluate", "demo", "--returns", ".", cwd=folder, check=False)
    assert done.returncode == 2
    assert done.stderr == "handful: '.' is a folder: name a file with --returns.\n"


def test_evaluate_prints_a_summary_for_people(finished):
    folder, _ = finished
    output = handful_here("evaluate", "demo", "--episodes", 10, "--seed", 7, cwd=folder).stdout
    assert "welfare" in output
    assert "% of the exact optimum" in output


def test_optimum_speaks_json_and_english(tmp_path):
    grid = ["--param.height", "2", "--param.width", "2"]
    arguments = ["optimum", "resource-gathering", "--policies", 1, *grid]
    result = json.loads(handful_here(*arguments, "--json", cwd=tmp_path).stdout)
    assert result["kind"] == "exact"
    assert result["welfare"] == 96.0  # all four tiles in four steps
    assert "exact: welfare 96.0000" in handful_here(*arguments, cwd=tmp_path).stdout


def test_optimum_shows_what_larger_budgets_would_bring(tmp_path):
    """Two tiles: a walk to both takes two steps, one that stays at the start takes one."""
    arguments = ["optimum", "resource-gathering", "--policies", 1, 2]
    arguments += ["--param.height", "1", "--param.width", "2"]
    lines = handful_here(*arguments, cwd=tmp_path).stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["policies", "welfare", "gained", "kind"],
        ["1", "98.0000", "exact"],
        ["2", "98.5000", "+0.5000", "exact"],
    ]
    found = json.loads(handful_here(*arguments, "--json", cwd=tmp_path).stdout)
    assert [(best["num_policies"], best["welfare"]) for best in found] == [(1, 98.0), (2, 98.5)]


def test_help_names_units_and_defaults(tmp_path):
    text = " ".join(handful_here("train", "--help", cwd=tmp_path).stdout.split())
    assert "Transitions per policy" in text
    assert "(default: 1000000)" in text


def test_a_fixed_assignment_comes_from_a_file_by_the_users_names(tmp_path):
    """And from the file that the run itself writes, whatever the order of its lines."""
    rows = ["tile-1-1,0", "tile-0-0,1", "tile-1-0,1", "tile-0-1,0"]
    (tmp_path / "who.csv").write_text("\n".join(["user,policy", *rows]))
    arguments = ["--policies", 2, "--steps", 512, "--method", "fixed", *SMALL, "--json"]
    command = ["train", "resource-gathering", *arguments, "--assignment"]
    done = handful_here(*command, "who.csv", "--out", "fixed", cwd=tmp_path)
    assert json.loads(done.stdout)["assignment"] == [1, 0, 1, 0]
    header, *lines = (tmp_path / "fixed" / "assignment.csv").read_text().splitlines()
    (tmp_path / "again.csv").write_text("\n".join([header, *reversed(lines)]))
    done = handful_here(*command, "again.csv", "--out", "again", cwd=tmp_path)
    assert json.loads(done.stdout)["assignment"] == [1, 0, 1, 0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_resumes_to_the_same_end(finished, tmp_path, number):
    """Bit for bit: the checkpoint of a run that was stopped equals that of one that was not."""
    folder, record = finished
    arguments = ["--policies", 2, "--steps", 10_000, *EM, *SMALL]
    command = [sys.executable, "-m", "handful", "train", "resource-gathering"]
    command += [*map(str, arguments), "--out", "stopped"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "stopped" / "metrics.jsonl"
    while not metrics.exists() or metrics.read_text().count("\n") < 3:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(number)
    errors = process.communicate()[1]
    if number != signal.SIGKILL and process.returncode:
        assert process.returncode == 128 + number
        assert f"continue with: handful resume {tmp_path / 'stopped'}" in errors
    handful_here("resume", "stopped", "--no-tensorboard", cwd=tmp_path)
    name = "checkpoint.safetensors"
    state, whole = load_file(tmp_path / "stopped" / name), load_file(folder / "demo" / name)
    assert {n: v.tobytes() for n, v in state.items()} == {n: v.tobytes() for n, v in whole.items()}
    stored = json.loads((tmp_path / "stopped" / "evaluation.json").read_text())
    assert stored["returns"] == record["returns"]
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [line["update"] for line in lines] == list(range(1, 40))


def test_a_welfare_of_ones_own_is_named_on_the_command_line_and_shown_everywhere(tmp_path):
    """Its value stands beside the mean on the screen, in the record and in the report."""
    lines = ["import jax.numpy as jnp", "", "def log(u):", "    return jnp.mean(jnp.log1p(u))", ""]
    (tmp_path / "mine.py").write_text("\n".join(lines))
    arguments = ["--policies", 2, "--steps", 2_560, *EM, *SMALL, "--welfare", "mine:log"]
    done = handful("train", "resource-gathering", *arguments, "--out", "demo", cwd=tmp_path)
    record = json.loads((tmp_path / "demo" / "evaluation.json").read_text())
    returns = np.array(record["returns"])[record["assignment"], np.arange(4)]
    assert record["welfare_function"] == "mine:log"
    assert record["welfare"] == pytest.approx(np.mean(np.log1p(returns)), rel=1e-4)
    assert record["mean_utility"] == pytest.approx(returns.mean())
    assert record["percent_of_optimum"] is None  # the optimum is of the mean
    said = f"mean over users {record['mean_utility']:.2f}"
    assert said in " ".join((done.stdout + done.stderr).split())
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert "mine:log" in page
    refused = handful("evaluate", "demo", cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert "--trust" in refused.stderr
    again = handful("evaluate", "demo", "--trust", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["welfare"] == pytest.approx(record["welfare"])


def test_a_welfare_that_is_not_there_is_one_sentence(tmp_path):
    arguments = ["--policies", 2, "--steps", 2_560, *SMALL, "--welfare", "nowhere:log"]
    done = handful_here(
        "train", "resource-gathering", *arguments, "--out", "demo", cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nowhere" in done.stderr
    assert not (tmp_path / "demo").exists()
