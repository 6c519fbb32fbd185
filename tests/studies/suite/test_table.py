"""The suite's rows, shares and references, computed by hand."""

import numpy as np
import pytest

from studies.suite import references, table
from studies.suite.rows import Reference, Row, add, read, title


def row(**changes):
    values = {
        "problem": "a.b:dial",
        "method": "em",
        "stands_for": "em",
        "k": 3,
        "seed": 100,
        "steps": 10,
        "welfare": 4.0,
        "transitions": 33,
        "seconds": 2.0,
    }
    return Row(**{**values, **changes})


def known(seed, one, best, kind="exact"):
    return [Reference("a.b:dial", seed, k, kind, value) for k, value in ((1, one), (3, best))]


@pytest.mark.parametrize(
    ("welfare", "share"), [(2.0, 0.0), (6.0, 100.0), (5.0, 75.0), (1.0, -25.0)]
)
def test_the_share_of_the_gain(welfare, share):
    assert table.share_of_gain(welfare, 2.0, 6.0) == pytest.approx(share)
    assert table.share_of_gain(welfare - 9.0, -7.0, -3.0) == pytest.approx(share)
    assert np.isnan(table.share_of_gain(welfare, 6.0, 6.0))


def test_seeds_of_a_problem_and_method_are_one_line():
    rows = [row(), row(seed=101, welfare=5.0, transitions=35), row(seed=0), row(method="auto")]
    found = table.lines_of(
        rows, [*known(100, 2.0, 6.0), *known(101, 3.0, 5.0), *known(0, 2.0, 5.0)]
    )
    sizes = [(line.size, line.method, line.seeds) for line in found]
    assert sizes == [("development", "em", 2), ("evaluation", "em", 1), ("development", "auto", 1)]
    np.testing.assert_allclose(found[0].share, [50.0, 100.0])
    np.testing.assert_allclose(found[0].percent, [400 / 6, 100.0])
    assert found[0].transitions == 34.0
    assert found[2].stands_for == ("em",)
    mean, error = table.mean_and_error(found[0].share)
    assert (mean, error) == (75.0, pytest.approx(25.0))


def test_a_bound_gives_percents_and_the_runs_give_shares():
    found = table.lines_of(
        [row()], [*known(100, 3.0, 8.0, "upper bound"), *known(100, 2.0, 5.0, "runs")]
    )
    assert found[0].reference == "runs"
    assert found[0].percent.tolist() == [50.0]
    np.testing.assert_allclose(found[0].share, [200 / 3])
    nothing = table.lines_of([row()], [])[0]
    assert np.isnan(nothing.share).all()
    assert np.isnan(nothing.percent).all()


def test_rows_are_written_once_and_read_again(tmp_path):
    path = tmp_path / "runs.csv"
    assert read(path, Row) == []
    add(path, [row(seed=101), row()], Row)
    ordered = add(path, [row(welfare=4.5, stands_for="elite-em")], Row)
    assert read(path, Row) == ordered == [row(welfare=4.5, stands_for="elite-em"), row(seed=101)]
    add(tmp_path / "references.csv", known(100, 2.0, 6.0), Reference)
    assert read(tmp_path / "references.csv", Reference) == known(100, 2.0, 6.0)


def test_the_reference_of_runs_is_the_best_choice_of_all_their_policies(tmp_path, monkeypatch):
    monkeypatch.setattr(references, "POOL", tmp_path)
    references.keep(row(), np.array([[4.0, 0.0], [1.0, 1.0]]))
    references.keep(row(method="auto"), np.array([[0.0, 3.0]]))
    references.keep(row(seed=7), np.array([[9.0, 9.0]]))
    found = {one.k: one.welfare for one in references.of_runs("a.b:dial", 100, {1: 2.5})}
    assert found[1] == 2.5  # what earlier runs had; of these it is 2
    assert found[2] == found[10] == 3.5
    assert list(references.of_runs("a.b:dial", 8, {})) == []


def test_the_table_and_the_page_have_a_row_for_each_line(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "TABLE", tmp_path / "suite.csv")
    monkeypatch.setattr(table, "PAGE", tmp_path / "suite.md")
    rows = [row(method="auto", stands_for="elite-em"), row(seed=101, method="auto")]
    found = table.lines_of(rows, [*known(100, 2.0, 6.0), *known(101, 2.0, 6.0)])
    table.write_table(found)
    page = (tmp_path / "suite.md").read_text()
    cells = "3 | 2 | 4.000 ± 0.000 | 50.0 ± 0.0 | 50.0 | 66.7 ± 0.0 | 33 | 2"
    assert f"| `auto` (elite-em, em) | {cells} |" in page
    assert "### dial" in page
    assert "| problem | auto |\n| --- | --- |\n| dial | 50 ± 0 |" in page
    rows = (tmp_path / "suite.csv").read_text().splitlines()
    assert rows[1].startswith("development,dial,auto,")
    assert title("half-cheetah") == "half-cheetah"
