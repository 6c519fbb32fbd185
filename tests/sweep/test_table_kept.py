"""Rows that a sweep would lose, and those that it would not."""

from pathlib import Path

import pytest

from handful.errors import HandfulError
from handful.sweep.attempts import attempt
from handful.sweep.study_file import read_study
from handful.sweep.table import check_nothing_is_lost, rows_of_gone_methods, stored_rows
from tests.report.study.results import run_row
from tests.sweep.helpers import request_of

ROOT = Path(__file__).parents[2]


def check(requests, out, *digests, reused=()):
    rows = {d: run_row("t", "em", 5, i, 1.0, digest=d) for i, d in enumerate(digests)}
    check_nothing_is_lost(Path("results/a.parquet"), rows, reused, requests, out)


def test_rows_that_are_asked_for_or_elsewhere_are_not_lost(tmp_path):
    request = request_of(tmp_path)
    check([request], tmp_path / "runs", request.digest)
    check([request], tmp_path / "runs", request.digest, "other", reused={"other": {}})


def test_other_rows_are(tmp_path):
    request = request_of(tmp_path)
    with pytest.raises(HandfulError) as error:
        check([request], tmp_path / "runs", request.digest, "one", "two")
    assert str(error.value) == (
        f"The table 'results/a.parquet' holds 2 runs that the study does not ask for and whose "
        f"folders are not in '{tmp_path / 'runs'}' any more, like em on t with k = 5, seed 1 and "
        f"2,000 steps: ask for them again, or move the table and the files beside it away."
    )


def test_a_run_with_other_settings_takes_the_place_of_its_row(tmp_path):
    request = request_of(tmp_path)
    config = request.config
    row = run_row(request.task, config.method, config.num_policies, config.seed, 1.0)
    check_nothing_is_lost(Path("a.parquet"), {"old": row}, (), [request], tmp_path)
    other = {**row, "seed": config.seed + 1}
    with pytest.raises(HandfulError, match="holds 1 run that"):
        check_nothing_is_lost(Path("a.parquet"), {"old": other}, (), [request], tmp_path)


def test_rows_of_methods_that_left_the_library_are_kept(tmp_path):
    rows = {"a": run_row("t", "planned-em", 5, 0, 1.0), "b": run_row("t", "em", 5, 0, 1.0)}
    rows["c"] = run_row("t", "branching-em (slow)", 5, 0, 1.0)
    assert list(rows_of_gone_methods(rows)) == ["a", "c"]
    del rows["b"]
    check_nothing_is_lost(Path("a.parquet"), rows, (), [], tmp_path)


def test_rows_whose_folders_are_there_can_be_made_again(tmp_path):
    request = request_of(tmp_path)
    assert attempt(request).error is None
    check([], tmp_path, request.digest)
    (request.folder / "evaluation.json").unlink()
    with pytest.raises(HandfulError, match="holds 1 run that"):
        check([], tmp_path, request.digest)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_studies_that_are_shipped_ask_for_all_that_their_tables_hold(path):
    study = read_study(path)
    parquet = ROOT / study.results / f"{study.name}.parquet"
    check_nothing_is_lost(parquet, stored_rows(parquet), (), study.runs(), ROOT / "none")
