"""Runs on a grid: what is read of them, and how their walks are drawn."""

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from handful.domains.resource_gathering.environment import ResourceGathering
from handful.domains.resource_gathering.pictures import run_pictures
from handful.domains.resource_gathering.plots import (
    MAX_OVERLAID,
    draw_walk,
    grid_of,
    lane_offset,
    tile_fills,
    users_are_tiles,
    walks_of,
)
from handful.domains.resource_gathering.walks import walk_rows
from handful.report.run import read_run
from tests.report.folders import GRID, LOOP, write_grid_run, write_run


@pytest.fixture
def axis():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def grid_run(tmp_path_factory):
    return read_run(write_grid_run(tmp_path_factory.mktemp("runs") / "grid"))


def test_neighbouring_lanes_are_apart_and_within_the_tile():
    for num_policies in range(1, MAX_OVERLAID + 1):
        offsets = [lane_offset(policy, num_policies) for policy in range(num_policies)]
        assert np.isclose(sum(offsets), 0)
        assert max(offsets) < 0.45
        assert all(gap > 0.08 for gap in np.diff(offsets))


def test_grid_and_walks_are_read_from_the_folder(grid_run):
    grid = grid_of(grid_run)
    assert (grid.height, grid.width, grid.start, grid.blocked) == (3, 3, (2, 1), ((1, 1),))
    assert users_are_tiles(grid_run, grid)
    loop, bump, cut = walks_of(grid_run, grid)
    assert loop.shape == (7, 2)
    assert (loop[0] == loop[-1]).all()
    assert bump.shape == (6, 2)
    assert (cut[-1] == (0, 2)).all()


def test_the_tile_of_a_user_whom_no_policy_fits_has_the_last_colour(grid_run):
    served = np.array([1, 0, -1])
    results = dataclasses.replace(grid_run.results, assignment=served)
    fills = tile_fills(((0, 0), (0, 1), (0, 2)), results, ["red", "blue", "grey"])
    assert list(fills.values()) == ["blue", "red", "grey"]


@pytest.mark.parametrize(
    "position", [[[0.5, 1.0]], [[9, 9]], [[1]], "somewhere", [[None, 1]], [[-1, 0]]]
)
def test_positions_that_are_no_tiles_are_no_walk(tmp_path, position):
    traces = [{"length": 1, "position": position}]
    run = read_run(write_grid_run(tmp_path / "run", num_policies=1, traces=traces))
    assert walks_of(run, grid_of(run)) is None
    assert "walks" not in {picture.name for picture in run_pictures(run).pictures}


def test_users_other_than_tiles_get_no_map_of_tiles(tmp_path):
    users = [f"person {i}" for i in range(8)]
    run = read_run(write_grid_run(tmp_path / "run", users=users))
    names = {picture.name for picture in run_pictures(run).pictures}
    assert "walks" in names
    assert "served" not in names


def test_environment_that_is_no_grid(tmp_path):
    environment = {"height": 1.7, "width": "wide", "start": None}
    folder = write_run(tmp_path / "run", users=["a", "b"], num_policies=1, environment=environment)
    assert grid_of(read_run(folder)) is None
    assert run_pictures(read_run(folder)) is None


@pytest.mark.parametrize(
    "walk",
    [
        [[0, 0], [0, 0]],
        [[0, 0], [0, 1], [0, 0]],
        [[0, 0], [0, 1], [1, 1], [1, 0], [0, 0]],
        [[0, 0], [1, 1], [0, 2], [0, 1]],
    ],
    ids=["bump", "out and back", "loop", "diagonal and cut"],
)
def test_line_of_a_walk_stays_beside_its_tiles(axis, walk):
    walk = np.array(walk)
    draw_walk(axis, walk, 0)
    for patch in axis.patches:
        vertices = patch.get_path().vertices
        assert np.isfinite(vertices).all()
        nearest = np.linalg.norm(vertices[:, None] - walk[None, :, ::-1], axis=2).min(axis=1)
        assert nearest.max() < 0.75


def test_out_and_back_are_two_lines(axis):
    draw_walk(axis, np.array([[0, 0], [0, 1], [0, 2], [0, 1], [0, 0]]), 0)
    (patch,) = axis.patches
    rows = patch.get_path().vertices[:, 1]
    assert rows.min() < -0.02
    assert rows.max() > 0.02


def test_grid_description_is_what_the_environment_writes():
    assert set(GRID) <= {field.name for field in dataclasses.fields(ResourceGathering)}


def test_walks_are_kept_step_by_step(grid_run):
    rows = [row for row in walk_rows(grid_run.traces) if row["policy"] == 0]
    assert [[row["row"], row["column"]] for row in rows] == LOOP
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("trace", [{"length": 2, "velocity": [1.0, 2.0]}, {"position": [[0.5, 1]]}])
def test_traces_without_tiles_have_no_walk(trace):
    assert walk_rows([trace]) == []
