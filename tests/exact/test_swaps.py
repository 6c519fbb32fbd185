"""Greedy choice and swaps against sums that are written out."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.exact import swaps
from handful.exact.swaps import add_greedily, drop_greedily, swap, total_gain

NOBODY = np.empty(0, dtype=np.int64)

tables = st.tuples(st.integers(2, 8), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.int64, shape, elements=st.integers(0, 9))
)


def total(gains, rows):
    return sum(max((gains[row][user] for row in rows), default=0) for user in range(gains.shape[1]))


@given(gains=tables, data=st.data())
@settings(max_examples=100, deadline=None)
def test_the_total_of_every_swap(gains, data):
    gains = gains.astype(float)
    rows = np.array(data.draw(st.permutations(range(len(gains)))))
    rows = rows[: data.draw(st.integers(1, len(gains)))]
    found = swaps.totals_of_swaps(gains, rows)
    for row in range(len(gains)):
        for place in range(len(rows)):
            after = [*np.delete(rows, place), row]
            assert found[row, place] == pytest.approx(total(gains, after))


@given(gains=tables, size=st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_no_swap_helps_in_the_end(gains, size):
    gains, size = gains.astype(float), min(size, len(gains))
    start = np.arange(size)
    rows = swap(gains, start, 1e-9)
    assert len(set(rows)) == size
    assert total(gains, rows) >= total(gains, start)
    for place in range(size):
        for row in range(len(gains)):
            assert total(gains, [*np.delete(rows, place), row]) <= total(gains, rows)


def test_greed_adds_what_adds_most():
    #                 users: a  b  c
    gains = np.array([[3.0, 3.0, 0.0], [4.0, 0.0, 1.0], [0.0, 0.0, 2.0]])
    np.testing.assert_array_equal(add_greedily(gains, NOBODY, 3), [0, 1, 2])  # 6, + 2, + 1
    np.testing.assert_array_equal(add_greedily(gains, np.array([1]), 2), [1, 0])
    assert total_gain(gains, np.array([0, 1])) == 8.0
    assert total_gain(gains, NOBODY) == 0.0


def test_greed_takes_no_row_twice():
    np.testing.assert_array_equal(np.sort(add_greedily(np.ones((4, 2)), NOBODY, 4)), np.arange(4))


def test_what_is_missed_least_is_dropped():
    gains = np.array([[3.0, 3.0, 0.0], [4.0, 0.0, 1.0], [0.0, 0.0, 2.0]])
    # Without row 0 users lose 3, without row 1 they lose 1, without row 2 they lose 1.
    np.testing.assert_array_equal(drop_greedily(gains, np.array([0, 1, 2]), 2), [0, 2])
    np.testing.assert_array_equal(drop_greedily(gains, np.array([0, 1, 2]), 1), [0])


def test_parts_of_a_table_are_as_good_as_the_whole(monkeypatch):
    gains = np.random.default_rng(0).random((30, 7))
    whole = swap(gains, add_greedily(gains, NOBODY, 4), 1e-9)
    monkeypatch.setattr(swaps, "_CHUNK", 20)
    np.testing.assert_array_equal(swap(gains, add_greedily(gains, NOBODY, 4), 1e-9), whole)


def test_swaps_find_what_greed_misses():
    # Row 0 is the best alone, and rows 1 and 2 are the best pair.
    gains = np.array([[3.0, 3.0, 3.0, 3.0], [4.0, 4.0, 0.0, 0.0], [0.0, 0.0, 4.0, 4.0]])
    greedy = add_greedily(gains, NOBODY, 2)
    assert total_gain(gains, greedy) == 14.0
    assert sorted(swap(gains, greedy, 1e-9)) == [1, 2]
    pairs = combinations(range(3), 2)
    assert max(total_gain(gains, np.array(pair)) for pair in pairs) == 16.0
