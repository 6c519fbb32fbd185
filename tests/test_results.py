"""README and docs show what the committed results give."""

import re
from pathlib import Path

import pytest

from handful.report.study.figure import stored_identifier
from handful.report.study.reading import read_collection
from handful.results.tables import read_studies
from studies.leaderboard.rows import our_rows
from studies.leaderboard.schema import OURS, read_rows
from studies.paper.claims import CLAIMS
from studies.paper.figures import PAGES as PAGES_WITH_TABLES
from studies.paper.figures import collected_figures
from studies.paper.pages import filled

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
FIGURES = RESULTS / "figures"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), FIGURES / "figures.md"]
LARGEST = 2_000_000
"""Bytes of a committed table."""


@pytest.fixture(scope="module")
def collection():
    return read_collection(RESULTS)


def images(page: Path) -> list[Path]:
    links = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text())
    return [(page.parent / link).resolve() for link in links if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_image_of_a_page_is_there(page):
    for image in images(page):
        assert image.is_file(), f"{page.name} shows {image.name}, which is not there"


def test_pages_show_only_figures_that_the_command_makes(collection):
    made = {figure.name for figure in collected_figures(collection)[0]}
    shown = {i.stem for page in PAGES for i in images(page) if i.parent == FIGURES.resolve()}
    assert shown == made


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_figures_are_drawn_from_the_committed_tables(collection, kind):
    figures = {figure.name: figure for figure in collected_figures(collection)[0]}
    stored = {path.stem: stored_identifier(path) for path in FIGURES.glob(f"*.{kind}")}
    expected = {name: figure.identifier for name, figure in figures.items()}
    assert stored == expected, "run 'python -m studies.paper.figures'"


@pytest.mark.parametrize("page", PAGES_WITH_TABLES, ids=lambda page: page.name)
def test_tables_of_pages_are_those_of_the_data(collection, page):
    text = (ROOT / page).read_text()
    assert "<!-- begin" in text
    assert filled(text, collection) == text, "run 'python -m studies.paper.figures'"


def test_the_study_has_every_claim():
    text = (ROOT / "docs" / "study.md").read_text()
    for claim in CLAIMS:
        assert f"| {claim.section} | {claim.text} |" in text


def test_the_leaderboard_has_our_results():
    stored = [row for row in read_rows(RESULTS / "leaderboard.csv") if row.author == OURS]
    ours = sorted(our_rows(read_studies(RESULTS)), key=lambda row: row.order)
    assert stored == ours, "run 'python -m studies.leaderboard'"


def test_committed_tables_are_small():
    for path in RESULTS.rglob("*.parquet"):
        assert path.stat().st_size < LARGEST, path.name
