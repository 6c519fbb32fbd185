"""Constants on a line: K-means by hand and by every partition, and policies that wander."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.domains.glucose.optimum import constant_bound
from tests.domains.market.test_optimum import partitions

TARGETS = st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=6).map(np.array)


def test_two_pairs():
    bound = constant_bound(np.array([0.0, 1.0, 0.2, 1.4]), 100.0, 2)
    assert (bound.kind, bound.num_policies) == ("upper bound", 2)
    np.testing.assert_allclose(bound.certificate, [[0.1], [1.2]])
    assert bound.assignment.tolist() == [0, 1, 0, 1]
    assert bound.welfare == pytest.approx(100 * (1 - (0.01 + 0.04) / 2))


@given(TARGETS, st.data())
def test_no_partition_is_better(targets, data):
    num_policies = data.draw(st.integers(1, len(targets)))
    losses = (
        sum(len(part) * targets[part].var() for part in parts)
        for parts in partitions(list(range(len(targets))))
        if len(parts) <= num_policies
    )
    expected = 1.0 - min(losses) / len(targets)
    assert constant_bound(targets, 1.0, num_policies).welfare == pytest.approx(expected)


@given(TARGETS, st.data())
def test_no_mixture_of_levels_earns_more(targets, data):
    num_policies = data.draw(st.integers(1, len(targets)))
    levels = data.draw(arrays(np.float64, (num_policies, 5), elements=st.floats(-3, 3)))
    earned = np.mean(1.0 - (levels[:, :, None] - targets) ** 2, axis=1)
    bound = constant_bound(targets, 1.0, num_policies)
    assert earned.max(axis=0).mean() <= bound.welfare + 1e-9


@pytest.mark.parametrize(
    ("targets", "height", "sentence"),
    [([], 1.0, "finite"), ([np.nan], 1.0, "finite"), ([1.0], 0.0, "height must be positive")],
)
def test_bad_input_is_one_clear_sentence(targets, height, sentence):
    with pytest.raises(ValueError, match=sentence):
        constant_bound(np.array(targets), height, 1)
