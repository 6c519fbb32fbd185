"""Results folders as they are read, whole and damaged."""

import json

import polars as pl
import pytest

from handful.errors import HandfulError
from handful.results.tables import (
    all_kinds,
    check_place,
    manifest_path,
    read_runs,
    read_studies,
    read_study_results,
    run_tables,
    sibling,
)
from tests.report.study.results import run_row, small_manifest, small_study, write_results


def test_the_table_of_runs_is_found_among_others(tmp_path):
    parquet = small_study(tmp_path)
    pl.DataFrame({"x": [1]}).write_parquet(parquet.parent / "other.parquet")
    assert run_tables(parquet.parent) == [parquet]


@pytest.mark.parametrize("kind", all_kinds())
def test_a_study_may_be_called_like_what_is_kept_of_another(tmp_path, kind):
    parquet = write_results(tmp_path / f"tiny-{kind}", [run_row("t", "em", 5, 0, 1.0)])
    assert run_tables(parquet.parent) == [parquet]
    assert list(read_studies(tmp_path)) == [f"tiny-{kind}"]


def test_two_studies_that_would_share_a_file_are_both_named(tmp_path):
    parquet = write_results(tmp_path / "tiny-users", [run_row("t", "em", 5, 0, 1.0)])
    with pytest.raises(HandfulError) as error:
        check_place(parquet.with_name("tiny.parquet"))
    assert str(error.value) == (
        f"'{parquet}' is the table of the study 'tiny-users', and the users of the study 'tiny' "
        f"would be kept there: give one of the two another name, or another folder of results."
    )
    check_place(parquet.with_name("other.parquet"))
    users = sibling(small_study(tmp_path), "users")
    with pytest.raises(HandfulError) as error:
        read_runs(users)
    assert str(error.value) == (
        f"'{users}' holds the users of the study 'small' and no runs: give the study "
        f"'small-users' another name, or another folder of results."
    )


@pytest.mark.parametrize("name", ["run[1]", "run?", "run*"])
def test_a_name_is_no_pattern(tmp_path, name):
    write_results(tmp_path / "run1", [run_row("t", "em", 5, 0, 1.0)])
    parquet = write_results(tmp_path / name, [run_row("t", "em", 5, 0, 2.0)])
    assert read_study_results(parquet).runs["welfare"].to_list() == [2.0]


def test_a_table_from_before_anything_else_was_kept(tmp_path):
    results = read_study_results(write_results(tmp_path / "a", [run_row("t", "em", 5, 0, 1.0)]))
    assert results.name == "a"
    assert results.manifest is None
    assert len(results.users) == len(results.curves) == len(results.kept["walks"]) == 0


def test_a_table_with_other_columns_is_named(tmp_path):
    parquet = small_study(tmp_path)
    pl.DataFrame({"digest": ["x"]}).write_parquet(sibling(parquet, "users"))
    with pytest.raises(HandfulError, match=r"small-users\.parquet' must have the columns digest"):
        read_study_results(parquet)


def test_a_damaged_table_is_named(tmp_path):
    parquet = small_study(tmp_path)
    parquet.write_bytes(b"torn")
    with pytest.raises(HandfulError, match=r"small\.parquet' is not a Parquet file"):
        read_study_results(parquet)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 99}',
        '{"format": 1}',
        json.dumps({**small_manifest([]), "runs": [{"digest": "a"}]}),
        json.dumps({**small_manifest([]), "runs": ["a"]}),
        json.dumps({**small_manifest([]), "command": None}),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path, text):
    parquet = small_study(tmp_path)
    manifest_path(parquet).write_text(text)
    with pytest.raises(HandfulError, match=r"small\.json"):
        read_study_results(parquet)
