"""``handful figures`` and ``handful leaderboard``, from results folders made by hand."""

import polars as pl
import pytest

from handful.cli.main import main
from handful.results.leaderboard import leaderboard_schema, read_leaderboard
from tests.reports.study.results import run_row, small_manifest, small_study, write_results

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


def refused(capsys, *arguments):
    """What a command that is refused says."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    return printed.err


@pytest.mark.parametrize(
    ("content", "pages", "sentence"),
    [
        (b"", ["nosuch.md"], "handful: The page 'nosuch.md' cannot be read (No such file"),
        (
            b"<!-- begin sumary -->\n<!-- end sumary -->\n",
            ["README.md"],
            "handful: The page 'README.md' asks for the table 'sumary' (did you mean 'summary'?)",
        ),
        (
            b"<!-- begin summary -->\n<!-- end summary -->\n<!-- begin toc --><!-- end toc -->",
            [],
            "handful: The page 'README.md' asks for the table 'toc'; there are summary,",
        ),
        (b"<!-- begin summary -->\n", [], "handful: The page 'README.md' has blocks that begin"),
        (
            b"\xe9 <!-- begin summary -->\n<!-- end summary -->\n",
            [],
            "handful: The page 'README.md' is not text in UTF-8 (byte 0)",
        ),
    ],
)
def test_pages_are_checked_before_anything_is_drawn(root, capsys, content, pages, sentence):
    (root / "README.md").write_bytes(content)
    before = sorted(root.rglob("*"))
    assert refused(capsys, "figures", *(["--pages", *pages] if pages else [])).startswith(sentence)
    assert sorted(root.rglob("*")) == before
    assert (root / "README.md").read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"a\r\nb\r\n", b"\xe9\n", b"<!-- begin toc -->\n<!-- end toc -->\n"]
)
def test_a_page_of_another_project_stays_as_it_is(root, capsys, content):
    page = root / "README.md"
    page.write_bytes(content)
    before = page.stat()
    main(["figures"])
    assert page.read_bytes() == content
    assert page.stat().st_ino == before.st_ino  # it is not even written anew
    assert "README.md" not in "".join(capsys.readouterr())


def test_a_page_that_was_named_and_asks_for_nothing_is_told(root, capsys):
    (root / "page.md").write_text("only words\r\n")
    main(["figures", "--pages", "page.md"])
    printed = capsys.readouterr()
    assert "handful: 'page.md' asks for no table, so it stays as it is\n" in printed.err
    assert "page.md" not in printed.out


def test_a_folder_cannot_be_a_file(root, capsys):
    (root / "taken").write_text("mine")
    (root / "docs").mkdir()
    said = refused(capsys, "figures", "--out", "taken")
    assert said == "handful: 'taken' is no folder: name another one with --out.\n"
    said = refused(capsys, "leaderboard", "--page", "docs")
    assert said == "handful: 'docs' is a folder: name a file for the page with --page.\n"
    assert not (root / "results" / "leaderboard.parquet").exists()


@pytest.mark.parametrize("folder", ["results/mine[1]", "results"])
def test_tables_may_lie_in_the_folder_itself(tmp_path, monkeypatch, capsys, folder):
    monkeypatch.chdir(tmp_path)
    rows = [run_row("glide", "em", 5, seed, 10.0) for seed in range(2)]
    parquet = write_results(tmp_path / folder, rows, manifest=small_manifest(rows))
    main(["figures", folder])
    assert (parquet.parent / "figures" / "welfare.svg").is_file()
    main(["leaderboard", folder])
    assert "handful: 1 row\n" in capsys.readouterr().err


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


def test_rows_by_our_own_name_are_not_added(root, capsys):
    """The next plain call would delete them."""
    (root / "results" / "leaderboard.parquet").unlink(missing_ok=True)
    pl.DataFrame([RIVAL, {**RIVAL, "author": "handful"}]).write_parquet(root / "mine.parquet")
    with pytest.raises(SystemExit) as stop:
        main(["leaderboard", "--add", "mine.parquet"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(
        "handful: 'mine.parquet', row 2, column 'author': rows by 'handful' are made from"
    )
    assert not (root / "results" / "leaderboard.parquet").exists()
    assert not (root / "docs").exists()


def test_studies_without_a_command_are_named(root, capsys):
    write_results(root / "results" / "old", [run_row("glide", "em", 2, 0, 1.0)])
    known, unknown = (run_row("glide", "em", k, 0, 1.0) for k in (3, 5))
    write_results(root / "results" / "half", [known, unknown], manifest=small_manifest([known]))
    main(["leaderboard"])
    assert capsys.readouterr().err == (
        "handful: left out: 1 run of the study 'half', which 'half.json' does not know: 'handful "
        "sweep' with the study's file writes it anew.\n"
        "handful: left out: all of the study 'old': there is no 'old.json' beside its table to say "
        "how to do it again; 'handful sweep' with the study's file writes it.\n"
        "handful: 7 rows\n"
    )


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
