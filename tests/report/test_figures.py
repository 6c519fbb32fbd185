"""The figures say what the data say, and are drawn the same every time."""

import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from handful._support.palette import policy_colour
from handful.report.figures import run_pictures
from handful.report.pictures import task_pictures
from handful.report.plots.curves import Reference, draw_users, draw_welfare
from handful.report.plots.served import TableOrder, draw_returns
from handful.report.plots.style import policy_dashes, write_figure
from handful.report.run import read_run
from handful.report.study.budgets import WelfareRow, draw_welfare_against_budget, starts_at_zero
from handful.report.study.training import Course, draw_courses, mean_course, typical_course
from handful.report.wording import count, number
from tests.report.folders import write_grid_run


@pytest.fixture
def axis():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def grid_run(tmp_path_factory):
    return read_run(write_grid_run(tmp_path_factory.mktemp("runs") / "grid"))


def test_50_policies_look_different():
    looks = {(policy_colour(policy), policy_dashes(policy)) for policy in range(50)}
    assert len(looks) == 50
    assert len({policy_colour(policy) for policy in range(50)}) == 50


def test_users_stand_by_policy_and_their_blocks_are_framed(axis, grid_run):
    results = grid_run.results
    order = TableOrder.by_return(results)
    assert (np.diff(results.assignment[order.users(results)]) >= 0).all()
    draw_returns(axis, results, grid_run.users, order)
    shown = np.asarray(axis.images[0].get_array())
    for policy, frame in enumerate(axis.patches):
        begin, end = round(frame.get_x() + 0.5), round(frame.get_x() + 0.5 + frame.get_width())
        assert frame.get_y() == policy - 0.5
        assert end - begin == results.users_per_policy[policy]
        assert (shown[policy, begin:end] >= 80).all()


def test_learning_curve_has_the_optimum_and_the_evaluation(axis, grid_run):
    draw_welfare(axis, grid_run.curves, Reference(82.0, 0.5, 91.04, "upper bound"))
    labels = [text.get_text() for text in axis.texts]
    assert labels == ["upper bound on welfare: 91.04"]
    assert any((np.asarray(line.get_ydata()) == 91.04).all() for line in axis.lines)
    assert "evaluated: 82.00 ± 0.50" in axis.get_legend_handles_labels()[1]


def test_users_over_time_stack_up_to_all_users(axis, grid_run):
    draw_users(axis, grid_run.curves)
    assert np.isclose(axis.get_ylim()[1], len(grid_run.users))


def test_methods_of_one_budget_stand_apart_above_zero_under_the_bound(axis):
    rows = [WelfareRow("em", 5, 30.0, 1.0), WelfareRow("random", 5, 29.0, 1.0)]
    draw_welfare_against_budget(axis, rows, {5: 40.0}, "upper bound")
    left, right = axis.get_xlim()
    assert axis.get_ylim()[0] == 0
    bound = next(line for line in axis.lines if line.get_label() == "upper bound")
    np.testing.assert_allclose(bound.get_xdata(), [left, right])
    np.testing.assert_allclose(bound.get_ydata(), 40)
    first, second = (bar.lines[0].get_xdata()[0] for bar in axis.containers)
    assert np.log(second / first) > np.log(right / left) / 5
    assert left < first < 5 < second < right


@pytest.mark.parametrize(
    ("welfare", "expected"),
    [([60.0, 80.0], False), ([30.0, 80.0], True), ([-1.0, 80.0], False), ([], False)],
)
def test_zero_is_shown_where_it_is_near(welfare, expected):
    rows = [WelfareRow("em", k, value, 0.0) for k, value in enumerate(welfare, 1)]
    assert starts_at_zero(rows) == expected


def test_figures_are_svg_without_date_and_leave_the_global_style_alone(
    tmp_path, grid_run, monkeypatch
):
    """Drawn twice, a year apart, they are the same files; and so is a PDF."""
    first, *_ = run_pictures(grid_run, task_pictures(grid_run))
    written = {".svg": [], ".pdf": [], ".png": []}
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever style an earlier figure may have left behind
        before = dict(mpl.rcParams)
        for year in (0, 1):
            monkeypatch.setenv("SOURCE_DATE_EPOCH", str(1_700_000_000 + year * 31_536_000))
            paths = [tmp_path / f"{year}{suffix}" for suffix in written]
            write_figure(first.build, *paths)
            for path in paths:
                written[path.suffix].append(path.read_bytes())
        assert dict(mpl.rcParams) == before
    for suffix, (one, later) in written.items():
        assert one == later, suffix
    svg, pdf = written[".svg"][0].decode(), written[".pdf"][0]
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "dc:date" not in svg
    assert b"CreationDate" not in pdf


def test_numbers():
    written = [number(value) for value in (0, 88.64, 1.4e-15, -1e-12, 0.004, 0.5, -3.0, 12345.6)]
    assert written == ["0.00", "88.64", "0.00", "0.00", "0.004", "0.50", "-3.00", "12,345.60"]


def test_counts():
    written = [count(1, "policy"), count(5, "policy"), count(1, "user"), count(2500, "user")]
    assert written == ["1 policy", "5 policies", "1 user", "2,500 users"]


def test_the_mean_of_courses_lasts_as_long_as_all_of_them():
    slow = Course(np.array([2.0, 4.0]), np.array([2.0, 6.0]))
    quick = Course(np.array([1.0, 3.0]), np.array([4.0, 8.0]))
    mean = mean_course([slow, quick], points=3)
    np.testing.assert_allclose(mean.seconds, [2, 2.5, 3])  # of before, slow has told nothing
    np.testing.assert_allclose(mean.welfare, [4, 5, 6])


def test_a_typical_course_takes_as_long_as_the_median_run():
    counted = [Course(np.array([0.0, 100.0]), np.array([0.0, top])) for top in (2.0, 4.0, 9.0)]
    ends = (10.0, 20.0, 90.0)
    timed = [
        Course(np.array([0.0, end]), run.welfare) for end, run in zip(ends, counted, strict=True)
    ]
    typical = typical_course(counted, timed, points=3)
    np.testing.assert_allclose(typical.seconds, [0, 10, 20])
    np.testing.assert_allclose(typical.welfare, [0, 2.5, 5])


def test_every_run_is_a_thin_line_and_a_group_has_one_name(axis):
    def course(rate):
        return Course(np.linspace(1, 100, 50), rate * np.linspace(0, 1, 50))

    draw_courses(axis, {"paper": [course(1), course(2)], "fast": [course(3)]}, unit=2.0)
    assert axis.get_legend_handles_labels()[1] == ["paper", "fast"]
    assert len(axis.lines) == 4
    assert max(axis.lines[0].get_xdata()) == 50
