"""The figures of studies: all of them from tables alone, and known by their data."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from handful._support.palette import policy_colour
from handful.errors import HandfulError
from handful.report.plots.speeds import draw_target_histogram
from handful.report.study.assignments import assignments_figure
from handful.report.study.figure import stored_identifier
from handful.report.study.figures import study_figures
from handful.report.study.reading import collect, read_collection
from handful.results.tables import read_studies
from tests.report.study.results import (
    curve_rows,
    run_row,
    small_study,
    user_rows,
    write_results,
)


def test_a_figure_without_an_identifier(tmp_path):
    (tmp_path / "x.svg").write_text("<svg/>")
    assert stored_identifier(tmp_path / "x.svg") is None
    with pytest.raises(HandfulError, match="cannot be read"):
        stored_identifier(tmp_path / "y.svg")


def test_a_single_longer_run_stands_in_for_no_other(tmp_path):
    rows = [
        run_row("half-cheetah", method, 5, seed, welfare + seed)
        for method, welfare in (("em", 20.0), ("random", 10.0))
        for seed in range(3)
    ]
    longer = run_row("half-cheetah", "em", 5, 0, 35.0, steps=9000, digest="longer")
    users = [one for row in (*rows, longer) for one in user_rows(row["digest"], [0, 1])]
    curves = [one for row in rows for one in curve_rows(row["digest"], row["welfare"])]
    alone = write_results(tmp_path / "without" / "t", rows, users=users, curves=curves)
    write_results(tmp_path / "with" / "t", [*rows, longer], users=users, curves=curves)
    without, beside = (
        {figure.name: figure for figure in study_figures(read_collection(root))[0]}
        for root in (alone.parent.parent, tmp_path / "with")
    )
    assert {"spread", "training", "profiles"} <= set(without)
    assert {n: (f.identifier, f.alt, f.missing) for n, f in beside.items()} == {
        n: (f.identifier, f.alt, f.missing) for n, f in without.items()
    }


def test_a_study_is_not_told_of_budgets_that_it_does_not_ask_for(tmp_path):
    small_study(tmp_path)
    studies = read_studies(tmp_path)
    two = {
        name: replace(study, runs=study.runs.filter(policies=2)) for name, study in studies.items()
    }
    figures, _ = study_figures(collect(two, {}))
    assert [figure.missing for figure in figures if figure.name == "walks"] == [[]]
    # Of the grid there is no run with the budget that the figure shows.
    figures, _ = study_figures(collect(studies, {}))
    assert [figure.missing for figure in figures if figure.name == "training"] == [[]]


def test_a_table_alone_is_enough(tmp_path):
    write_results(tmp_path / "one", [run_row("my-task", "em", 3, 0, 5.0, percent_of_optimum=None)])
    figures, left_out = study_figures(read_collection(tmp_path))
    assert [figure.name for figure in figures] == ["welfare"]
    figures[0].build()
    assert len(left_out) == 5


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
