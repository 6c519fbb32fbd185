"""How observations are distributed, against counting by hand."""

import numpy as np
import pytest

from handful.deploy.arrays import read_npz
from handful.deploy.distributions import LOOKS, MOST_ENTRIES, read_distributions, stride_of
from handful.export.bundle import _npz
from handful.export.distributions import Windows, arrays_of


def recorded(rows, length=None, policies=1):
    """The distributions of observations [T, K * copies, O]."""
    steps, copies, size = rows.shape
    windows = Windows(policies, copies // policies, length or steps, size, seed=0)
    for step, observations in enumerate(rows):
        windows.see(step, observations)
    return windows.distributions()


def test_levels_are_quantiles_and_shares_are_means_over_windows():
    rows = np.random.default_rng(0).normal(size=(9, 2 * 4, 3)).round(1).astype(np.float32)
    found = recorded(rows, policies=2)
    assert found.levels.shape == (2, 2, 3, 7)
    for policy in range(2):
        for mode in range(2):
            mine = rows[:, 4 * policy + 2 * mode :][:, :2]  # [T, 2, O]
            for entry in range(3):
                values = np.sort(mine[:, :, entry].ravel())
                for index, level in enumerate(found.levels[mode, policy, entry]):
                    assert level == values[int(np.ceil(len(values) * (index + 1) / 8)) - 1]
                    shares = (mine[:, :, entry] < level).mean(), (mine[:, :, entry] <= level).mean()
                    at = (mode, policy, entry, index)
                    assert (found.below[at], found.up_to[at]) == pytest.approx(shares)


def test_windows_are_worth_more_where_an_entry_changes_within_them():
    """Entry 0 is the same throughout a window, entry 1 changes all the time, entry 2 never does."""
    rng, steps, copies = np.random.default_rng(0), 50, 400
    rows = np.zeros((steps, copies, 3), np.float32)
    rows[:, :, 0], rows[:, :, 1] = rng.random(copies), rng.random((steps, copies))
    found = recorded(rows)
    assert found.windows[0] == pytest.approx(copies / 2, rel=0.2)
    assert found.windows[1] == pytest.approx(steps * copies / 2, rel=0.2)
    assert found.windows[2] == copies


def test_long_windows_are_looked_at_some_times_and_what_is_not_finite_is_left_out():
    steps = 1000
    rows = np.tile(np.arange(steps, dtype=np.float32)[:, None, None], (1, 4, 1))
    rows[::7] = np.nan
    found = recorded(rows)
    assert stride_of(steps) == steps // LOOKS
    np.testing.assert_allclose(found.levels[0, 0, 0], np.arange(1, 8) * 125, atol=40)


def test_too_many_entries_and_too_long_windows_are_not_kept():
    assert recorded(np.zeros((2, 4, MOST_ENTRIES), np.float32)) is not None
    assert recorded(np.zeros((2, 4, MOST_ENTRIES + 1), np.float32)) is None
    assert recorded(np.zeros((2, 4, 1), np.float32), length=1001) is None
    assert recorded(np.full((2, 4, 1), np.nan, np.float32)) is None


def test_the_file_is_read_as_it_was_written():
    rows = np.random.default_rng(0).normal(size=(9, 8, 3)).astype(np.float32)
    told = recorded(rows, policies=2)
    data = _npz(arrays_of(told))
    assert set(read_npz(data, "")) == {"levels", "below", "up_to", "windows", "length"}
    found = read_distributions(data, 2, 3, "here")
    np.testing.assert_array_equal(found.levels, told.levels)
    np.testing.assert_allclose(found.up_to, told.up_to, rtol=1e-6)
    assert (found.length, found.stride) == (9, 1)
