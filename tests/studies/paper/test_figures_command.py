"""``python -m studies.paper.figures``, from results folders made by hand."""

import pytest

from studies.command import run
from studies.paper.figures import Figures
from tests.report.study.results import run_row, small_manifest, small_study, write_results


@pytest.fixture
def root(tmp_path, monkeypatch):
    small_study(tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_figures_by_one_command(root, capsys):
    (root / "docs").mkdir()
    page = root / "docs" / "study.md"
    page.write_text("<!-- begin claims -->\n<!-- end claims -->\n")
    run(Figures, ["--pdf"])
    printed = capsys.readouterr()
    written = {path.name for path in (root / "results" / "figures").iterdir()}
    names = {"walks", "resource-gathering", "robots", "assignments-half-cheetah"}
    names |= {"percent-of-optimum", "training", "spread", "profiles"}
    kinds = ("svg", "png", "pdf")
    assert written == {f"{name}.{kind}" for name in names for kind in kinds} | {"figures.md"}
    assert "docs/study.md" in printed.out
    assert "left out: `assignments`" in printed.err
    assert "not yet run" in page.read_text()


@pytest.mark.parametrize(
    ("content", "pages", "sentence"),
    [
        (b"", ["nosuch.md"], "The page 'nosuch.md' cannot be read (No such file"),
        (
            b"<!-- begin sumary -->\n<!-- end sumary -->\n",
            ["README.md"],
            "The page 'README.md' asks for the table 'sumary' (did you mean 'summary'?)",
        ),
        (
            b"<!-- begin summary -->\n<!-- end summary -->\n<!-- begin toc --><!-- end toc -->",
            [],
            "The page 'README.md' asks for the table 'toc'; there are headline, summary,",
        ),
        (b"<!-- begin summary -->\n", [], "The page 'README.md' has blocks that begin"),
        (
            b"\xe9 <!-- begin summary -->\n<!-- end summary -->\n",
            [],
            "The page 'README.md' is not text in UTF-8 (byte 0)",
        ),
    ],
)
def test_pages_are_checked_before_anything_is_drawn(root, refused, content, pages, sentence):
    (root / "README.md").write_bytes(content)
    before = sorted(root.rglob("*"))
    assert refused(Figures, *(["--pages", *pages] if pages else [])).startswith(sentence)
    assert sorted(root.rglob("*")) == before
    assert (root / "README.md").read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"a\r\nb\r\n", b"\xe9\n", b"<!-- begin toc -->\n<!-- end toc -->\n"]
)
def test_a_page_of_another_project_stays_as_it_is(root, capsys, content):
    page = root / "README.md"
    page.write_bytes(content)
    before = page.stat()
    run(Figures, [])
    assert page.read_bytes() == content
    assert page.stat().st_ino == before.st_ino  # it is not even written anew
    assert "README.md" not in "".join(capsys.readouterr())


def test_a_page_that_was_named_and_asks_for_nothing_is_told(root, capsys):
    (root / "page.md").write_text("only words\r\n")
    run(Figures, ["--pages", "page.md"])
    printed = capsys.readouterr()
    assert "'page.md' asks for no table, so it stays as it is\n" in printed.err
    assert "page.md" not in printed.out


def test_a_folder_cannot_be_a_file(root, refused):
    (root / "taken").write_text("mine")
    (root / "docs").mkdir()
    said = refused(Figures, "--out", "taken")
    assert said == "'taken' is no folder: name another one with --out.\n"


@pytest.mark.parametrize("folder", ["results/mine[1]", "results"])
def test_tables_may_lie_in_the_folder_itself(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    rows = [run_row("glide", "em", 5, seed, 10.0) for seed in range(2)]
    parquet = write_results(tmp_path / folder, rows, manifest=small_manifest(rows))
    run(Figures, [folder])
    assert (parquet.parent / "figures" / "welfare.svg").is_file()


def test_no_results_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run(Figures, [str(tmp_path)])
    assert stop.value.code == 2
    assert "'handful sweep' writes one" in capsys.readouterr().err
