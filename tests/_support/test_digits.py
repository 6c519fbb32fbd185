import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from handful._support.digits import find_coarse_entry, find_lost_digits


def table(*columns):
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


STEPS = np.arange(50.0)
NOISE = np.random.default_rng(0).normal(size=50)


@pytest.mark.parametrize(
    "column",
    [
        1.7e9 + STEPS,  # seconds since 1970: 128 apart in float32
        1.7e12 + 1000 * STEPS,  # milliseconds
        1.7e18 + 1e9 * STEPS,  # nanoseconds
        -1.7e9 - STEPS,
        19_700 + STEPS / 86_400,  # days, by the second
        2.0**24 + STEPS,  # from here on float32 has even numbers only
        1e5 + 1e-3 * STEPS,
    ],
)
def test_large_values_that_vary_little_lose_their_digits(column):
    lost = find_lost_digits(table(NOISE, column))
    assert lost.entry == 1
    assert lost.kept < lost.values == 50
    shifted = table(NOISE, column - lost.middle)
    assert find_lost_digits(shifted) is None


@pytest.mark.parametrize(
    "column",
    [
        np.full(50, 1.7e9),  # it never varies: nothing is lost
        1e6 + STEPS,
        2.0**24 - 50 + STEPS,
        1e9 * NOISE,
        1.0 + 1e-9 * NOISE,  # a quaternion's rounding
        5000.0 * (1.0 + 1e-13 * NOISE),
        101_325 + 50 * NOISE,
    ],
)
def test_what_float32_tells_apart_is_left_alone(column):
    assert find_lost_digits(table(column)) is None


def test_what_is_no_number_is_passed_over():
    assert find_lost_digits(table([np.nan, np.inf])) is None
    assert find_lost_digits(table([np.nan, *(1.7e9 + STEPS)])).entry == 0


@given(st.floats(2e9, 1e14), st.integers(300, 500))
def test_consecutive_whole_numbers_beyond_two_billion_are_always_found(start, number):
    column = np.floor(start) + np.arange(number)
    different = len(np.unique(column.astype(np.float32)))
    assert different < number
    assert find_lost_digits(table(column)).kept == different


@pytest.mark.parametrize(
    ("low", "high", "constant", "entry"),
    [
        ([0, 1.7e9], [1, 1.7e9], True, 1),
        ([0, 1.7e9], [1, 1.7e9], False, None),
        ([0, 1.7e9], [1, 1.7e9 + 1280], False, 1),
        ([0, 1.7e9], [1, 1.7e9 + 128_000], True, None),
        ([-1.7e9], [-1.7e9], True, 0),
        ([1.6e7], [1.6e7], True, None),
        ([np.nan], [np.inf], True, None),
    ],
)
def test_float32_that_stands_still_is_coarse(low, high, constant, entry):
    found = find_coarse_entry(np.float32(low), np.float32(high), constant)
    assert (None if found is None else found.entry) == entry
