"""Results of several budgets together, trained, kept and read again."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.evaluation.played import ReturnTable
from handful.frontier.folder import FrontierFolder
from handful.training import frontier_result
from handful.training.frontier_result import COLUMNS, make_frontier, read_frontier
from handful.users import read_table

REQUEST = {"steps": 512, "preset": "fast", "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def problem():
    return handful.make("resource-gathering", height=2, width=2)


@pytest.fixture(scope="module")
def trained(problem, tmp_path_factory):
    """A frontier of two budgets, and the results that it was made of."""
    folder = FrontierFolder(tmp_path_factory.mktemp("frontier") / "out")
    results = [
        handful.train(problem, k, "em", out=folder.run(k), settings={"batch_size": 256}, **REQUEST)
        for k in (2, 1)
    ]
    return make_frontier(results, transitions=4321, out=folder.path), results


@pytest.fixture
def kept(trained, tmp_path):
    """A copy of the frontier's folder."""
    return Path(shutil.copytree(trained[0].folder, tmp_path / "copy"))


def test_a_budget_gives_its_result(trained):
    made, (two, one) = trained
    assert list(made) == [1, 2]
    assert (len(made), 2 in made, 3 in made) == (2, True, False)
    assert made[1] is one
    assert made[2] is two
    assert [point.welfare.value for point in made.points] == [
        pytest.approx(result.evaluation.welfare) for result in (one, two)
    ]
    with pytest.raises(HandfulError, match="has no budget of 3: it has 1, 2"):
        made[3]
    assert [point.spare for point in made.points] == [one.spare, two.spare]
    assert repr(made).startswith("FrontierResult(welfare by policies {1: ")


def test_the_folder_knows_the_optimum_and_the_transitions(trained, problem):
    made, _ = trained
    for point in made.points:
        assert point.optimum == handful.optimum(problem, point.num_policies).welfare
        assert point.optimum_kind == "exact"
        record = json.loads(
            (FrontierFolder(made.folder).run(point.num_policies) / "evaluation.json").read_text()
        )
        played = record["transitions"] + record["validation_transitions"]
        assert point.transitions == point.num_policies * played
    best = handful.optimum(problem, problem.num_users)
    assert made.frontier.ceiling.optimum == best.welfare
    assert made.transitions == 4321


def test_reading_plays_and_trains_nothing(trained, kept, monkeypatch):
    made, (two, _) = trained

    def forbidden(*_, **__):
        raise AssertionError("An episode was played.")

    monkeypatch.setattr("handful.evaluation.played.make_player", forbidden)
    monkeypatch.setattr("handful.training.loop.evaluate", forbidden)
    again = read_frontier(kept)
    assert again.frontier == made.frontier
    assert again.to_rows() == made.to_rows()
    assert again.transitions == 4321
    np.testing.assert_array_equal(again[2].assignment, two.assignment)
    assert again[2].evaluation.welfare == pytest.approx(two.evaluation.welfare)
    assert again[2] is again[2]


def test_the_table_has_a_row_for_each_budget(trained, kept):
    made, _ = trained
    rows = made.to_rows()
    assert [tuple(row) for row in rows] == [COLUMNS] * 2
    assert rows[0]["gain_per_policy"] is None
    assert rows[1]["gain_per_policy"] == pytest.approx(rows[1]["welfare"] - rows[0]["welfare"])
    lines = (kept / "frontier.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    table = read_table(kept / "frontier.csv")
    assert [float(cell) for cell in table.to_dict()["welfare"]] == [row["welfare"] for row in rows]


def test_without_a_folder_nothing_is_written(trained):
    _, results = trained
    made = make_frontier(results)
    assert made.folder is None
    assert [point.optimum for point in made.points] == [None, None]
    assert made[2] is results[0]
    assert "not kept" in repr(made)


def test_the_example_of_the_page_runs(kept, tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "frontier.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    (tmp_path / "runs").mkdir()
    kept.rename(tmp_path / "runs" / "frontier")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    exec(compile(example, "frontier.md", "exec"), names)
    assert names["result"].budgets == (1, 2)


def test_candidates_are_part_of_the_ceiling(trained, problem):
    _, results = trained
    candidates = ReturnTable(np.full((4, 30, problem.num_users), 1e6))
    made = make_frontier(results, candidates=candidates)
    assert made.frontier.ceiling.welfare.value == pytest.approx(1e6)


def test_a_run_that_was_left_behind_is_asked_for(kept):
    shutil.rmtree(kept / "k-02")
    again = read_frontier(kept)
    assert again[1].policies.num_policies == 1
    with pytest.raises(HandfulError, match="The run of 2 policies is not in"):
        again[2]


def test_results_of_other_users_are_refused(trained):
    _, (two, one) = trained
    other = dataclasses.replace(one, problem=handful.make("resource-gathering", height=2, width=3))
    with pytest.raises(HandfulError, match="must be of the same problem"):
        make_frontier([other, two])


def test_results_from_other_folders_are_refused(trained, tmp_path):
    _, results = trained
    with pytest.raises(HandfulError, match="needs the run of 1 policy in"):
        make_frontier(results, out=tmp_path)
    assert not FrontierFolder(tmp_path).is_frontier


def test_solvers_are_not_asked_for_another_welfare(trained, monkeypatch):
    """They know the best possible mean only."""
    made, results = trained
    monkeypatch.setattr(frontier_result, "UTILITARIAN", "another")
    before = (FrontierFolder(made.folder).record).read_bytes()
    again = make_frontier(results, transitions=4321, out=made.folder)
    assert again.frontier.ceiling.optimum is None
    FrontierFolder(made.folder).record.write_bytes(before)
