"""Drift of distributions: known by hand, silent without drift, and quick with it."""

import math

import numpy as np
import pytest

import handful
from handful.deploy.distributions import LEVELS, Distributions
from handful.deploy.drift import ALPHA, ERRORS, TOLERANCE, DriftWatch
from tests.bundles import nested_files, put, signed

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")

UNIFORM = np.arange(1, LEVELS + 1) / (LEVELS + 1)


def told(length=4, size=2, policies=1, windows=1e12, levels=UNIFORM, shares=UNIFORM, below=None):
    """What a bundle tells of entries that are uniform from 0 to 1."""
    shape = (2, policies, size, LEVELS)
    below = shares if below is None else below
    return Distributions(
        np.broadcast_to(levels, shape).astype(np.float32),
        np.broadcast_to(below, shape),
        np.broadcast_to(shares, shape),
        np.full(size, float(windows)),
        length,
    )


def state(watch, size=2):
    return watch.state([f"entry {n}" for n in range(size)])


def test_the_first_window_is_known_by_hand():
    """Half of the window is above every level, so that the share below the last is 3/8 too low."""
    watch = DriftWatch(told(size=1))
    for value in (0.0, 2.0, 0.0, 2.0):
        watch(np.array([[value]]), 0, "ann", None, False)
    found = state(watch, 1)
    assert (found.known, found.windows, found.length) == (True, 1, 4)
    (one,) = found.entries
    assert one.distance == pytest.approx(3 / 8)
    wealth = []
    for share in UNIFORM:
        for value, bound in ((0.5, share), (0.5, 1 - share)):
            bound += TOLERANCE
            edge = 0.5 - bound
            stake = min(max(edge / (0.25 + edge**2), 0.0), 0.75 / bound)
            wealth.append(1 + stake * (value - bound))
    assert one.log_evidence == pytest.approx(max(0.0, math.log(np.mean(wealth))), abs=1e-4)
    assert found.needed == pytest.approx(math.log(1 / ALPHA))


def test_a_window_is_of_one_user_and_counts_once_it_is_whole():
    watch = DriftWatch(told(size=1))
    for _ in range(3):
        watch(np.array([[0.0], [2.0]]), 0, ["ann", "bob"], None, False)
    assert state(watch, 1).windows == 0
    watch(np.array([[0.0]]), 0, "ann", None, False)
    assert state(watch, 1).windows == 1
    assert state(watch, 1).entries[0].distance == pytest.approx(7 / 8)
    watch(np.array([[2.0]]), 0, "bob", None, False)
    assert state(watch, 1).windows == 2
    assert state(watch, 1).entries[0].distance == pytest.approx(3 / 8)  # the two make it up


def test_without_names_rows_tell_users_apart_and_unknown_users_do_not_count():
    watch = DriftWatch(told(size=1))
    for _ in range(4):
        watch(np.zeros((3, 1)), np.array([0, 0, 0]), None, np.array([False, True, False]), False)
    assert state(watch, 1).windows == 2


@pytest.mark.parametrize("length", [1, 5, 120])
def test_it_makes_no_difference_how_many_observations_are_laid_by(length, monkeypatch):
    """Users come and go between looks, more of them than are followed."""
    rng, watches = np.random.default_rng(length), []
    both = told(length=length, policies=2, windows=50)
    levels = np.sort(rng.normal(size=both.levels.shape), axis=-1).astype(np.float32)
    both = Distributions(levels, both.below, both.up_to, both.windows, length)
    monkeypatch.setattr("handful.deploy.drift.MOST_FOLLOWED", 6)
    for laid_by in (1, 64):
        monkeypatch.setattr("handful.deploy.drift.LAID_BY", laid_by)
        watches.append(DriftWatch(both))
    for call in range(1500):
        number = int(rng.integers(1, 4)) if call % 3 == 0 else 1
        rows, policies = rng.normal(size=(number, 2)), rng.integers(2, size=number)
        user = None if call % 5 == 0 else [f"user {n}" for n in rng.integers(9, size=number)]
        user = "user 1" if call % 2 else user
        policies = int(policies[0]) if call % 2 else policies
        unknown = rng.random(number) < 0.5 if call % 7 == 0 else None
        for watch in watches:
            watch(rows, policies, user, unknown, bool(call % 4))
    one, many = map(state, watches)
    assert one.windows == many.windows > 0
    for first, second in zip(one.entries, many.entries, strict=True):
        assert second.distance == pytest.approx(first.distance, abs=1e-12)
        assert second.log_evidence == pytest.approx(first.log_evidence, abs=1e-9)


def test_an_observation_that_is_laid_by_may_change_afterwards():
    """Simulators write into the array that they gave out."""
    watch, row = DriftWatch(told(size=1)), np.zeros((1, 1), np.float32)
    for value in (0.0, 2.0, 0.0, 2.0):
        row[:] = value
        watch(row, 0, "ann", None, False)
    assert state(watch, 1).entries[0].distance == pytest.approx(3 / 8)


def test_sampled_actions_and_other_policies_have_distributions_of_their_own():
    """Where the bundle tells that all is at 1, an observation at 1 is no drift."""
    both = told(length=1, size=1, policies=2)
    levels, below, up_to = (x.copy() for x in (both.levels, both.below, both.up_to))
    levels[1, 1], below[1, 1], up_to[1, 1] = 1.0, 0.0, 1.0
    watch = DriftWatch(Distributions(levels, below, up_to, both.windows, 1))
    for _ in range(20):
        watch(np.array([[1.0]]), 1, "ann", None, True)
    assert state(watch, 1).entries[0].distance == 0.0
    watch(np.array([[1.0]]), 1, "ann", None, False)
    assert state(watch, 1).entries[0].distance == pytest.approx(7 / 8 / 21)


@pytest.mark.parametrize("value", [0.9, 1.1])
def test_a_constant_that_moves_by_little_is_noticed(value):
    constant = told(size=1, levels=np.ones(LEVELS), shares=np.ones(LEVELS), below=np.zeros(LEVELS))
    watch = DriftWatch(constant)
    for _ in range(4 * 40):
        watch(np.array([[1.0]]), 0, "ann", None, False)
    assert not watch.drifted
    for _ in range(4 * 60):
        watch(np.array([[value]]), 0, "ann", None, False)
    assert watch.drifted == (0,)


def test_without_drift_there_is_hardly_an_alarm_and_with_it_soon_one_that_names_the_entry():
    """Entry 0 is the same throughout a window, as a goal is, and entry 1 changes all the time."""
    rng, alarms, delays = np.random.default_rng(100), 0, []

    def play(watch, windows, moved):
        for window in range(windows):
            goal = rng.random()
            for _ in range(4):
                row = np.array([[goal, rng.random() + moved]])
                watch(row, 0, f"user {window % 7}", None, False)
            if watch.drifted:
                return window + 1
        return None

    for _ in range(20):
        watch = DriftWatch(told())
        alarms += play(watch, 100, 0.0) is not None
        watch = DriftWatch(told())
        delays.append(play(watch, 100, 0.3))
        assert watch.drifted == (1,)
    assert alarms <= 1
    assert max(delays) < 60


def test_a_share_that_few_windows_tell_is_not_held_against_the_stream():
    """Of 2 recorded windows, the share may be far from the truth; of a million it may not."""
    found = []
    for windows in (2, 1e6):
        watch = DriftWatch(told(length=1, size=1, windows=windows))
        for number in range(300):
            watch(np.array([[(number % 10) / 10 + 0.25]]), 0, "ann", None, False)
        found.append(bool(watch.drifted))
    assert found == [False, True]
    assert math.sqrt(0.25 / 2) * ERRORS > 0.25


def test_users_who_are_silent_lose_their_place_and_patience_grows_if_they_come_back(monkeypatch):
    monkeypatch.setattr("handful.deploy.drift.MOST_FOLLOWED", 1)
    watch = DriftWatch(told(size=1))
    row = np.zeros((1, 1))
    watch(row, 0, "ann", None, False)
    for _ in range(32):
        watch(row, 0, "bob", None, False)  # ann has the only place
    assert state(watch, 1).windows == 0
    for _ in range(4):
        watch(row, 0, "bob", None, False)
    assert state(watch, 1).windows == 1  # bob took it after 32 observations
    watch(row, 0, "carl", None, False)
    for _ in range(34):
        watch(row, 0, "ann", None, False)  # she was let go too early: patience is 64 from now on
    for _ in range(3):
        watch(row, 0, "carl", None, False)
    assert state(watch, 1).windows == 2  # carl has kept the place


def test_a_bundle_of_an_earlier_version_loads_and_says_what_is_not_known(tmp_path):
    _, _, files = nested_files()
    old = handful.load(put(signed(without(files)), tmp_path / "old"))
    new = handful.load(put(files, tmp_path / "new"))
    middle = (new.interface.seen_low + new.interface.seen_high) / 2
    for bundle in (old, new):
        for _ in range(5):
            bundle.act(middle, user="user-0", flattened=True)
    assert (old.drift.known, old.drift.drifted, old.drifted) == (False, False, ())
    assert "does not tell how observations were distributed" in old.drift.why_unknown
    assert (new.drift.known, new.drift.windows, new.drift.length) == (True, 1, 5)
    assert [one.name for one in new.drift.entries] == new.interface.reader.names()


def without(files):
    return {name: data for name, data in files.items() if name != "distributions.npz"}
