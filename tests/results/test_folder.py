"""Results folders as they are read, whole and damaged."""

import polars as pl
import pytest

from handful.errors import HandfulError
from handful.results.folder import manifest_path, read_study_results, run_tables, sibling
from tests.reports.study.results import run_row, small_study, write_results


def test_the_table_of_runs_is_found_among_others(tmp_path):
    parquet = small_study(tmp_path)
    pl.DataFrame({"x": [1]}).write_parquet(parquet.parent / "other.parquet")
    assert run_tables(parquet.parent) == [parquet]


def test_a_table_from_before_anything_else_was_kept(tmp_path):
    results = read_study_results(write_results(tmp_path / "a", [run_row("t", "em", 5, 0, 1.0)]))
    assert results.name == "a"
    assert results.manifest is None
    assert len(results.users) == len(results.curves) == len(results.walks) == 0


def test_a_table_with_other_columns_is_named(tmp_path):
    parquet = small_study(tmp_path)
    pl.DataFrame({"digest": ["x"]}).write_parquet(sibling(parquet, "users"))
    with pytest.raises(HandfulError, match=r"small-users\.parquet' must have the columns digest"):
        read_study_results(parquet)


def test_a_damaged_table_is_named(tmp_path):
    parquet = small_study(tmp_path)
    parquet.write_bytes(b"torn")
    with pytest.raises(HandfulError, match=r"small\.parquet' is no Parquet file"):
        read_study_results(parquet)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}'])
def test_a_damaged_manifest_is_named(tmp_path, text):
    parquet = small_study(tmp_path)
    manifest_path(parquet).write_text(text)
    with pytest.raises(HandfulError, match=r"small\.json"):
        read_study_results(parquet)
