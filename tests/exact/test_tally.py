"""Counts of transitions: against a dictionary, and through a file."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.exact import tally as module
from handful.exact.tally import Tally

steps = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(0, 4), st.booleans()),
    min_size=1,
    max_size=40,
)


def counted(walked):
    """The tally of some steps, in two batches; an observation is (number, -number)."""
    tally = Tally(2, 2)
    for batch in (walked[: len(walked) // 2], walked[len(walked) // 2 :]):
        if not batch:
            continue
        seen, actions, after, ends = (np.array(column) for column in zip(*batch, strict=True))
        before = tally.number(np.stack([seen, -seen], axis=1))
        following = tally.number(np.stack([after, -after], axis=1))
        tally.begin(before[:1])
        tally.visit(before, actions)
        paid = np.stack([seen * 1.0, actions - 0.5], axis=1)
        tally.add(before, actions, following, ends, paid)
    return tally


@settings(max_examples=50)
@given(steps)
def test_everything_is_counted(walked):
    tally = counted(walked)
    model = tally.model(9)
    at = {int(row[0]): number for number, row in enumerate(tally.observations)}
    visits = Counter((seen, action) for seen, action, _, _ in walked)
    moves = Counter((s, a, n) for s, a, n, ends in walked if not ends)
    assert model.visits.sum() == len(walked)
    for (seen, action), times in visits.items():
        assert model.visits[at[seen], action] == times
        assert model.mean_features[at[seen], action].tolist() == [seen, action - 0.5]
        np.testing.assert_allclose(model.feature_variances[at[seen], action], 0.0, atol=1e-12)
    dense = model.followed.toarray().reshape(len(tally), 2, len(tally))
    assert dense.sum() == sum(moves.values())
    for (seen, action, after), times in moves.items():
        assert dense[at[seen], action, at[after]] == times
        share = model.moves.toarray()[2 * at[seen] + action, at[after]]
        assert share == pytest.approx(times / visits[seen, action])
    assert model.starts.sum() == 1 + (len(walked) > 1)


@settings(max_examples=50)
@given(steps)
def test_a_file_holds_all_of_it(walked):
    tally = counted(walked)
    again = Tally.from_arrays(tally.arrays())
    for name, values in tally.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], values, err_msg=name)
    # What comes next is counted alike.
    row = tally.observations[:1]
    assert again.number(row) == tally.number(row) == [0]


def test_the_two_zeros_are_one_observation():
    assert Tally(1, 1).number(np.array([[0.0], [-0.0], [1.0], [0.0]])).tolist() == [0, 0, 1, 0]


def test_what_cannot_be_counted_is_known(monkeypatch):
    monkeypatch.setattr(module, "MOST_OBSERVATIONS", 3)
    tally = Tally(1, 1)
    assert tally.number(np.arange(2.0)[:, None]).tolist() == [0, 1]
    assert not tally.is_full
    assert tally.number(np.arange(5.0)[:, None]).tolist() == [0, 1, 2, 2, 2]
    assert tally.is_full
    assert len(Tally(module.MOST_CELLS, 1).visits) == 1
