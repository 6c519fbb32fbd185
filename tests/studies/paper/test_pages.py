"""Tables between markers."""

import pytest

from handful.errors import HandfulError
from handful.report.study.reading import read_collection
from studies.paper.pages import filled, filled_page, has_blocks
from tests.report.study.results import run_row, write_results


@pytest.fixture
def collection(tmp_path):
    rows = [run_row("t", "em", 5, seed, 10.0 + seed) for seed in range(2)]
    write_results(tmp_path / "results" / "t", rows)
    return read_collection(tmp_path / "results")


def test_a_block_is_replaced_and_the_rest_stays(collection, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin welfare -->\nold\n<!-- end welfare -->\nafter\n")
    assert has_blocks(page)
    text = filled_page(page, collection)
    assert text.startswith("before\n<!-- begin welfare -->\n")
    assert text.endswith("<!-- end welfare -->\nafter\n")
    assert "old" not in text
    assert "| t | 5 | 100 | em | 2,000 | 2 | 10.50 ± 0.50 | 10.50 [10.00, 11.00] |" in text
    assert filled(text, collection) == text


def test_a_page_without_blocks_stays(collection, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("only words\n<!-- begin toc -->\n")
    assert not has_blocks(page)
    assert filled_page(page, collection) == page.read_text()


def test_ends_of_lines_stay_as_they_are(collection, tmp_path):
    page = tmp_path / "page.md"
    page.write_bytes(b"a\nb\r\n<!-- begin welfare -->\r\n<!-- end welfare -->\r\nc\n")
    text = filled_page(page, collection)
    assert text.startswith("a\nb\r\n<!-- begin welfare -->\r\n\r\n| task |")
    assert text.endswith("|\r\n\r\n<!-- end welfare -->\r\nc\n")
    page.write_bytes(text.encode())
    assert filled_page(page, collection) == text


def test_another_tools_blocks_with_other_ends_stay(collection):
    text = "<!-- begin toc -->\n- a\n<!-- toc end -->\n"
    assert filled(text, collection) == text


def test_a_page_that_cannot_be_read_is_named(collection, tmp_path):
    page = tmp_path / "page.md"
    with pytest.raises(HandfulError, match=r"page\.md' cannot be read \(No such file"):
        filled_page(page, collection)
    page.write_bytes("<!-- begin welfare -->\n<!-- end welfare -->é".encode("latin-1"))
    assert has_blocks(page)
    with pytest.raises(HandfulError, match=r"page\.md' is not text in UTF-8 \(byte 43\)"):
        filled_page(page, collection)


def test_nothing_to_compare_is_said(collection):
    text = filled("<!-- begin improvement -->\n<!-- end improvement -->", collection)
    assert "Nothing to show yet." in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!-- begin nonsense -->\n<!-- end nonsense -->", "A page asks for the table 'nonsense';"),
        ("<!-- begin sumary -->\n<!-- end sumary -->", "did you mean 'summary'"),
        ("<!-- begin welfare -->\n", "needs both its lines"),
        ("<!-- end welfare -->\n", "needs both its lines"),
    ],
)
def test_a_wrong_block_is_named(collection, text, words):
    with pytest.raises(HandfulError, match=words):
        filled(text, collection)
