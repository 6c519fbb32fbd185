"""What the choice of the best moment brings, from curves made by hand."""

from handful.report.study.reading import read_collection
from studies.paper.endings import as_training_ended, endings_table
from tests.report.study.results import curve_rows, run_row, write_results


def test_welfare_as_training_ended_is_the_last_of_the_curve(tmp_path):
    rows = [run_row("t", "em", 5, seed, 20.0 + seed) for seed in range(3)]
    curves = [point for row in rows[:2] for point in curve_rows(row["digest"], 10.0)]
    write_results(tmp_path / "t", rows, curves=curves)
    (cell,) = as_training_ended(read_collection(tmp_path)).cells
    assert cell.seeds == (0, 1)  # of the third no curve was kept
    assert cell.welfare.tolist() == [10.0, 10.0]
    assert cell.percent.tolist() == [25.0, 25.0]


def test_a_row_a_method_of_the_paper(tmp_path):
    names = ("em", "auto")
    rows = [run_row("t", name, 5, seed, 20.0 + seed) for name in names for seed in range(2)]
    curves = [point for row in rows for point in curve_rows(row["digest"], 10.0)]
    write_results(tmp_path / "t", rows, curves=curves)
    table = endings_table(read_collection(tmp_path))
    assert table is not None
    assert table.rows == [
        ["t", "5", "100", "em", "2", "20.50 ± 0.50", "10.00 ± 0.00", "10.50 ± 0.50"]
    ]


def test_no_curves_no_table(tmp_path):
    write_results(tmp_path / "t", [run_row("t", "em", 5, 0, 1.0)])
    assert endings_table(read_collection(tmp_path)) is None
