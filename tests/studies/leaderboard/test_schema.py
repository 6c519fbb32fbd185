"""The schema of the leaderboard: what is wrong with a file is said with its row and column."""

import csv
from pathlib import Path

import pytest

from handful.catalogue import register
from handful.errors import HandfulError
from studies.leaderboard.schema import Row, merged, read_rows, schema_table, write_rows

ROW = {
    "task": "resource-gathering",
    "policies": "3",
    "users": "25",
    "method": "mine",
    "author": "me",
    "seeds": "0 1 2",
    "transitions": "999424",
    "welfare": "88.0",
    "welfare_stderr": "0.3",
    "percent": "98.6",
    "percent_stderr": "0.3",
    "optimum_kind": "exact",
    "command": "python train.py",
}


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_sound_file_is_read_and_written_again(tmp_path):
    (row,) = read_rows(write(tmp_path / "rows.csv", ROW))
    assert (row.policies, row.seeds, row.welfare, row.url) == (3, (0, 1, 2), 88.0, None)
    write_rows(tmp_path / "again.csv", [row])
    assert read_rows(tmp_path / "again.csv") == [row]


@pytest.mark.parametrize(
    "change",
    [
        {"task": "mo-gymnasium:deep-sea-treasure-v0"},
        {"task": "gymnasium:NotInstalledHere-v9"},
        {"percent": "100.5"},  # chance
        {"percent": "100.5", "optimum_kind": "upper bound"},
        {"percent": "-20", "welfare": "-3"},
        {"method": "a|b"},
        {"percent": "", "percent_stderr": "", "optimum_kind": ""},
        {"welfare": "88"},
    ],
)
def test_a_row_that_may_be_so_is_let_pass(tmp_path, change):
    assert len(read_rows(write(tmp_path / "rows.csv", {**ROW, **change}))) == 1


def test_a_task_that_was_registered_is_a_task(tmp_path, monkeypatch):
    path = write(tmp_path / "rows.csv", ROW)
    monkeypatch.setattr("handful.catalogue._TASKS", {})
    with pytest.raises(HandfulError, match="no task named 'resource-gathering'"):
        read_rows(path)
    register("resource-gathering", "no.such.module:make", "Somebody else's.")
    assert len(read_rows(path)) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": ""}, "column 'seeds': Field required"),
        ({"seeds": "1 1"}, "column 'seeds': must be different whole numbers"),
        ({"seeds": "0.5"}, "column 'seeds': Input should be a valid integer"),
        ({"method": " "}, "column 'method': Field required"),
        ({"author": "me\nand them"}, "column 'author': must be one line"),
        ({"command": "a\nb"}, "column 'command': must be one line"),
        ({"welfare": "nan"}, "column 'welfare': Input should be a finite number"),
        ({"welfare": "much"}, "column 'welfare': Input should be a valid number"),
        ({"policies": "0"}, "column 'policies': Input should be greater than or equal to 1"),
        ({"policies": "3.7"}, "column 'policies': Input should be a valid integer"),
        ({"policies": "26"}, "26 policies are more than the 25 users"),
        ({"welfare_stderr": "-1"}, "column 'welfare_stderr': Input should be greater than"),
        ({"optimum_kind": "guess"}, "column 'optimum_kind': Input should be 'exact' or"),
        ({"optimum_kind": ""}, "a percent needs an optimum_kind"),
        ({"task": "resource-gatherin"}, "column 'task': There is no task named"),
        ({"percent": "100.6"}, "100.6 percent of the optimum is more than 100"),
        ({"percent": "-1"}, "the percent -1.0 is negative, and the welfare is not"),
        ({}, "row 1 has the same task, policies, users, method, author and transitions already"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, change, said):
    other = {**ROW, "method": "other"} if change else ROW
    path = write(tmp_path / "rows.csv", ROW, {**other, **change})
    with pytest.raises(HandfulError) as error:
        read_rows(path)
    assert str(error.value).startswith(f"'{path}', row 2")
    assert said in str(error.value)


def test_files_that_are_no_leaderboard_are_refused(tmp_path):
    with pytest.raises(HandfulError, match="column 'command': Field required"):
        read_rows(write(tmp_path / "a.csv", {k: v for k, v in ROW.items() if k != "command"}))
    with pytest.raises(HandfulError, match="column 'colour'"):
        read_rows(write(tmp_path / "b.csv", {**ROW, "colour": "red"}))
    (tmp_path / "c.csv").write_text("task,policies\nglide\n")
    with pytest.raises(HandfulError, match="row 1 has another number of cells"):
        read_rows(tmp_path / "c.csv")
    (tmp_path / "d.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HandfulError, match="cannot be read as a CSV file in UTF-8"):
        read_rows(tmp_path / "d.csv")
    with pytest.raises(HandfulError, match="cannot be read"):
        read_rows(tmp_path / "none.csv")


def test_an_added_row_replaces_its_like_and_the_best_come_first(tmp_path):
    rows = [Row.model_validate(ROW), Row.model_validate({**ROW, "method": "best", "welfare": 90})]
    both = merged(rows, [Row.model_validate({**ROW, "welfare": 89})])
    write_rows(tmp_path / "rows.csv", both)
    found = [(row.method, row.welfare) for row in read_rows(tmp_path / "rows.csv")]
    assert found == [("best", 90.0), ("mine", 89.0)]


def test_the_page_has_the_schema():
    assert schema_table() in Path("docs/leaderboard.md").read_text()
