"""The paper's figures and ours: all of them from tables alone, and known by their data."""

import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest

from handful.report.study.figure import stored_identifier
from handful.report.study.reading import read_collection
from studies.paper.figures import collected_figures, paper_figures, write_figures
from tests.report.study.results import (
    run_row,
    small_study,
    user_rows,
    write_results,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("results")).parent.parent


@pytest.fixture(scope="module")
def figures(root):
    return {figure.name: figure for figure in paper_figures(read_collection(root))[0]}


def test_every_figure_that_there_are_data_for(figures, root):
    assert set(figures) == {
        "walks",
        "resource-gathering",
        "robots",
        "assignments-half-cheetah",
        "percent-of-optimum",
        "training",
        "spread",
        "profiles",
    }
    (sentence,) = paper_figures(read_collection(root))[1]
    assert "`assignments`" in sentence  # of the other robots nothing was kept


def test_every_figure_is_drawn_a_column_wide_and_says_what_it_is(figures):
    for figure in figures.values():
        assert len(figure.alt) > 40
        assert figure.title
        assert figure.caption
        width, height = figure.build().get_size_inches()
        assert width == 3.3
        assert 0.8 < height < 6


def test_files_hold_the_identifier_of_their_data(figures, tmp_path):
    kinds = ("svg", "png", "pdf")
    write_figures([figures["robots"]], [], tmp_path, kinds)
    ET.parse(tmp_path / "robots.svg")
    for kind in kinds:
        assert stored_identifier(tmp_path / f"robots.{kind}") == figures["robots"].identifier


def test_other_data_have_another_identifier_and_other_fonts_do_not(figures, root, tmp_path):
    with mpl.rc_context({"font.size": 20}):
        again = {f.name: f.identifier for f in paper_figures(read_collection(root))[0]}
    assert again == {name: figure.identifier for name, figure in figures.items()}
    table = pl.read_parquet(root / "small" / "small.parquet")
    changed = table.with_columns(pl.col("welfare") + 0.01)
    write_results(tmp_path / "small", changed.to_dicts())
    other = {f.name: f.identifier for f in paper_figures(read_collection(tmp_path))[0]}
    assert other["robots"] != figures["robots"].identifier


def test_points_of_the_robots_are_means_over_seeds(figures):
    ((task, rows, optimum, kind),) = figures["robots"].data
    assert (task, kind) == ("half-cheetah", "upper bound")
    # Welfare 30 + k + seed with em, 10 + k + seed with random.
    error = pytest.approx(1 / 3**0.5)
    assert rows == [
        ["em", 2, 33.0, error],
        ["em", 5, 36.0, error],
        ["random", 2, 13.0, error],
        ["random", 5, 16.0, error],
    ]
    assert optimum == {2: 40.0, 5: 40.0}


def test_long_labels_are_not_cut_off_at_the_figures_edge(tmp_path):
    names = [f"em (everything-that-is-different-{i})" for i in range(4)]
    write_results(tmp_path / "t", [run_row("half-cheetah", name, 5, 0, 10.0) for name in names])
    (figure,) = (f for f in paper_figures(read_collection(tmp_path))[0] if f.name == "robots")
    drawn = figure.build()
    drawn.draw_without_rendering()
    (legend,) = drawn.legends
    assert legend.get_window_extent().x1 <= drawn.bbox.x1


def test_methods_are_drawn_for_the_same_users(tmp_path):
    rows = [
        run_row("half-cheetah", method, 5, seed, 10.0 + seed, optimum=30.0 + seed)
        for method, seeds in (("em", 2), ("auto", 4), ("random", 1))
        for seed in range(seeds)
    ]
    write_results(tmp_path / "t", rows)
    (figure,) = (f for f in paper_figures(read_collection(tmp_path))[0] if f.name == "robots")
    ((_, points, optimum, _),) = figure.data
    assert points == [["em", 5, 10.5, 0.5], ["auto", 5, 10.5, 0.5]]
    assert optimum == {5: 30.5}
    assert "Half cheetah, random: seed 0, as not all methods have the same." in figure.missing
    assert "Half cheetah, auto: seeds 2, 3, as not all methods have the same." in figure.missing


def test_the_spread_says_whose_users_are_not_the_same(tmp_path):
    rows = [
        run_row("half-cheetah", method, 5, seed, 10.0 + seed, optimum=30.0 + seed)
        for method in ("em", "auto")
        for seed in range(3)
    ]
    kept = [row for row in rows if (row["method"], row["seed"]) != ("auto", 0)]
    users = [user for row in kept for user in user_rows(row["digest"], [0, 1])]
    write_results(tmp_path / "t", rows, users=users)
    (figure,) = (f for f in paper_figures(read_collection(tmp_path))[0] if f.name == "spread")
    assert figure.caption.endswith(
        "Not all are of the same seeds, and so users: Half cheetah, em: seeds 0 to 2; "
        "Half cheetah, auto: seeds 1, 2."
    )


def test_the_page_lists_figures_and_what_is_left_out(figures, tmp_path):
    written = write_figures([figures["walks"]], ["`x`: nothing."], tmp_path, ("svg",))
    assert [path.name for path in written] == ["walks.svg", "figures.md"]
    page = (tmp_path / "figures.md").read_text()
    assert f"![{figures['walks'].alt}](walks.svg)" in page
    assert "- `x`: nothing." in page
    assert "- k = 3: no walks of em were kept." in page


def test_figures_of_any_tasks_where_none_is_the_papers(root, tmp_path):
    write_results(tmp_path / "glide", [run_row("glide", "em", k, 0, 5.0 + k) for k in (2, 5)])
    figures, _ = collected_figures(read_collection(tmp_path))
    assert [figure.name for figure in figures] == ["welfare", "percent-of-optimum"]
    small_study(tmp_path)
    figures, left_out = collected_figures(read_collection(tmp_path))
    assert "robots" in {figure.name for figure in figures}
    assert left_out[-1] == (
        "Glide, which is none of the paper's tasks: 'handful report' draws a study."
    )


def test_profiles_are_drawn_whole_by_the_points_at_which_they_bend(figures):
    figure = figures["profiles"]
    (axis,), (task,) = figure.build().axes, figure.data.values()
    thresholds = np.linspace(0, 100, 201)
    for line in axis.get_lines():
        percent = np.asarray(task[line.get_label()])
        share = np.mean(percent[:, None] > thresholds, axis=0)
        assert np.allclose(np.interp(thresholds, *line.get_data()), share)
        assert len(line.get_xdata()) < 60
