"""What variants change, from rows made by hand."""

import pytest

from handful.report.study.reading import STUDIES_FILE, read_collection
from handful.report.study.tables import improvement_table, variants_table
from tests.report.study.results import run_row, write_results

ROWS = [
    run_row("t", "em", 5, 0, 10.0),
    run_row("t", "em", 5, 1, 12.0),
    run_row("t", "em (warm-up-0)", 5, 0, 13.0),
    run_row("t", "em (warm-up-0)", 5, 1, 17.0),
    run_row("t", "em (fixed)", 5, 1, 11.0),
    run_row("t", "em (other-users)", 5, 7, 20.0),
    run_row("t", "random", 5, 0, 3.0),
]


def test_differences_are_between_runs_with_the_same_seed(tmp_path):
    write_results(tmp_path / "t", ROWS)
    table = variants_table(read_collection(tmp_path))
    assert table is not None
    em = ["t", "5", "em"]
    assert table.rows == [
        [*em, "nothing", "2", "11.00 ± 1.00", "–", "27.50 ± 2.50 of ≤ 40.00"],
        [*em, "fixed", "1", "11.00", "-1.00", "27.50 of ≤ 40.00"],
        [*em, "other-users", "1", "20.00", "–", "50.00 of ≤ 40.00"],
        [*em, "warm-up-0", "2", "15.00 ± 2.00", "+4.00 ± 1.00", "37.50 ± 5.00 of ≤ 40.00"],
    ]


def test_runs_of_other_lengths_are_another_comparison(tmp_path):
    longer = run_row("t", "em", 5, 0, 30.0, steps=9000, digest="longer")
    write_results(tmp_path / "t", [run_row("t", "em (fixed)", 5, 0, 11.0), longer])
    table = variants_table(read_collection(tmp_path))
    assert table is not None
    assert [row[3:7] for row in table.rows] == [["fixed", "1", "11.00", "–"]]


def test_without_variants_there_is_no_table(tmp_path):
    write_results(tmp_path / "t", [run_row("t", "em", 5, 0, 10.0)])
    assert variants_table(read_collection(tmp_path)) is None


@pytest.mark.parametrize("listed", [True, False])
def test_a_study_of_variants_is_read_though_it_is_not_drawn_with_the_others(tmp_path, listed):
    write_results(tmp_path / "t", ROWS)
    write_results(tmp_path / "main", [run_row("t", "em", 5, 0, 35.0, digest="long")])
    (tmp_path / STUDIES_FILE).write_text('main: ""\n' + ('t: ""\n' if listed else ""))
    collection = read_collection(tmp_path)
    assert len(collection.cells) == (6 if listed else 1)
    assert len(collection.variants) == 5


def test_variants_are_not_paired_with_all_methods_too(tmp_path):
    rows = [
        run_row("t", method, 5, seed, 1.0)
        for method in ("em", "em (fixed)", "random")
        for seed in range(2)
    ]
    write_results(tmp_path / "t", rows)
    table = improvement_table(read_collection(tmp_path))
    assert table is not None
    assert [row[2:4] for row in table.rows] == [["em", "random"]]
