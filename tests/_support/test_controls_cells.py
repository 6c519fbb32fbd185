"""What a run writes into CSV files: no formulas, and nothing that is not read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful._support.controls import csv_line, is_number, protect, unprotect


@pytest.mark.parametrize("text", ["1", "-1.5", "+1", ".5", "5.", "1e-3", "-2E+4", "007"])
def test_numbers_are_written_as_in_most_programs(text):
    assert is_number(text)
    assert protect(text) == text


@pytest.mark.parametrize(
    "text", ["1_5", "nan", "Infinity", "0x10", "１２", "٣", "1,5", "", "e5", "."]
)
def test_what_python_may_take_for_numbers_is_text(text):
    assert not is_number(text)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+2", "'=1+2"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("＝1", "'＝1"),
        ("'=x", "''=x"),
        ("'tis", "'tis"),
        ("-5", "-5"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_formulas_get_an_apostrophe_which_is_taken_off_again(text, cell):
    assert protect(text) == cell
    assert unprotect(cell) == text


@given(st.text() | st.text(alphabet="'=+-@1.\te"))
def test_every_text_comes_back(text):
    assert unprotect(protect(text)) == text
    assert protect(text)[:1] not in tuple("=@\t\r＝＋－＠")
    assert protect(text)[:1] not in tuple("+-") or is_number(text)


def test_a_line_has_quotation_marks_where_readers_need_them():
    row = ['a "b", c', "x;y", "two\nlines", "=1", -1.5, 3, None, True, "'"]
    assert csv_line(row) == '"a ""b"", c","x;y","two\nlines",\'=1,-1.5,3,,True,\'\n'
