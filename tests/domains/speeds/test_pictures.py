"""Users who each want a velocity: what is read of them, and what is drawn."""

import json

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from handful._support.palette import policy_colour
from handful.domains.speeds.pictures import (
    assignments_figure,
    by_target,
    run_pictures,
    served_words,
)
from handful.domains.speeds.plots import (
    bound_of,
    draw_policy_numbers,
    draw_returns_by_target,
    draw_target_histogram,
    draw_targets,
    draw_velocity,
    running_mean,
    speeds_of,
    velocities_of,
)
from handful.report.plots.served import TableOrder
from handful.report.run import read_run
from handful.report.study.reading import read_collection
from tests.report.folders import write_grid_run, write_run
from tests.report.robot_folders import STEPS, TOP_SPEED, write_robot_run
from tests.report.study.results import run_row, user_rows, write_results
from tests.sealing import seal

NAMES = {"targets", "returns_by_target", "velocities"}


@pytest.fixture
def axis():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return read_run(write_robot_run(tmp_path_factory.mktemp("runs") / "robot"))


@pytest.fixture(scope="module")
def speeds(run):
    return speeds_of(run)


def names(run):
    found = run_pictures(run)
    return set() if found is None else {picture.name for picture in found.pictures}


def test_targets_velocities_and_bound_are_read_from_the_folder(run, speeds):
    assert speeds.targets.shape == (100,)
    assert (speeds.top, speeds.step_seconds) == (TOP_SPEED, 0.05)
    assert [len(velocity) for velocity in velocities_of(run)] == [STEPS] * 5
    bound = bound_of(run.results)
    assert bound.name == "upper bound"
    assert np.isclose(bound.utilities.mean(), run.results.record["optimum"])
    assert names(run) >= NAMES


def test_policies_stand_in_the_order_of_their_targets(run, speeds):
    order = speeds.order(run.results)
    means = [speeds.targets[run.results.assignment == policy].mean() for policy in order]
    assert sorted(order) == list(range(5))
    assert (np.diff(means) > 0).all()


def test_policies_without_users_come_last(tmp_path):
    folder = write_robot_run(tmp_path / "run", num_users=3, num_policies=3, assignment=[2, 2, 0])
    run = read_run(folder)
    assert speeds_of(run).order(run.results)[-1] == 1
    found = run_pictures(run)
    assert found.policy_columns["their targets, m/s"](1) == "–"
    for picture in found.pictures:
        picture.build()


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"age": [1.0] * 100},
        {"target": [1.0]},
        {"target": ["fast"] * 100},
        {"target": [None] * 100},
        {"target": 1.0},
    ],
)
def test_attributes_that_are_no_targets(tmp_path, attributes):
    run = read_run(write_robot_run(tmp_path / "run", attributes=attributes))
    assert speeds_of(run) is None
    assert not names(run) & NAMES


def test_other_runs_have_no_targets(tmp_path):
    grid = read_run(write_grid_run(tmp_path / "grid"))
    older = read_run(write_run(tmp_path / "older", users=["a", "b"], num_policies=1))
    assert speeds_of(grid) is None
    assert speeds_of(older) is None
    assert velocities_of(grid) is None


@pytest.mark.parametrize(
    "bound",
    [None, "much", {}, {"kind": "exact", "utilities": [1.0], "velocities": [2.0]}],
)
def test_a_bound_that_does_not_fit_is_left_out(tmp_path, bound):
    run = read_run(write_robot_run(tmp_path / "run", bound=bound))
    assert bound_of(run.results) is None
    assert names(run) >= NAMES


@pytest.mark.parametrize(
    ("unit", "certificate", "is_there"),
    [("m/s", [[0.5], [2.0]], True), ("mg/dl", [[0.5], [2.0]], False), ("m/s", [[1, 2]], False)],
)
def test_a_bound_is_known_by_its_unit(tmp_path, unit, certificate, is_there):
    bound = {
        "kind": "upper bound",
        "utilities": [1.0] * 100,
        "unit": unit,
        "certificate": certificate,
    }
    run = read_run(write_robot_run(tmp_path / "run", bound=bound))
    found = bound_of(run.results)
    assert (found is not None) == is_there
    if found is not None:
        assert found.velocities.tolist() == [0.5, 2.0]


@pytest.mark.parametrize("trace", [{"length": 3}, {"length": 2, "velocity": [1.0, None]}])
def test_traces_without_finite_velocities_draw_none(tmp_path, trace):
    folder = write_robot_run(tmp_path / "run")
    (folder / "traces.json").write_text(json.dumps([trace] * 5))
    seal(folder)
    assert "velocities" not in names(read_run(folder))


def test_bars_hold_every_user_in_the_colour_of_their_policy(axis, run, speeds):
    draw_targets(axis, speeds, run.results)
    for policy, users in enumerate(run.results.users_per_policy):
        # A bar's colour comes back as red, green, blue, alpha.
        mine = [
            bar
            for bar in axis.patches
            if np.allclose(bar.get_facecolor()[:3], _rgb(policy_colour(policy)))
        ]
        assert round(sum(bar.get_height() for bar in mine)) == users
    assert axis.get_xlim() == (0, TOP_SPEED)


def test_bars_stand_on_each_other(axis, run, speeds):
    draw_targets(axis, speeds, run.results)
    for left in {bar.get_x() for bar in axis.patches}:
        bars = sorted((b for b in axis.patches if b.get_x() == left), key=lambda b: b.get_y())
        tops = [0.0, *(bar.get_y() + bar.get_height() for bar in bars)]
        assert [bar.get_y() for bar in bars] == tops[:-1]


@pytest.mark.parametrize(("num_policies", "num_users"), [(1, 10), (5, 100), (50, 1000)])
def test_numbers_of_policies_do_not_overlap(tmp_path, axis, num_policies, num_users):
    folder = write_robot_run(
        tmp_path / "run", num_policies=num_policies, num_users=num_users, assign="random"
    )
    run = read_run(folder)
    speeds = speeds_of(run)
    draw_targets(axis, speeds, run.results)
    draw_policy_numbers(axis, speeds, run.results)
    axis.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axis.texts]
    assert len(boxes) == num_policies
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_dots_are_the_users_and_the_line_is_the_bound(axis, run, speeds):
    bound = bound_of(run.results)
    draw_returns_by_target(axis, speeds, run.results, bound)
    (dots,) = axis.collections
    assert np.allclose(dots.get_offsets(), np.stack([speeds.targets, run.results.utilities], 1))
    line, marks = axis.lines
    assert line.get_linestyle() == "None"  # 100 users are dots, 1,000 make a line
    assert (np.diff(line.get_xdata()) >= 0).all()
    assert np.isclose(np.mean(line.get_ydata()), bound.utilities.mean())
    assert list(marks.get_xdata()) == list(bound.velocities)
    labels = axis.get_legend_handles_labels()[1]
    assert all(label.startswith("upper bound") for label in labels)


def test_running_mean_over_what_there_is():
    assert running_mean(np.array([3.0, 0.0, 3.0, 6.0]), 3).tolist() == [1.5, 2.0, 3.0, 4.5]
    assert running_mean(np.array([1.0, 2.0]), 1).tolist() == [1.0, 2.0]
    assert running_mean(np.array([1.0, 3.0]), 50).tolist() == [2.0, 2.0]
    assert len(running_mean(np.zeros(7), 4)) == 7


def test_a_velocity_is_drawn_as_it_is_with_its_mean_and_its_targets(axis):
    velocity = np.array([0.0, 1.0, 2.0, 3.0])
    targets = np.array([1.0, 1.5, 2.5])
    draw_velocity(axis, velocity, 3, targets, step_seconds=0.5, is_cut=True, is_raster=False)
    raw, mean, cross = axis.lines
    assert raw.get_xdata().tolist() == [0.5, 1.0, 1.5, 2.0]
    assert raw.get_ydata().tolist() == velocity.tolist()
    # Two steps to a second: each with the one before.
    assert mean.get_ydata().tolist() == [0.0, 0.5, 1.5, 2.5]
    assert cross.get_marker() == "X"
    (band,) = axis.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == (1.0, 2.5)
    assert [tick[0][1] for tick in axis.collections[0].get_segments()] == targets.tolist()


def test_a_policy_that_serves_nobody_has_no_band(axis):
    draw_velocity(
        axis, np.ones(3), 0, np.array([]), step_seconds=1.0, is_cut=False, is_raster=False
    )
    assert not axis.patches
    assert len(axis.lines) == 2


def test_the_table_of_returns_goes_from_slow_to_fast(run, speeds):
    users = by_target(speeds, run.results).users(run.results)
    assert sorted(users) == list(range(100))
    means = [speeds.targets[run.results.assignment == p].mean() for p in run.results.assignment]
    assert (np.diff(np.array(means)[users]) >= 0).all()
    assert TableOrder.by_return(run.results).policies == range(5)


def test_words_about_targets():
    written = [served_words(np.array(targets)) for targets in ([], [0.5], [0.5, 1.25])]
    assert written == ["0 users", "1 user, 0.50 m/s", "2 users, 0.50 to 1.25 m/s"]


def test_histograms_are_of_the_seed_that_most_methods_have(tmp_path):
    kept = {"em": [1, 2], "random": [0, 1], "cluster": [1], "auto": [2]}
    rows = [run_row("hopper", name, 5, seed, 1.0) for name in kept for seed in kept[name]]
    targets = [0.1 * i for i in range(10)]
    users = [
        user
        for row in rows
        for user in user_rows(row["digest"], [i % 5 for i in range(10)], targets)
    ]
    write_results(tmp_path / "t", rows, users=users)
    figure = assignments_figure(read_collection(tmp_path), ["hopper"], "assignments", 5)
    assert figure is not None
    seeds = {label: seed for _, label, seed, _, _ in figure.data}
    assert seeds == {"em": 1, "random": 1, "cluster": 1, "auto": 2}
    assert "Hopper, auto: seed 2" in figure.caption
    # Where users differ, each histogram says whose they are.
    labels = [axis.get_ylabel() for axis in figure.build().axes]
    assert labels == ["seed 1", "seed 1", "seed 1", "seed 2"]


def test_histograms_tell_what_was_not_run_from_what_was_not_kept(tmp_path):
    kept = [("hopper", "em"), ("ant", "random"), ("ant", "cluster")]
    without_users = [("ant", "em"), ("hopper", "random")]
    rows = [run_row(task, method, 5, 0, 1.0) for task, method in kept + without_users]
    users = [
        user for row in rows[: len(kept)] for user in user_rows(row["digest"], [0, 1], [0.5, 1.5])
    ]
    write_results(tmp_path / "t", rows, users=users)
    figure = assignments_figure(read_collection(tmp_path), ["hopper", "ant"], "assignments", 5)
    assert figure is not None
    said = [[text.get_text() for text in axis.texts] for axis in figure.build().axes]
    # Down em, cluster, random; across Hopper and Ant.
    assert said == [[], ["not kept"], ["not run"], [], ["not kept"], []]


def test_histogram_counts_every_user_once():
    axis = Figure().add_subplot()
    targets = np.array([0.1, 0.2, 3.9, 2.0])
    draw_target_histogram(axis, targets, np.array([1, 1, 0, 0]), num_policies=2, top=4.0)
    heights = {}
    for bar in axis.patches:
        colour = mpl.colors.to_hex(bar.get_facecolor())
        heights[colour] = heights.get(colour, 0) + bar.get_height()
    assert heights == {policy_colour(0).lower(): 2, policy_colour(1).lower(): 2}


def _rgb(colour):
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
