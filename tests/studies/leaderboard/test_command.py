"""``python -m studies.leaderboard``, from results folders made by hand."""

import csv

import pytest

from studies.command import run
from studies.leaderboard.__main__ import Leaderboard
from studies.leaderboard.schema import read_rows
from tests.report.study.results import run_row, small_manifest, small_study, write_results
from tests.studies.leaderboard.test_schema import ROW

RIVAL = {
    **ROW,
    "task": "half-cheetah",
    "policies": "5",
    "users": "100",
    "method": "rival",
    "author": "them",
    "seeds": "0",
    "transitions": "1984",
    "welfare": "39.0",
    "percent": "",
    "percent_stderr": "",
    "optimum_kind": "",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    small_study(tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, *rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_rival_is_added_and_stays(root, capsys):
    write(root / "mine.csv", RIVAL)
    run(Leaderboard, ["--check", "mine.csv"])
    assert "1 row, all well" in capsys.readouterr().out
    assert not (root / "results" / "leaderboard.csv").exists()
    run(Leaderboard, ["--add", "mine.csv"])
    run(Leaderboard, [])
    rows = read_rows(root / "results" / "leaderboard.csv")
    assert [row.welfare for row in rows if row.author == "them"] == [39.0]
    assert sum(row.author == "handful" for row in rows) == 6
    methods = [row.method for row in rows if (row.task, row.policies) == ("half-cheetah", 5)]
    assert methods == ["rival", "em", "random"]  # ours have 36 and less


def test_rows_by_our_own_name_are_not_added(root, refused):
    write(root / "mine.csv", RIVAL, {**RIVAL, "author": "handful"})
    said = refused(Leaderboard, "--add", "mine.csv")
    assert said.startswith("'mine.csv', row 2, column 'author': rows by 'handful' are made from")
    assert not (root / "results" / "leaderboard.csv").exists()


def test_studies_without_a_command_are_named(root, capsys):
    write_results(root / "results" / "old", [run_row("glide", "em", 2, 0, 1.0)])
    known, unknown = (run_row("glide", "em", k, 0, 1.0) for k in (3, 5))
    write_results(root / "results" / "half", [known, unknown], manifest=small_manifest([known]))
    run(Leaderboard, [])
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("left out: 1 run of the study 'half', which 'half.json' does not")
    assert said[1].startswith("left out: all of the study 'old': there is no 'old.json'")
    assert said[2] == "7 rows"


@pytest.mark.parametrize("folder", ["reslts", "empty"])
def test_a_folder_without_results_is_refused_before_anything_is_written(root, refused, folder):
    (root / "empty" / "study").mkdir(parents=True)
    before = sorted(root.rglob("*"))
    assert refused(Leaderboard, folder).startswith(
        f"There is neither a table of runs under '{folder}' nor a leaderboard in it"
    )
    assert sorted(root.rglob("*")) == before


def test_a_leaderboard_alone_is_enough(root, capsys):
    (root / "others").mkdir()
    write(root / "others" / "leaderboard.csv", RIVAL)
    run(Leaderboard, ["others"])
    assert "1 row\n" in capsys.readouterr().err


def test_a_wrong_file_is_one_sentence(root, refused):
    write(root / "mine.csv", {**RIVAL, "seeds": "1 1"})
    said = refused(Leaderboard, "--check", "mine.csv")
    assert said.startswith("'mine.csv', row 1, column 'seeds': must be different whole numbers")
