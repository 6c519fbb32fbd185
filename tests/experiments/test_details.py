"""What is kept of runs beside the table, from folders made by hand."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

from handful.experiments.details import POINTS, curve_rows, user_rows, walk_rows, write_details
from handful.experiments.study import RunRequest, Study
from handful.results.folder import COLUMNS, manifest_path, read_beside, schema
from handful.runs import RunFolder
from handful.training.config import TrainConfig
from tests.reports.folders import LOOP, write_grid_run
from tests.reports.robot_folders import write_robot_run


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
    rows = [row for row in walk_rows(grid) if row["policy"] == 0]
    assert [[row["row"], row["column"]] for row in rows] == LOOP
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert walk_rows(robot) == []


def test_rows_of_runs_whose_folders_are_gone_stay(tmp_path):
    requests = [
        request(write_grid_run(tmp_path / "runs" / f"grid{seed}"), seed=seed) for seed in (0, 1)
    ]
    parquet = tmp_path / "results" / "mine.parquet"
    written = write_details(parquet, study(tmp_path), requests, "handful sweep mine.yaml")
    assert [path.name for path in written] == [
        "mine-users.parquet",
        "mine-curves.parquet",
        "mine-walks.parquet",
        "mine.json",
    ]
    before = {path: path.read_bytes() for path in written[:3]}
    pl.DataFrame({"digest": [r.digest for r in requests]}).write_parquet(parquet)
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


@pytest.mark.parametrize("kind", list(COLUMNS))
def test_tables_have_the_columns_that_readers_want(tmp_path, robot, kind):
    parquet = tmp_path / "results" / "mine.parquet"
    write_details(parquet, study(tmp_path), [robot], "handful sweep mine.yaml")
    assert dict(read_beside(parquet, kind).schema) == schema(kind)
