"""Novelty: observations are worth less the more often they were met, and once an episode."""

import jax.numpy as jnp
import numpy as np
import pytest

from handful.learner.novelty import BINS, MOST_TABLES, Novelty, pairs_of_entries
from handful.transitions import Transitions


def batch_of(observations, ended=None):
    """Return a batch of one policy and one environment that led to these observations."""
    after = jnp.asarray(observations, jnp.float32)[None, :, None]
    start = after.shape[:3]
    terminated = jnp.zeros(start, bool) if ended is None else jnp.asarray(ended)[None, :, None]
    return Transitions(
        observations=after,
        actions=jnp.zeros(start, jnp.int32),
        log_probs=jnp.zeros(start),
        features=jnp.zeros((*start, 1)),
        next_observations=after,
        terminated=terminated,
        truncated=jnp.zeros(start, bool),
    )


def test_a_cell_is_new_once_an_episode_and_less_with_every_visit():
    novelty, here, there = Novelty.empty(1, 1, 2), [0.1, 0.1], [3.0, 0.1]
    novelty, found = novelty.meet(batch_of([here, here, there], [False, True, False]))
    # Both cells are new, and the second step stays where the first one was.
    np.testing.assert_allclose(found[0, :, 0] * novelty.level, [1.0, 0.0, 1.0], atol=1e-6)
    before = float(novelty.level)
    novelty, found = novelty.meet(batch_of([there, here, here], [True, False, False]))
    # `there` was met in this episode already; `here` twice, in an episode before.
    expected = np.array([0.0, 1 / np.sqrt(3.0), 0.0])
    assert float(novelty.level) == pytest.approx(0.9 * before + 0.1 * expected.mean())
    np.testing.assert_allclose(found[0, :, 0] * novelty.level, expected, atol=1e-6)
    assert float(novelty.counts.sum()) == 6


def test_a_table_for_each_pair_of_entries():
    """Where one of three entries is new, two of three pairs of entries are."""
    novelty, _ = Novelty.empty(1, 1, 3).meet(batch_of([[0.1, 0.1, 0.1]], [True]))
    novelty, found = novelty.meet(batch_of([[0.1, 0.1, 9.0]]))
    assert novelty.counts.shape == (3, BINS**2)
    expected = (2 + 1 / np.sqrt(2.0)) / 3
    assert float(found[0, 0, 0] * novelty.level) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("size", "tables"), [(1, 1), (2, 1), (9, MOST_TABLES)])
def test_the_number_of_tables_has_a_limit(size, tables):
    novelty = Novelty.empty(2, 1, size)
    assert novelty.counts.shape[0] == tables
    rows = np.asarray(novelty.pairs)
    assert len({tuple(sorted(row)) for row in rows}) == tables
    far = novelty.cells(jnp.full((size,), 1e9)), novelty.cells(jnp.full((size,), -1e9))
    assert all(int(c.min()) >= 0 and int(c.max()) < BINS**2 for c in far)


def test_bins_suit_what_was_met_and_units_do_not_matter():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(64, 2))
    cells = []
    for unit in (1.0, 1e4):
        novelty, _ = Novelty.empty(1, 1, 2).meet(batch_of(seen * unit + 3 * unit))
        anew = novelty.binned_anew()
        assert float(anew.counts.sum()) == 0
        cells.append(np.asarray(anew.cells(jnp.asarray(seen * unit + 3 * unit))))
    np.testing.assert_array_equal(*cells)
    assert len(np.unique(cells[0])) > 20


@pytest.mark.parametrize("size", [1, 2, 5, 9, 200, 100_000])
def test_tables_are_of_different_entries_also_of_an_image(size):
    """All pairs of 100,000 entries would not fit into memory."""
    pairs = pairs_of_entries(size)
    assert len(pairs) == min(max(size * (size - 1) // 2, 1), MOST_TABLES)
    assert pairs.min() >= 0
    assert pairs.max() < size
    assert size == 1 or (pairs[:, 0] != pairs[:, 1]).all()
    assert len(np.unique(np.sort(pairs, axis=1), axis=0)) == len(pairs)
