"""Figures of a study, from summaries made by hand; the rest is in tests/experiments/test_sweep."""

from pathlib import Path

import pytest

from handful.cli.sweep_results import SweepResults, best_possible, names_in_figure
from handful.experiments.study import Study
from tests.experiments.helpers import request_of


def row(method="em", policies=2, users=4, steps=512, task="t", optimum=90.0):
    return {
        "task": task,
        "method": method,
        "policies": policies,
        "users": users,
        "steps": steps,
        "welfare": 80.0,
        "welfare_stderr": None,
        "optimum": optimum,
        "optimum_kind": "exact",
    }


def test_a_method_that_is_there_twice_says_with_what():
    rows = [row(), row(users=1000), row("random"), row(policies=5, users=1000, steps=9000)]
    assert names_in_figure(rows) == [
        "em, n = 4, 512 steps",
        "em, n = 1,000, 512 steps",
        "random",
        "em",
    ]


def test_two_numbers_of_users_have_no_best_possible_in_common():
    rows = [row(), row(users=1000, optimum=70.0), row(policies=5), row(policies=7, optimum=None)]
    assert best_possible(rows) == {5: 90.0}


@pytest.mark.parametrize("task", ["gymnasium:gy:mine/My-v0", "t"])
def test_figures_of_tasks_have_names_of_files(tmp_path, task):
    study = Study("a", (task, "u"), ("em",), (2,), (0,), 512, tmp_path / "runs", tmp_path)
    requests = [request_of(tmp_path, task=task), request_of(tmp_path, task="u")]
    written = SweepResults(study, requests, "handful sweep a.yaml").write_figures([row(task=task)])
    name = task.replace(":", "-").replace("/", "-")
    assert written == [tmp_path / f"a-{name}.svg", tmp_path / f"a-{name}.png"]
    assert all(Path(path).is_file() for path in written)
