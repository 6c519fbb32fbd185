"""The command of the suite: what it runs, and a whole small suite of one problem."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.problem import RMDP
from handful.sweep.study_file import read_study
from studies.suite import rows
from studies.suite.__main__ import STUDY, Suite
from studies.suite.morl import FeatureEnv, weights_of
from studies.suite.rows import title
from tests.environments import ContextualBandit
from tests.training.helpers import TINY

ROOT = Path(__file__).parents[3]


def test_the_study_has_the_problems_that_the_page_lists():
    study = read_study(ROOT / STUDY)
    tasks = [*study.tasks, *(task for group in study.groups for task in group["tasks"])]
    page = (ROOT / "docs" / "suite.md").read_text()
    table = page[page.index("| problem |") : page.index("Numbers in brackets")]
    assert [task for task in dict.fromkeys(tasks) if f"`{title(task)}`" not in table] == []
    assert len(set(tasks)) == 23
    assert study.seeds == (100, 101, 0, 1, 2, 3, 4)


SMALL = """
tasks: ["studies.suite.problems:random_dense"]
methods: [em]
policies: [3]
seeds: [100]
steps: 4096
preset: fast
parameters: {"studies.suite.problems:random_dense": {users: 6}}
out: runs/suite
results: runs/suite-tables
"""


@pytest.mark.slow
def test_a_small_suite_is_run_once_and_its_table_made_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.setattr("studies.suite.__main__.STUDY", Path("small.yaml"))
    Suite(methods=("em", "constants"), seeds=(100,), workers=1).run()
    runs = rows.read(rows.RUNS, rows.Row)
    assert [row.method for row in runs] == ["constants", "em"]
    best = {one.k: one.welfare for one in rows.read(rows.REFERENCES, rows.Reference)}
    assert sorted(best) == [1, 2, 3, 4, 5, 6]
    for row in runs:
        assert row.welfare <= best[3] + 1e-6
    assert runs[1].transitions > 3 * 4096
    page = (tmp_path / "results/suite/suite.md").read_text()
    assert "| `em` | 3 | 1 |" in page
    assert capsys.readouterr().out.startswith("random_dense constants 100: ")
    Suite(seeds=(100,), methods=("em", "constants"), workers=1).run()
    assert capsys.readouterr().out == ""
    assert rows.read(rows.RUNS, rows.Row) == runs

    # A row of an earlier version of the method is measured again.
    rows.add(rows.RUNS, [replace(runs[1], welfare=0.0, digest="earlier")], rows.Row)
    shutil.rmtree(tmp_path / "runs")
    Suite(seeds=(100,), methods=("em",), workers=1).run()
    again = rows.read(rows.RUNS, rows.Row)
    assert [row.digest for row in again] == [row.digest for row in runs]
    assert again[1].welfare == runs[1].welfare


def test_a_folder_with_another_run_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.setattr("studies.suite.__main__.STUDY", Path("small.yaml"))
    [request] = read_study(Path("small.yaml")).runs()
    handful.train(
        handful.make("resource-gathering", height=2, width=2),
        2,
        "em",
        steps=512,
        settings=TINY,
        out=request.folder,
        progress=False,
    )
    with pytest.raises(HandfulError, match=r"holds a run with other settings .* move it away"):
        Suite(seeds=(100,), workers=1).run()
    assert not (tmp_path / "results").exists()


def test_only_the_problems_that_are_asked_for_are_made():
    study = read_study(ROOT / STUDY)
    chosen = Suite(problems=("couriers", "hopper"))._chosen(study)
    assert chosen.tasks == ("studies.suite.problems:couriers",)
    assert [group["tasks"] for group in chosen.groups] == [("hopper",), ("hopper",)]
    with pytest.raises(HandfulError, match=r"no problem 'curriers'.*couriers"):
        Suite(problems=("curriers",))._chosen(study)


def test_features_are_rewards_for_morl_baselines():
    users = np.array([[1.0, -3.0], [0.0, -2.0]])
    problem = RMDP(ContextualBandit(), handful.Population(users))
    weights, signs = weights_of(problem)
    np.testing.assert_allclose(weights, [[0.25, 0.75], [0.0, 1.0]])
    assert signs.tolist() == [1.0, -1.0]
    env = FeatureEnv(problem, signs, seed=0)
    for _ in range(5):
        seen, _ = env.reset()
        _, rewards, terminated, _, _ = env.step(int(1 - seen.argmax()))
        assert rewards.tolist() == [0.0, -1.0]
        assert terminated
    assert env.transitions == 5
    both = RMDP(ContextualBandit(), handful.Population(np.array([[1.0, -1.0], [1.0, 2.0]])))
    with pytest.raises(HandfulError, match="disagree about the sign"):
        weights_of(both)
