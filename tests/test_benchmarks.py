"""The benchmark that trains for hours goes on where it stopped, and pages show what it found."""

import importlib.util
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def beside_sb3():
    path = ROOT / "benchmarks" / "ppo_beside_sb3.py"
    spec = importlib.util.spec_from_file_location("ppo_beside_sb3", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row_of(robot, learner, seed, returned):
    measured = {"episodes": 4, "return": returned, "stderr": 1.0, "length": 9.0}
    key = {"robot": robot, "learner": learner, "seed": seed, "steps": 8}
    return {**key, **measured, "cpu_seconds": 90.0, "versions": "none"}


def test_finished_runs_are_not_run_again_and_the_first_seed_comes_first(
    beside_sb3, tmp_path, monkeypatch
):
    """Killed in its fourth run, the next call begins with that one."""
    out, asked = tmp_path / "new" / "runs.csv", []

    def run(command, **_):
        request = json.loads(command[-1])
        asked.append((request["seed"], request["robot"], request["learner"], command[0]))
        if len(asked) == 4:
            raise KeyboardInterrupt
        row = row_of(request["robot"], request["learner"], request["seed"], 1.0)
        return SimpleNamespace(stdout="a warning\n" + json.dumps(row) + "\n")

    monkeypatch.setattr(subprocess, "run", run)
    arguments = SimpleNamespace(
        out=out,
        seeds=[0, 1],
        robots=["Hopper-v5"],
        learners=["handful", "sb3"],
        steps=8,
        episodes=4,
        sb3_python="other-python",
    )
    with pytest.raises(KeyboardInterrupt):
        beside_sb3.run_all(arguments)
    assert len(beside_sb3.read_rows(out)) == 3
    beside_sb3.run_all(arguments)
    assert [(seed, learner) for seed, _, learner, _ in asked] == [
        (0, "handful"),
        (0, "sb3"),
        (1, "handful"),
        (1, "sb3"),
        (1, "sb3"),
    ]
    assert [python == "other-python" for *_, python in asked] == [False, True, False, True, True]
    assert len(beside_sb3.read_rows(out)) == 4


def test_summary_gives_means_over_seeds_and_their_standard_errors(beside_sb3):
    """Returns of 1 and 3: a standard deviation of the square root of 2, an error of 1."""
    rows = [row_of("Hopper-v5", "sb3", seed, returned) for seed, returned in ((1, 3.0), (0, 1.0))]
    rows.append(row_of("Hopper-v5", "handful", 0, 1234.6))
    lines = beside_sb3.summary(rows).splitlines()
    assert lines[2:] == [
        "| Hopper-v5 | handful | 1 | 1,235 | 1,235 | 1.5 |",
        "| Hopper-v5 | sb3 | 2 | 2 ± 1 | 1; 3 | 1.5 |",
    ]


def test_returns_of_training_are_averaged_within_each_tenth(beside_sb3):
    found = [(0.04, 1.0), (0.1, 3.0), (0.11, 8.0), (1.0, 5.0)]
    assert beside_sb3.tenths(found) == {"training_1": 2.0, "training_2": 8.0, "training_10": 5.0}


def test_a_pages_table_is_made_anew_and_all_else_stays(beside_sb3):
    table = beside_sb3.summary([row_of("Hopper-v5", "handful", 0, 7.0)])
    before = "# Page\n\n| a |\n\n" + table + "\n| more |\n\nwords\n\n| b |\n"
    longer = table + "\n| new |"
    assert beside_sb3.with_table(before, longer) == before.replace("| more |", "| new |")


def test_the_page_shows_the_committed_runs(beside_sb3):
    rows = beside_sb3.read_rows(ROOT / "results" / "ppo" / "runs.csv")
    assert rows
    assert beside_sb3.summary(rows) in (ROOT / "docs" / "results.md").read_text()
