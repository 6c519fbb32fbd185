"""What is kept of runs beside the table, from folders made by hand."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

from handful.catalogue import _TASKS, register
from handful.results.tables import (
    KeptTable,
    all_kinds,
    fits,
    manifest_path,
    read_beside,
    read_study_results,
)
from handful.run_folder import RunFolder
from handful.sweep.details import POINTS, curve_rows, manifest, sources, user_rows, write_details
from handful.sweep.study import RunRequest, Study
from handful.training.config import TrainConfig
from tests.report.folders import LOOP, write_grid_run, write_run
from tests.report.robot_folders import write_robot_run
from tests.report.study.results import run_row
from tests.sealing import seal


def request(folder, task="resource-gathering", num_policies=3, seed=0):
    return RunRequest(task, {}, TrainConfig(num_policies=num_policies, seed=seed), folder)


def study(tmp_path, **changes):
    values = {
        "name": "mine",
        "tasks": ("resource-gathering",),
        "methods": ("em",),
        "policies": (3,),
        "seeds": (0, 1),
        "steps": 10_000,
        "out": tmp_path / "runs",
        "results": tmp_path / "results",
    }
    return Study(**{**values, **changes})


@pytest.fixture
def robot(tmp_path):
    folder = write_robot_run(tmp_path / "runs" / "robot", num_users=20, num_policies=3, updates=300)
    return request(folder, "half-cheetah")


def test_users_of_a_robot(robot):
    rows = user_rows(robot)
    record = json.loads((robot.folder / "evaluation.json").read_text())
    config = json.loads((robot.folder / "config.json").read_text())
    traces = json.loads((robot.folder / "traces.json").read_text())
    assert [row["target"] for row in rows] == config["problem"]["attributes"]["target"]
    assert [row["policy"] for row in rows] == record["assignment"]
    assert np.mean([row["return"] for row in rows]) == pytest.approx(record["welfare"])
    for row in rows:
        expected = np.mean(traces[row["policy"]]["velocity"])
        assert row["policy_velocity"] == pytest.approx(expected)


def test_a_velocity_that_was_not_finite_has_no_mean(robot):
    """Traces hold null for it."""
    folder = RunFolder(robot.folder)
    traces = json.loads(folder.traces.read_text())
    traces[0]["velocity"][1] = None
    folder.traces.write_text(json.dumps(traces))
    seal(folder.path)
    for row in user_rows(robot):
        assert (row["policy_velocity"] is None) == (row["policy"] == 0)


def test_curves_keep_their_ends(robot):
    rows = curve_rows(robot)
    records = RunFolder(robot.folder).read_metrics()
    assert len(rows) == POINTS
    for row, record in ((rows[0], records[0]), (rows[-1], records[-1])):
        assert row == {
            "digest": robot.digest,
            **{name: record[name] for name in ("transitions", "seconds", "welfare")},
        }


def test_walks_on_a_grid_and_none_elsewhere(robot, tmp_path):
    grid = request(write_grid_run(tmp_path / "runs" / "grid"))
    walk_rows, _ = sources()["walks"]
    rows = [row for row in walk_rows(grid) if row["policy"] == 0]
    assert [[row["row"], row["column"]] for row in rows] == LOOP
    assert {row["digest"] for row in rows} == {grid.digest}
    assert walk_rows(robot) == []


def test_rows_of_runs_whose_folders_are_gone_stay(tmp_path):
    requests = [
        request(write_grid_run(tmp_path / "runs" / f"grid{seed}"), seed=seed) for seed in (0, 1)
    ]
    parquet = tmp_path / "results" / "mine.parquet"
    written, _ = write_details(parquet, study(tmp_path), requests, "handful sweep mine.yaml")
    assert [path.name for path in written] == [
        "mine-users.parquet",
        "mine-curves.parquet",
        "mine-walks.parquet",
        "mine.json",
    ]
    before = {path: path.read_bytes() for path in written[:3]}
    rows = [run_row("t", "em", 3, i, 1.0, digest=r.digest) for i, r in enumerate(requests)]
    pl.DataFrame(rows).write_parquet(parquet)
    shutil.rmtree(requests[0].folder)
    write_details(parquet, study(tmp_path), requests, "handful sweep mine.yaml")
    assert {path: path.read_bytes() for path in written[:3]} == before
    kept = json.loads(manifest_path(parquet).read_text())["runs"]
    assert [run["state"] for run in kept] == ["finished", "finished"]
    assert kept[0]["versions"] == {"python": "3.11.7", "handful": "0.1.0"}
    # A run that the study no longer asks for is forgotten.
    write_details(parquet, study(tmp_path), requests[1:], "handful sweep mine.yaml")
    assert set(read_beside(parquet, "users")["digest"]) == {requests[1].digest}


def test_states_of_runs_that_are_not_finished(tmp_path):
    folders = [tmp_path / "runs" / name for name in ("done", "half", "failed", "never")]
    write_grid_run(folders[0])
    write_grid_run(folders[1], finished=False)
    requests = [request(folder, seed=seed) for seed, folder in enumerate(folders)]
    parquet = tmp_path / "results" / "mine.parquet"
    errors = {requests[2].digest: "it broke"}
    write_details(parquet, study(tmp_path), requests, "handful sweep mine.yaml", errors)
    runs = json.loads(manifest_path(parquet).read_text())["runs"]
    states = [run["state"] for run in runs]
    assert states == ["finished", "unfinished", "failed", "not started"]
    assert [run["error"] for run in runs] == [None, None, "it broke", None]


def test_a_failure_is_known_until_the_run_is_tried_again(tmp_path):
    failed, half = (request(tmp_path / "runs" / name, seed=i) for i, name in enumerate("ab"))
    write_grid_run(half.folder, finished=False)
    parquet = tmp_path / "results" / "mine.parquet"

    def states(errors=None):
        write_details(parquet, study(tmp_path), [failed, half], "handful sweep mine.yaml", errors)
        runs = json.loads(manifest_path(parquet).read_text())["runs"]
        return [(run["state"], run["error"]) for run in runs]

    assert states({failed.digest: "it broke"}) == [("failed", "it broke"), ("unfinished", None)]
    assert states() == [("failed", "it broke"), ("unfinished", None)]  # others were run
    write_grid_run(failed.folder)
    assert states() == [("finished", None), ("unfinished", None)]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.json", '{"format": 2}'),
        ("evaluation.json", "{}"),
        ("metrics.jsonl", '{"update": 1}\n\n\0\n{"update": 3}\n'),
        ("traces.json", "[5]"),
    ],
)
def test_a_failure_is_known_as_long_as_the_results_cannot_be_read(tmp_path, file, text):
    failed = request(write_grid_run(tmp_path / "runs" / "grid"))
    before = {"runs": [{"digest": failed.digest, "error": "it broke"}]}
    parquet = tmp_path / "results" / "mine.parquet"

    def known():
        asked = manifest(parquet, study(tmp_path), [failed], "handful sweep x.yaml", before, {})
        return asked["runs"][0]["state"], asked["runs"][0]["error"]

    assert known() == ("finished", None)
    (failed.folder / file).write_text(text)
    assert known() == ("failed", "it broke")


def test_what_a_folder_has_no_more_is_kept(tmp_path, robot):
    grid = request(write_grid_run(tmp_path / "runs" / "grid"))
    parquet, requests = tmp_path / "results" / "mine.parquet", [grid, robot]
    write_details(parquet, study(tmp_path), requests, "handful sweep mine.yaml")
    before = {kind: read_beside(parquet, kind) for kind in all_kinds()}
    RunFolder(grid.folder).metrics.unlink()
    RunFolder(robot.folder).metrics.unlink()
    for each in requests:
        RunFolder(each.folder).traces.unlink()
    _, unreadable = write_details(parquet, study(tmp_path), requests, "handful sweep mine.yaml")
    assert set(unreadable) == {robot.digest}  # of which no walks were stored
    assert "traces.json' is missing" in unreadable[robot.digest]
    for kind, rows in before.items():
        assert read_beside(parquet, kind).equals(rows), kind


def test_a_run_on_another_map_has_it_beside_it(tmp_path):
    usual, other = (
        request(write_grid_run(tmp_path / "runs" / name), seed=i) for i, name in enumerate("ab")
    )
    config = json.loads(RunFolder(other.folder).config.read_text())
    config["problem"]["environment"]["blocked"] = [[0, 0]]
    RunFolder(other.folder).config.write_text(json.dumps(config))
    seal(other.folder)
    parquet = tmp_path / "results" / "mine.parquet"

    def maps():
        write_details(parquet, study(tmp_path), [usual, other], "handful sweep mine.yaml")
        manifest = json.loads(manifest_path(parquet).read_text())
        own = [run.get("environment", {}).get("blocked") for run in manifest["runs"]]
        return [manifest["environments"]["resource-gathering"]["blocked"], *own]

    before = maps()
    assert before == [[[1, 1]], None, [[0, 0]]]
    shutil.rmtree(other.folder)
    assert maps() == before


def test_a_run_whose_files_are_damaged_is_told_and_the_others_are_kept(tmp_path, robot):
    grid = request(write_grid_run(tmp_path / "runs" / "grid"))
    parquet = tmp_path / "results" / "mine.parquet"
    (grid.folder / "evaluation.json").write_text("{}")
    (grid.folder / "config.json").write_text('{"format": 2}')
    _, unreadable = write_details(parquet, study(tmp_path), [grid, robot], "handful sweep x.yaml")
    assert list(unreadable) == [grid.digest]
    assert "was changed after the run was evaluated" in unreadable[grid.digest]
    runs = json.loads(manifest_path(parquet).read_text())["runs"]
    assert [run["state"] for run in runs] == ["failed", "finished"]
    assert runs[0]["error"] == unreadable[grid.digest]
    assert set(read_beside(parquet, "users")["digest"]) == {robot.digest}


@pytest.mark.parametrize("kind", all_kinds())
def test_tables_have_the_columns_that_readers_want(tmp_path, robot, kind):
    parquet = tmp_path / "results" / "mine.parquet"
    write_details(parquet, study(tmp_path), [robot], "handful sweep mine.yaml")
    assert fits(kind, read_beside(parquet, kind))


LENGTHS = KeptTable(
    "lengths",
    {"policy": "UInt16", "steps": "UInt16"},
    lambda traces: [{"policy": k, "steps": trace["length"]} for k, trace in enumerate(traces)],
)


def test_a_task_of_another_package_keeps_a_table_of_its_own(tmp_path, robot, monkeypatch):
    monkeypatch.setattr("handful.catalogue._TASKS", dict(_TASKS))
    register("mine", "x:y", "", kept="tests.sweep.test_details:LENGTHS")
    parquet = tmp_path / "results" / "mine.parquet"
    mine = request(robot.folder, "mine")
    other = request(write_grid_run(tmp_path / "runs" / "grid"))
    write_details(parquet, study(tmp_path), [mine, other], "handful sweep mine.yaml")
    lengths = read_beside(parquet, "lengths")
    traces = json.loads((robot.folder / "traces.json").read_text())
    assert lengths["steps"].to_list() == [trace["length"] for trace in traces]
    assert set(lengths["digest"]) == {mine.digest}
    pl.DataFrame([run_row("mine", "em", 3, 0, 1.0)]).write_parquet(parquet)
    assert read_study_results(parquet).kept["lengths"].equals(lengths)


def test_users_of_every_task_are_kept_with_what_is_known_of_them_in_numbers(tmp_path):
    users = {"fear": [0.5, 20.0, 3.0], "group": ["a", "b", "a"], "is_new": [True, False, True]}
    folder = write_run(
        tmp_path / "runs" / "x",
        users=["p", "q", "r"],
        num_policies=1,
        attributes=users,
        traces=[{"length": 2, "glucose": [100.0, 120.0], "place": [[1, 2], [3, 4]]}],
    )
    rows = user_rows(request(folder, "glucose", num_policies=1))
    assert [row["fear"] for row in rows] == users["fear"]
    assert {row["policy_glucose"] for row in rows} == {110.0}
    known = {"digest", "user", "policy", "return", "fear", "policy_glucose"}
    assert all(row.keys() == known for row in rows)
