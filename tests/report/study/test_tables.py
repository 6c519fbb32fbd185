"""Tables of a study, from rows made by hand."""

import pytest

from handful.report.study.reading import read_collection
from handful.report.study.tables import ahead_table, improvement_table, summary_table, welfare_table
from tests.report.study.results import run_row, write_results


def summary(tmp_path, rows):
    write_results(tmp_path / "t", rows)
    return summary_table(read_collection(tmp_path))


def test_a_summary_has_the_papers_methods_and_ours_in_percent(tmp_path):
    table = summary(
        tmp_path,
        [
            run_row("t", "em", 5, 0, 10.0),
            run_row("t", "em", 5, 1, 12.0),
            run_row("t", "cluster", 5, 0, 4.0),
            run_row("t", "planned-em", 5, 0, 39.0),
            run_row("t", "auto", 5, 0, 30.0),
            run_row("t", "auto", 2, 0, 20.0, optimum_kind="exact"),
            run_row("t", "planned-em", 9, 0, 39.0),  # nothing to compare it with
        ],
    )
    assert table is not None
    assert table.header[4:] == ("`em`", "`end-to-end`", "`cluster`", "`random`", "`auto`")
    assert table.rows == [
        ["t", "2", "100", "the optimum, 40.00", "–", "–", "–", "–", "50.0 (1)"],
        ["t", "5", "100", "a bound", "27.5 ± 2.5 (2)", "–", "10.0 (1)", "–", "75.0 (1)"],
    ]


def test_a_summary_takes_the_longer_runs_and_keeps_numbers_of_users_apart(tmp_path):
    table = summary(
        tmp_path,
        [
            run_row("t", "em", 5, 0, 10.0),
            run_row("t", "em", 5, 0, 20.0, steps=4000, digest="longer"),
            run_row("t", "em", 5, 0, 30.0, users=1000, digest="more"),
        ],
    )
    assert table is not None
    shown = [(row[2], row[4]) for row in table.rows]
    assert shown == [("100", "50.0 (1)"), ("1,000", "75.0 (1)")]


def test_without_an_optimum_there_is_no_summary(tmp_path):
    nothing = {"optimum": None, "optimum_kind": None, "percent_of_optimum": None}
    assert summary(tmp_path, [run_row("t", "em", 5, 0, 10.0, **nothing)]) is None


def test_methods_are_compared_in_percent_as_seeds_may_have_richer_users(tmp_path):
    rows = [
        run_row("t", "em", 5, seed, 20.0, optimum=25.0, percent_of_optimum=80.0)
        for seed in range(2)
    ]
    rows += [
        run_row("t", "auto", 5, seed, 30.0, optimum=50.0, percent_of_optimum=60.0)
        for seed in range(2, 4)
    ]
    write_results(tmp_path / "t", rows)
    table = improvement_table(read_collection(tmp_path))
    assert table is not None
    assert table.rows == [["t", "5", "em", "auto", "2, 2", "1.00 [1.00, 1.00]"]]


def test_without_an_optimum_methods_are_compared_in_welfare(tmp_path):
    nothing = {"optimum": None, "optimum_kind": None, "percent_of_optimum": None}
    rows = [
        run_row("t", method, 5, seed, welfare, **nothing)
        for method, welfare in (("em", 20.0), ("auto", 30.0))
        for seed in range(2)
    ]
    write_results(tmp_path / "t", rows)
    table = improvement_table(read_collection(tmp_path))
    assert table is not None
    assert table.rows == [["t", "5", "em", "auto", "2, 2", "0.00 [0.00, 0.00]"]]


def test_how_far_ahead_is_told_seed_by_seed(tmp_path):
    rows = [
        run_row("t", "em", 5, 0, 10.0),
        run_row("t", "em", 5, 1, 12.0),
        run_row("t", "cluster", 5, 7, 4.0),  # of other users
        run_row("t", "random", 5, 1, 40.0),
        run_row("t", "random", 2, 1, 10.0),  # nothing to compare it with
        run_row("t", "auto", 5, 0, 20.0),
        run_row("t", "auto", 5, 1, 26.0),
        run_row("t", "auto", 5, 2, 40.0),
    ]
    write_results(tmp_path / "t", rows)
    table = ahead_table(read_collection(tmp_path))
    assert table is not None
    assert table.header == ("task", "k", "n", "`em`", "`cluster`", "`random`")
    assert table.rows == [["t", "5", "100", "+30.0 ± 5.0 (2)", "–", "-35.0 (1)"]]


@pytest.mark.parametrize(("steps", "is_compared"), [(9000, True), (1000, False)])
def test_nobody_is_behind_who_had_fewer_transitions(tmp_path, steps, is_compared):
    rows = [run_row("t", "em", 5, 0, 10.0, steps=steps), run_row("t", "auto", 5, 0, 20.0)]
    write_results(tmp_path / "t", rows)
    assert (ahead_table(read_collection(tmp_path)) is not None) == is_compared


def test_a_single_longer_run_does_not_stand_in_for_many(tmp_path):
    rows = [run_row("t", "em", 5, seed, 20.0) for seed in range(3)]
    rows.append(run_row("t", "em", 5, 0, 10.0, steps=9000, digest="longer"))
    write_results(tmp_path / "t", rows)
    collection = read_collection(tmp_path)
    assert collection.one("t", "em", 5).seeds == (0, 1, 2)
    assert [row[4] for row in welfare_table(collection).rows] == ["2,000", "9,000"]


def test_an_optimum_that_is_only_bounded_for_one_seed_is_a_bound(tmp_path):
    kinds = ("exact", "upper bound")
    rows = [run_row("t", "em", 5, seed, 20.0, optimum_kind=kind) for seed, kind in enumerate(kinds)]
    write_results(tmp_path / "t", rows)
    assert read_collection(tmp_path).cells[0].optimum_kind == "upper bound"
