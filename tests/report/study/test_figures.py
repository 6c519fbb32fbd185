"""The figures of studies: all of them from tables alone, and known by their data."""

from dataclasses import replace

import pytest

from handful.errors import HandfulError
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
    assert len(left_out) == 4  # the figures that every study has, but welfare
