"""``handful figures`` and ``handful leaderboard``, from results folders made by hand."""

import polars as pl
import pytest

from handful.cli.main import main
from handful.results.leaderboard import leaderboard_schema, read_leaderboard
from tests.reports.study.results import small_study

RIVAL = {
    "task": "half-cheetah",
    "policies": 5,
    "users": 100,
    "method": "rival",
    "author": "them",
    "seeds": [0],
    "transitions": 1984,
    "welfare": 39.0,
    "command": "python theirs.py",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    small_study(tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_figures_by_one_command(root, capsys):
    (root / "docs").mkdir()
    page = root / "docs" / "study.md"
    page.write_text("<!-- begin claims -->\n<!-- end claims -->\n")
    main(["figures", "--pdf"])
    printed = capsys.readouterr()
    written = {path.name for path in (root / "results" / "figures").iterdir()}
    names = {"walks", "resource-gathering", "robots", "assignments-half-cheetah"}
    names |= {"percent-of-optimum", "training", "spread", "profiles"}
    kinds = ("svg", "png", "pdf")
    assert written == {f"{name}.{kind}" for name in names for kind in kinds} | {"figures.md"}
    assert "docs/study.md" in printed.out
    assert "left out: `assignments`" in printed.err
    assert "not yet run" in page.read_text()


def test_no_results_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["figures", str(tmp_path)])
    assert stop.value.code == 2
    assert "'handful sweep' writes one" in capsys.readouterr().err


def test_a_rival_is_added_and_stays(root, capsys):
    pl.DataFrame([RIVAL]).write_parquet(root / "mine.parquet")
    main(["leaderboard", "--check", "mine.parquet"])
    assert "1 row, all well" in capsys.readouterr().out
    assert not (root / "results" / "leaderboard.parquet").exists()
    main(["leaderboard", "--add", "mine.parquet"])
    main(["leaderboard"])
    table = read_leaderboard(root / "results" / "leaderboard.parquet")
    assert dict(table.schema) == leaderboard_schema()
    assert table.filter(author="them").row(0, named=True)["welfare"] == 39.0
    assert len(table.filter(author="handful")) == 6
    page = (root / "docs" / "leaderboard.md").read_text()
    # Above ours, which has 36.
    assert page.index("| rival | them |") < page.index("| em | handful | 3 | 1,984 | 36.00")


@pytest.mark.parametrize("folder", ["reslts", "empty"])
def test_a_folder_without_results_is_refused_before_anything_is_written(root, capsys, folder):
    (root / "empty" / "study").mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "docs" / "leaderboard.md").write_text("as it was")
    before = sorted(root.rglob("*"))
    pl.DataFrame([RIVAL]).write_parquet(root.parent / "mine.parquet")
    for more in ([], ["--add", str(root.parent / "mine.parquet")]):
        with pytest.raises(SystemExit) as stop:
            main(["leaderboard", folder, *more])
        assert stop.value.code == 2
        assert capsys.readouterr().err == (
            f"handful: There is neither a table of runs under '{folder}' nor a leaderboard in it: "
            f"check the path; 'handful sweep' writes tables.\n"
        )
    assert sorted(root.rglob("*")) == before
    assert (root / "docs" / "leaderboard.md").read_text() == "as it was"


def test_a_leaderboard_alone_is_enough(root, capsys):
    (root / "others").mkdir()
    pl.DataFrame([RIVAL]).write_parquet(root / "others" / "leaderboard.parquet")
    main(["leaderboard", "others", "--page", "page.md"])
    assert "handful: 1 row\n" in capsys.readouterr().err
    assert "| rival | them |" in (root / "page.md").read_text()


def test_a_wrong_file_is_one_sentence(root, capsys):
    pl.DataFrame([{**RIVAL, "seeds": []}]).write_parquet(root / "mine.parquet")
    with pytest.raises(SystemExit) as stop:
        main(["leaderboard", "--check", "mine.parquet"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error == "handful: 'mine.parquet', row 1, column 'seeds': it is empty.\n"
