"""Tables between markers."""

import pytest

from handful.errors import HandfulError
from handful.reports.study.blocks import fill_page, filled
from handful.reports.study.collection import read_collection
from tests.reports.study.results import run_row, write_results


@pytest.fixture
def collection(tmp_path):
    rows = [run_row("t", "em", 5, seed, 10.0 + seed) for seed in range(2)]
    write_results(tmp_path / "results" / "t", rows)
    return read_collection(tmp_path / "results")


def test_a_block_is_replaced_and_the_rest_stays(collection, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin welfare -->\nold\n<!-- end welfare -->\nafter\n")
    assert fill_page(page, collection)
    text = page.read_text()
    assert text.startswith("before\n<!-- begin welfare -->\n")
    assert text.endswith("<!-- end welfare -->\nafter\n")
    assert "old" not in text
    assert "| t | 5 | 100 | em | 2 | 10.50 ± 0.50 | 10.50 [10.00, 11.00] |" in text
    assert filled(text, collection) == text


def test_a_page_without_blocks_stays(collection, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("only words\n")
    assert not fill_page(page, collection)
    assert page.read_text() == "only words\n"


def test_nothing_to_compare_is_said(collection):
    text = filled("<!-- begin improvement -->\n<!-- end improvement -->", collection)
    assert "Nothing to show yet." in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!-- begin nonsense -->\n<!-- end nonsense -->", "'nonsense'"),
        ("<!-- begin welfare -->\n", "needs both its lines"),
        ("<!-- end welfare -->\n", "needs both its lines"),
    ],
)
def test_a_wrong_block_is_named(collection, text, words):
    with pytest.raises(HandfulError, match=words):
        filled(text, collection)
