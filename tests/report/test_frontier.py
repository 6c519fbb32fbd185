"""The page of several budgets, from folders that are made by hand."""

import dataclasses
import re
import shutil

import pytest
from matplotlib.figure import Figure

from handful.errors import HandfulError
from handful.frontier.points import Frontier
from handful.report.frontier import alternative_text, write_frontier_report
from handful.report.plots.frontier import draw_frontier, draw_steps
from tests.frontier.frontiers import a_frontier, about, write_frontier


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


@pytest.fixture
def no_runs_pages(monkeypatch):
    """The pages of single runs are tested elsewhere, and take a second each."""
    monkeypatch.setattr("handful.report.frontier.write_report", lambda path: None)


@pytest.mark.usefixtures("no_runs_pages")
def test_the_page_answers_the_question_and_leads_to_every_run(tmp_path):
    folder = write_frontier(tmp_path / "out", a_frontier(optimum={2: 33.0}, spare=(10,)))
    assert write_frontier_report(folder.path) == folder.report
    page = folder.report.read_text(encoding="utf-8")
    text = text_of(page)
    assert "Glide: how many policies for 12 users?" in text
    assert "5 policies have 99% of what 10 gain over one policy for everybody." in text
    assert "From 5 to 10 policies, no gain is shown: one more policy is worth 0.04" in text
    assert "with 123,456 transitions of training in all" in text
    assert "9 of 10" in text
    for k in (1, 2, 5, 10):
        assert f'href="k-{k:02d}/report.html"' in page
    assert (folder.plots / "frontier.svg").is_file()
    assert (folder.plots / "frontier.png").is_file()
    assert "data:image/svg+xml" in page
    assert "http" not in page.replace("http://www.w3.org", "")


@pytest.mark.usefixtures("no_runs_pages")
def test_a_run_that_was_left_behind_has_no_link(tmp_path):
    folder = write_frontier(tmp_path / "out")
    shutil.rmtree(folder.run(2))
    page = write_frontier_report(folder.path).read_text(encoding="utf-8")
    assert "k-02/report.html" not in page
    assert "k-05/report.html" in page


def test_findings_of_single_budgets_stand_on_the_page_and_names_are_escaped(tmp_path):
    finding = {"kind": "idle-policies", "message": "1 policy <b>", "advice": "Train."}
    frontier = a_frontier({2: 30.0})
    folder = write_frontier(tmp_path / "out", frontier, name="<script>", findings=[finding])
    page = write_frontier_report(folder.path).read_text(encoding="utf-8")
    assert "<strong>2 policies.</strong> 1 policy &lt;b&gt;" in page
    assert "<script>" not in page
    assert "findings" in (folder.run(2) / "report.html").read_text(encoding="utf-8")


def test_plots_are_not_written_through_a_link(tmp_path):
    folder = write_frontier(tmp_path / "out", a_frontier({1: 10.0, 2: 30.0}))
    (tmp_path / "elsewhere").mkdir()
    folder.plots.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HandfulError, match="is a link"):
        write_frontier_report(folder.path)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_picture_in_words():
    assert alternative_text(a_frontier({1: 10.0, 2: 30.0})) == (
        "Welfare against the number of policies. 1 policy: 10.00; 2 policies: 30.00; one policy "
        "for everybody: 10.00; a policy for each user, estimated: 50.00."
    )


def drawn(frontier: Frontier):
    axis = Figure().subplots()
    draw_frontier(axis, frontier)
    return axis


def test_the_optimum_is_drawn_unless_it_is_far_above_everything():
    near, far = (drawn(a_frontier(optimum={2: top})) for top in (60.0, 1000.0))
    assert "optimum (exact)" in near.get_legend_handles_labels()[1]
    assert "optimum (exact)" not in far.get_legend_handles_labels()[1]


def test_a_level_that_is_hardly_known_does_not_flatten_the_rest():
    frontier = a_frontier()
    wide = dataclasses.replace(frontier.ceiling, welfare=about(50.0, reach=1e4))
    axis = drawn(dataclasses.replace(frontier, ceiling=wide))
    assert axis.get_ylim() == drawn(frontier).get_ylim()


def test_every_budget_has_its_place_and_its_welfare():
    for largest, scale in ((10, "linear"), (50, "log")):
        axis = drawn(a_frontier({1: 10.0, 5: 30.0, largest: 45.0}))
        assert axis.get_xscale() == scale
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "5", str(largest)]
        assert {note.get_text() for note in axis.texts} == {"10.00", "30.00", "45.00"}


def test_gains_that_are_not_shown_are_hollow():
    frontier, axis = a_frontier(), Figure().subplots()
    draw_steps(axis, frontier.steps, frontier.budgets)
    faces = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() == "D"]
    assert [face == "white" for face in faces] == [False, False, True]


@pytest.mark.usefixtures("no_runs_pages")
def test_a_share_that_is_next_to_nothing_has_no_sign(tmp_path):
    """The best single candidate may be better by a little than the one that validation chose."""
    folder = write_frontier(tmp_path / "out", a_frontier(one=10.1))
    page = write_frontier_report(folder.path).read_text(encoding="utf-8")
    assert "-0%" not in page
    assert ">0%<" in page
