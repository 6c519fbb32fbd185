"""Whether observations in use are distributed as they were when the bundle was made.

The observations of one episode depend on each other, so that none of them is evidence by itself.
The unit of evidence here is a window of one user, as long as what was recorded of each environment:
windows of other episodes are independent, and under no drift a window's shares below the levels of
an entry are on average those that the bundle tells. Bets are made on each of them being higher, and
on each being lower, by more than a tolerance. The mean wealth of an entry's bets reaches
``O / ALPHA`` for any of ``O`` entries with a probability of at most ``ALPHA``, however often it is
looked at (:mod:`handful._support.betting`).

An action should not wait for this. So observations are laid by, and some dozens are taken in
together, at the latest when somebody asks what was found: the numbers are the same.
"""

import math
import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.betting import Bet
from handful.deploy.distributions import Distributions

ALPHA = 0.01
"""The probability of a false alarm of any entry, at all times together."""

TOLERANCE = 0.05
"""The difference of a share that counts as none, besides what the recording leaves open."""

ERRORS = 4.0
"""The number of standard errors of a recorded share that count as no difference."""

MOST_FOLLOWED, MOST_COUNTS = 256, 2**23
"""The most users who are followed at a time, and the most counts that are kept of them together."""

LAID_BY = 64
"""The most observations that are laid by."""

UNKNOWN = (
    "The bundle does not tell how observations were distributed: it was made by an earlier version "
    "of handful, without the simulator, for episodes of more than 1000 steps, or for observations "
    "of too many entries."
)


@dataclass(frozen=True)
class EntryDrift:
    """How far one entry of the observations is from what the bundle tells.

    Attributes:
        entry: the number of the entry, from 0.
        name: its name, such as ``position[0]``.
        distance: the largest difference, over the levels, between the share of observations below
            the level and the share that the bundle tells: from 0 to 1.
        log_evidence: the natural logarithm of the highest evidence for drift so far.
        drifted: whether the evidence is enough for an alarm. An alarm stays.
    """

    entry: int
    name: str
    distance: float
    log_evidence: float
    drifted: bool


@dataclass(frozen=True)
class Drift:
    """Whether the distributions of observations drift.

    Attributes:
        known: whether the bundle tells how observations were distributed.
        why_unknown: why it does not, in a sentence; None if it does.
        windows: the number of whole windows so far.
        length: the number of observations of a window of one user.
        needed: the logarithm of the evidence that makes an alarm.
        entries: each entry, in the order of the vectors; empty if nothing is known.
    """

    known: bool
    why_unknown: str | None
    windows: int
    length: int
    needed: float
    entries: tuple[EntryDrift, ...]

    @property
    def drifted(self) -> bool:
        """Whether any entry has drifted."""
        return any(one.drifted for one in self.entries)


NOT_KNOWN = Drift(False, UNKNOWN, 0, 0, math.inf, ())


_Who = tuple[bool, int, bool, Any]
"""Whose observations make up a window: whether actions are sampled, the number of the policy,
whether the user has no name, and the user."""

_ONE = (str, type(None))
"""The types of a user whose name is no number, and of no user."""


class DriftWatch:
    """Follows users, and compares their windows with what a bundle tells. Threads may share it.

    Args:
        told: what the bundle tells.
    """

    def __init__(self, told: Distributions) -> None:
        self._told, self._lock = told, Lock()
        size, levels = told.levels.shape[2:]
        number = max(1, min(MOST_FOLLOWED, MOST_COUNTS // (2 * size * levels)))
        self._counts = np.zeros((number, 2, size, levels), np.uint16)
        self._free = list(range(number))
        self._followed: OrderedDict[Any, _Place] = OrderedDict()
        self._left: OrderedDict[Any, None] = OrderedDict()
        self._patience, self._now, self._random = 32 * number, 0, random.Random(0)
        self._rows = np.zeros(
            (min(LAID_BY, max(1, MOST_COUNTS // (2 * size * levels))), size), "f4"
        )
        self._laid_by: list[tuple[_Who, int]] = []

        # What is below the next number after a level is at the level or below it.
        after = np.nextafter(told.levels, np.float32(np.inf))
        self._levels = np.stack([told.levels, after], axis=2)  # [2, K, 2, O, L]
        self._shares = np.stack([told.below, told.up_to], axis=2)
        windows = told.windows[:, None]
        middle = (self._shares * windows + 1.0) / (windows + 2.0)  # none is surely 0 or 1
        error = np.sqrt(middle * (1.0 - middle) / windows)
        tolerance = TOLERANCE + ERRORS * error
        self._bounds = np.stack([self._shares, 1.0 - self._shares], axis=2)  # higher, lower
        self._bounds += tolerance[:, :, None]
        self._bets = Bet(1.0)  # each window brings bounds of its own
        self._apart, self._highest = np.zeros((2, size, levels)), np.zeros(size)
        self.needed = math.log(size / ALPHA)
        self._drifted: tuple[int, ...] = ()

    def __call__(
        self,
        rows: NDArray[Any],
        numbers: int | NDArray[Any],
        user: Any,
        unknown: NDArray[Any] | None,
        sampled: bool,
    ) -> None:
        """Take in observations.

        Args:
            rows: the observations [M, O].
            numbers: the number of the policy that acts, or of each observation's [M].
            user: whose observations they are, or a list or an array with the user of each. None
                takes the first rows of all calls for those of one user, the second rows for those
                of another, and so on.
            unknown: which observations no policy is responsible for, [M]; they do not count.
            sampled: whether actions are sampled.
        """
        if len(rows) == 1 and unknown is None and type(numbers) is int and type(user) in _ONE:
            with self._lock:  # the usual case, and fast
                self._lay_by(rows[0], (sampled, numbers, user is None, user or 0))
                self._now += 1
            return
        users = _users_of(user, len(rows))
        # Users without names differ by their rows only, and no more of them are followed.
        number = len(rows) if user is not None else min(len(rows), len(self._counts))
        with self._lock:
            for row in range(number):
                if unknown is None or not unknown[row]:
                    policy = numbers if isinstance(numbers, int) else int(numbers[row])
                    self._lay_by(rows[row], (sampled, policy, user is None, users[row]))
            self._now += len(rows)

    def _lay_by(self, row: NDArray[Any], who: "_Who") -> None:
        place = len(self._laid_by)
        self._rows[place] = row
        self._laid_by.append((who, self._now))
        if place + 1 == len(self._rows):
            self._take_in()

    @property
    def drifted(self) -> tuple[int, ...]:
        """The entries whose distributions have drifted, by their numbers."""
        with self._lock:
            self._take_in()
            return self._drifted

    def state(self, names: Sequence[str]) -> Drift:
        """Return what was found so far, with the entries' names [O]."""
        with self._lock:
            self._take_in()
            apart = np.abs(self._apart).max(axis=(0, 2)) / max(self._bets.count, 1)
            entries = tuple(
                EntryDrift(entry, name, distance, evidence, evidence >= self.needed)
                for entry, (name, distance, evidence) in enumerate(
                    zip(names, apart.tolist(), self._highest.tolist(), strict=True)
                )
            )
            return Drift(True, None, self._bets.count, self._told.length, self.needed, entries)

    def _take_in(self) -> None:
        """Take in the observations that were laid by, in their order."""
        looked: list[_Place] = []
        whole: list[tuple[_Place, int, int]] = []
        length, stride = self._told.length, self._told.stride
        for row, (who, now) in enumerate(self._laid_by):
            place = self._followed.get(who)
            if place is None:
                place = self._follow(who, now)
                if place is None:
                    continue
            else:
                self._followed.move_to_end(who)
            place.touched = now
            if (place.seen + place.phase) % stride == 0:
                if not place.rows:
                    looked.append(place)
                place.rows.append(row)
                place.looks += 1
            place.seen += 1
            if place.seen == length:
                del self._followed[who]
                self._free.append(place.slot)
                whole.append((place, int(who[0]), who[1]))
        if looked:
            self._count(looked)
        if whole:
            shares = [self._counted(place) / place.looks for place, _, _ in whole]
            self._bet(np.array([one[1:] for one in whole]), np.array(shares))
        for place in looked:
            if not place.is_over(length):
                self._counts[place.slot] = self._counted(place)
                place.is_new, place.added = False, None
            place.rows = []
        self._laid_by.clear()

    def _count(self, looked: list["_Place"]) -> None:
        """Add up, for each window, which levels the observations that were laid by are below."""
        order = [row for place in looked for row in place.rows]
        starts = np.cumsum([0, *(len(place.rows) for place in looked[:-1])])
        kinds = {self._laid_by[row][0][:2] for row in order}
        if len(kinds) == 1:
            ((sampled, policy),) = kinds
            levels = self._levels[int(sampled), policy]
        else:
            modes, policies = zip(*(self._laid_by[row][0][:2] for row in order), strict=True)
            levels = self._levels[np.array(modes, int), np.array(policies)]
        is_below = self._rows[order, None, :, None] < levels  # [M, 2, O, L]
        added = np.add.reduceat(is_below.view(np.uint8), starts, axis=0, dtype=np.uint16)
        for place, one in zip(looked, added, strict=True):
            place.added = one

    def _counted(self, place: "_Place") -> NDArray[Any]:
        """Return the counts of a window, with what was added last: [2, O, L]."""
        if place.is_new:
            return self._counts[place.slot] * 0 if place.added is None else place.added
        counts = self._counts[place.slot]
        return counts if place.added is None else counts + place.added

    def _follow(self, who: Any, now: int) -> "_Place | None":
        """Return a place for a user; None if all are taken by users who are still there.

        Users who have been silent for long lose their place. If one of them comes back, this was
        too early, and from then on more patience is had.
        """
        if who in self._left:
            del self._left[who]
            self._patience *= 2
        if not self._free:
            silent, place = next(iter(self._followed.items()))
            if now - place.touched <= self._patience:
                return None
            del self._followed[silent]
            self._free.append(place.slot)
            place.seen = self._told.length  # nobody will look at it again
            self._left[silent] = None
            if len(self._left) > len(self._counts):
                self._left.popitem(last=False)
        slot = self._free.pop()
        phase = self._random.randrange(self._told.stride)
        place = self._followed[who] = _Place(slot, phase, now)
        return place

    def _bet(self, windows: NDArray[Any], shares: NDArray[Any]) -> None:
        """Bet on the shares [W, 2, O, L] of whole windows, each of a mode and a policy [W, 2]."""
        which = tuple(windows.T)
        values = np.stack([shares, 1.0 - shares], axis=1)  # higher, lower
        wealth = self._bets.add_all(values, self._bounds[which])  # [W, 2, 2, O, L]
        self._apart += (shares - self._shares[which]).sum(axis=0)
        most = wealth.max(axis=(1, 2, 4))
        higher = (most > self._highest).any(axis=1)  # a mean is at most the largest
        if not higher.any():
            return
        wealth, most = wealth[higher], most[higher]
        mean = np.exp(wealth - most[:, None, None, :, None]).mean(axis=(1, 2, 4))
        self._highest = np.maximum(self._highest, (most + np.log(mean)).max(axis=0))
        if self._highest.max() >= self.needed:
            self._drifted = tuple(np.flatnonzero(self._highest >= self.needed).tolist())


def _users_of(user: Any, number: int) -> Sequence[Any]:
    """Return what tells the users of a number of observations from each other."""
    if user is None:
        return range(number)
    if isinstance(user, str | int | np.integer):
        return [user] if number == 1 else [(user, row) for row in range(number)]
    return np.asarray(user).reshape(-1).tolist()


@dataclass(slots=True, eq=False)
class _Place:
    """How far the window of a user is who is followed.

    Attributes:
        slot: where the counts of the window are.
        phase: which of the observations are looked at.
        touched: the number of all observations when the user was last heard.
        seen, looks: the number of observations in the window, and of those that were looked at.
        rows: where the latest of those are that were looked at, among what was laid by.
        added: how many of these are below each level, [2, O, L]; None if none of them was counted.
        is_new: whether nothing of the window is in the slot yet.
    """

    slot: int
    phase: int
    touched: int
    seen: int = 0
    looks: int = 0
    rows: list[int] = field(default_factory=list)
    added: NDArray[Any] | None = None
    is_new: bool = True

    def is_over(self, length: int) -> bool:
        """Return whether no further observation of the window will be counted."""
        return self.seen >= length
