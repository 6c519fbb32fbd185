"""Dynamic programming over neighbours, against every way to cut."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.exact.segments import best_segments


def squares(places):
    """What groups of places on a line gain at their mean: an inverse Monge gain."""
    sums = np.append(0.0, np.cumsum(np.sort(places)))
    return lambda starts, stops: (sums[stops] - sums[starts]) ** 2 / (stops - starts)


def total(gain, firsts, size):
    firsts = np.array(firsts)
    return gain(firsts, np.append(firsts[1:], size)).sum()


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=9), st.data())
def test_no_other_cut_gains_more(places, data):
    size = len(places)
    groups = data.draw(st.integers(1, size))
    gain = squares(places)
    found = best_segments(gain, size, groups)
    assert found[0] == 0
    assert len(found) == groups
    assert (np.diff(found) > 0).all()
    every = (total(gain, (0, *cuts), size) for cuts in combinations(range(1, size), groups - 1))
    assert total(gain, found, size) == pytest.approx(max(every), abs=1e-9)


def test_groups_that_anybody_sees():
    assert best_segments(squares([0.0, 0.1, 5.0, 5.1, 9.0]), 5, 3).tolist() == [0, 2, 4]


@pytest.mark.parametrize("groups", [0, 4])
def test_there_are_no_empty_groups(groups):
    with pytest.raises(ValueError, match="1 to 3 groups"):
        best_segments(squares([1.0, 2.0, 3.0]), 3, groups)
