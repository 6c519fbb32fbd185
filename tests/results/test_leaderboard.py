"""The leaderboard's format: what is wrong with a file is said with its row and column."""

import math
from datetime import date

import polars as pl
import pytest

from handful.catalogue import register
from handful.errors import HandfulError
from handful.results.leaderboard import (
    COLUMNS,
    check_leaderboard,
    leaderboard_schema,
    merged,
    read_leaderboard,
)

ROW = {
    "task": "resource-gathering",
    "policies": 3,
    "users": 25,
    "method": "mine",
    "author": "me",
    "seeds": [0, 1, 2],
    "transitions": 999_424,
    "welfare": 88.0,
    "welfare_stderr": 0.3,
    "percent": 98.6,
    "percent_stderr": 0.3,
    "optimum_kind": "exact",
    "command": "python train.py",
}


def test_a_sound_file_is_read(tmp_path):
    pl.DataFrame([ROW]).write_parquet(tmp_path / "rows.parquet")
    table = read_leaderboard(tmp_path / "rows.parquet")
    assert dict(table.schema) == leaderboard_schema()
    assert table.row(0, named=True) == {**dict.fromkeys(c.name for c in COLUMNS), **ROW}


@pytest.mark.parametrize(
    "change",
    [
        {"task": "mo-gymnasium:deep-sea-treasure-v0"},
        {"task": "gymnasium:NotInstalledHere-v9"},
        {"percent": 100.5},  # luck
        {"percent": 100.5, "optimum_kind": "upper bound"},
        {"percent": -20.0, "welfare": -3.0},
        {"method": "a|b"},
        {"percent": None, "optimum_kind": None},
    ],
)
def test_a_row_that_may_be_so_is_let_pass(change):
    check_leaderboard(pl.DataFrame([{**ROW, **change}]), "rows")


def test_a_task_that_was_registered_is_a_task(monkeypatch):
    monkeypatch.setattr("handful.catalogue._TASKS", {})
    with pytest.raises(HandfulError, match="no task named 'resource-gathering'"):
        check_leaderboard(pl.DataFrame([ROW]), "rows")
    register("resource-gathering", "no.such.module:make", "Somebody else's.")
    check_leaderboard(pl.DataFrame([ROW]), "rows")


def test_numbers_of_other_types_do_where_they_mean_the_same():
    changes = {"welfare": 88, "policies": 3.0, "seeds": [0.0, 1.0]}
    table = check_leaderboard(pl.DataFrame([{**ROW, **changes}]), "rows")
    assert dict(table.schema) == leaderboard_schema()
    row = table.row(0, named=True)
    assert {name: row[name] for name in changes} == {"welfare": 88, "policies": 3, "seeds": [0, 1]}


def test_a_table_without_rows_has_nothing_wrong_in_it():
    table = pl.DataFrame([{**ROW, "method": 3}]).clear()
    assert dict(check_leaderboard(table, "rows").schema) == leaderboard_schema()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": []}, "rows, row 2, column 'seeds': it is empty."),
        ({"seeds": [1, 1]}, "rows, row 2, column 'seeds': [1, 1] must be different whole numbers."),
        ({"method": ""}, "rows, row 2, column 'method': it is empty."),
        ({"method": " "}, "rows, row 2, column 'method': it is empty."),
        ({"author": "me\nand them"}, "rows, row 2, column 'author': it must be one line."),
        ({"version": "1\r"}, "rows, row 2, column 'version': it must be one line."),
        ({"command": None}, "rows, row 2, column 'command': it is empty."),
        ({"command": "a\nb"}, "rows, row 2, column 'command': it must be one line."),
        ({"welfare": math.nan}, "rows, row 2, column 'welfare': nan is not a finite number."),
        ({"policies": 0}, "rows, row 2, column 'policies': 0 is not at least 1."),
        ({"policies": 26}, "rows, row 2, column 'policies': 26 is more than the 25 users."),
        ({"welfare_stderr": -1.0}, "rows, row 2, column 'welfare_stderr': -1.0 is negative."),
        (
            {"optimum_kind": "guess"},
            "rows, row 2, column 'optimum_kind': 'guess' must be 'exact' or 'upper bound' beside a "
            "percent.",
        ),
        (
            {"task": "resource-gatherin"},
            "rows, row 2, column 'task': There is no task named 'resource-gatherin' (did you mean "
            "'resource-gathering'?): the tasks are ant, glide, glucose, gymnasium:ENV-ID, "
            "half-cheetah, highway, hopper, icu-sepsis, market, mo-gymnasium:ENV-ID, "
            "resource-gathering, tabular, walker2d.",
        ),
        (
            {"task": "gymnasium"},
            "rows, row 2, column 'task': The task 'gymnasium' is asked for as gymnasium:ENV-ID.",
        ),
        (
            {"percent": 100.6},
            "rows, row 2, column 'percent': 100.6 is more than 100 percent of an exact optimum, by "
            "more than the luck of the evaluation's episodes explains.",
        ),
        (
            {"percent": 250.0, "optimum_kind": "upper bound"},
            "rows, row 2, column 'percent': 250.0 is more than 100 percent of an upper bound, by "
            "more than the luck of the evaluation's episodes explains.",
        ),
        (
            {"percent": -1.0},
            "rows, row 2, column 'percent': -1.0 is negative, and the welfare is not.",
        ),
        (
            {},
            "rows, row 2: row 1 has the same task, policies, users, method, author and transitions "
            "already.",
        ),
    ],
)
def test_a_wrong_row_is_named(change, sentence):
    other = {**ROW, "method": "other"} if change else ROW
    with pytest.raises(HandfulError) as error:
        check_leaderboard(pl.DataFrame([ROW, {**other, **change}]), "rows")
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("seeds", 3, "column 'seeds': 3 is not a list of whole numbers."),
        ("seeds", ["a"], "column 'seeds': ['a'] is not a list of whole numbers."),
        ("seeds", [0.5, 1.2], "column 'seeds': [0.5, 1.2] is not a list of whole numbers."),
        ("method", 3, "column 'method': 3 is not text."),
        ("policies", "three", "column 'policies': 'three' is not a whole number."),
        ("policies", 3.7, "column 'policies': 3.7 is not a whole number."),
        ("policies", True, "column 'policies': True is not a whole number."),
        ("policies", math.inf, "column 'policies': inf is not a whole number."),
        (
            "transitions",
            date(2026, 1, 1),
            "column 'transitions': datetime.date(2026, 1, 1) is not a whole number.",
        ),
        ("welfare", "88", "column 'welfare': '88' is not a number."),
    ],
)
def test_a_wrong_type_is_named(column, value, sentence):
    with pytest.raises(HandfulError) as error:
        check_leaderboard(pl.DataFrame([{**ROW, column: value}]), "rows")
    assert str(error.value) == f"rows, row 1, {sentence}"


def test_missing_and_unknown_columns_are_named():
    table = pl.DataFrame([ROW])
    with pytest.raises(HandfulError, match="column 'command' is missing"):
        check_leaderboard(table.drop("command"), "rows")
    with pytest.raises(HandfulError, match="no column 'colour'"):
        check_leaderboard(table.with_columns(colour=pl.lit("red")), "rows")


def test_an_added_row_replaces_its_like_and_the_best_come_first():
    table = check_leaderboard(pl.DataFrame([ROW, {**ROW, "method": "best", "welfare": 90.0}]), "a")
    added = check_leaderboard(pl.DataFrame([{**ROW, "welfare": 89.0}]), "b")
    both = merged(table, added)
    assert both.select("method", "welfare").rows() == [("best", 90.0), ("mine", 89.0)]
