"""Which entries are numbers."""

import numpy as np
import pytest

from handful.users.numbers import advice, are_numbers, numbers_of, with_point


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1", "-2.5", "+3", ".5", "5.", "1e-3"], [1, -2.5, 3, 0.5, 5, 0.001]),
        (["1", "1_5", "nan", "Infinity", "0x10", "１２", ""], [1] + [np.nan] * 6),
        ([" 1 ", "\xa02"], [1, 2]),
        (["1\n2", "3"], [np.nan, 3]),
        ([1, 2.5, None, True], [1, 2.5, np.nan, np.nan]),
        (["1e400", "-1e400"], [np.inf, -np.inf]),
        ([10**400, -(10**400)], [np.inf, -np.inf]),
        (np.array([1, 2], np.uint8), [1, 2]),
        (["1,5"], [np.nan]),
    ],
)
def test_numbers_by_hand(values, numbers):
    np.testing.assert_array_equal(numbers_of(values), numbers)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,5E-02", "2", "-,5", "1.5"], [0.015, 2, -0.5, 1.5]),
        (["1,5", "1,5,5", "1.234,5", "x"], [1.5, np.nan, np.nan, np.nan]),
    ],
)
def test_numbers_with_a_decimal_comma_by_hand(values, numbers):
    np.testing.assert_array_equal(numbers_of(values, decimal_comma=True), numbers)


@pytest.mark.parametrize(
    ("values", "are"),
    [
        (["1", "", None], True),
        (["1", "nan"], True),
        (["-inf", "1"], True),
        (["nan", "Infinity"], False),
        (["12_34", "1"], False),
        (["1", "x"], False),
        ([None, ""], False),
        (np.array([1.0, np.nan]), True),
        (np.array([np.nan, np.nan]), False),
        ([True, False], False),
        (["1.234.567"], False),
    ],
)
def test_a_column_of_numbers_has_nothing_else_but_gaps(values, are):
    assert are_numbers(values) is are


@pytest.mark.parametrize(
    ("values", "are"),
    [
        (["1,5", ""], True),
        (["1.234.567"], True),
        (["0,5", "1.234,5"], True),
        (["1,5", "no,5"], False),
        (["01.02.2026"], False),
        (["", None], False),
    ],
)
def test_a_column_of_numbers_with_decimal_commas(values, are):
    assert are_numbers(values, decimal_comma=True) is are


def test_a_comma_becomes_a_point_in_numbers_alone():
    assert [with_point(text) for text in ("1,5", "-1,5e3", "a,5", "1,5,5", "2.5")] == [
        "1.5",
        "-1.5e3",
        "a,5",
        "1,5,5",
        "2.5",
    ]


@pytest.mark.parametrize(
    ("text", "comma", "words"),
    [
        ("1,5", False, "decimals behind a point"),
        ("1,234.5", False, "thousands without"),
        ("1 234", False, "thousands without"),
        ("1.234,5", True, "thousands without"),
        ("12%", False, "a share of 1"),
    ],
)
def test_advice_says_how_to_write_a_number(text, comma, words):
    assert words in advice(text, comma)


@pytest.mark.parametrize("text", ["x", "", "1_5", "-1", "12 monkeys"])
def test_no_advice_where_there_is_none(text):
    assert advice(text, False) == ""
