"""Whether observations in use are distributed as they were when the bundle was made.

The observations of one episode depend on each other, so that none of them is evidence by itself.
The unit of evidence here is a window of one user, as long as what was recorded of each environment:
windows of other episodes are independent, and under no drift a window's shares below the levels of
an entry are on average those that the bundle tells. Bets are made on each of them being higher, and
on each being lower, by more than a tolerance. The mean wealth of an entry's bets reaches
``O / ALPHA`` for any of ``O`` entries with a probability of at most ``ALPHA``, however often it is
looked at (:mod:`handful._support.betting`).
"""

import math
import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
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
        self.drifted: tuple[int, ...] = ()

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
        users = _users_of(user, len(rows))
        # Users without names differ by their rows only, and no more of them are followed.
        number = len(rows) if user is not None else min(len(rows), len(self._counts))
        with self._lock:
            for row in range(number):
                if unknown is None or not unknown[row]:
                    policy = numbers if isinstance(numbers, int) else int(numbers[row])
                    self._see((sampled, policy, user is None, users[row]), rows[row])
            self._now += len(rows)

    def state(self, names: Sequence[str]) -> Drift:
        """Return what was found so far, with the entries' names [O]."""
        with self._lock:
            apart = np.abs(self._apart).max(axis=(0, 2)) / max(self._bets.count, 1)
            entries = tuple(
                EntryDrift(entry, name, distance, evidence, evidence >= self.needed)
                for entry, (name, distance, evidence) in enumerate(
                    zip(names, apart.tolist(), self._highest.tolist(), strict=True)
                )
            )
            return Drift(True, None, self._bets.count, self._told.length, self.needed, entries)

    def _see(self, who: tuple[bool, int, bool, Any], row: NDArray[Any]) -> None:
        """Take in an observation [O] of a user."""
        place = self._followed.get(who)
        if place is None:
            place = self._follow(who)
            if place is None:
                return
        else:
            self._followed.move_to_end(who)
        place.touched = self._now
        if (place.seen + place.phase) % self._told.stride == 0:
            self._counts[place.slot] += row[:, None] < self._levels[int(who[0]), who[1]]
            place.looks += 1
        place.seen += 1
        if place.seen == self._told.length:
            del self._followed[who]
            self._free.append(place.slot)
            self._bet(int(who[0]), who[1], self._counts[place.slot] / place.looks)

    def _follow(self, who: Any) -> "_Place | None":
        """Return a place for a user; None if all are taken by users who are still there.

        Users who have been silent for long lose their place. If one of them comes back, this was
        too early, and from then on more patience is had.
        """
        if who in self._left:
            del self._left[who]
            self._patience *= 2
        if not self._free:
            silent, place = next(iter(self._followed.items()))
            if self._now - place.touched <= self._patience:
                return None
            del self._followed[silent]
            self._free.append(place.slot)
            self._left[silent] = None
            if len(self._left) > len(self._counts):
                self._left.popitem(last=False)
        slot = self._free.pop()
        self._counts[slot] = 0
        phase = self._random.randrange(self._told.stride)
        place = self._followed[who] = _Place(slot, phase, self._now)
        return place

    def _bet(self, mode: int, policy: int, shares: NDArray[Any]) -> None:
        """Bet on the shares [2, O, L] of a whole window."""
        self._bets.add(np.array([shares, 1.0 - shares]), self._bounds[mode, policy])
        self._apart += shares - self._shares[mode, policy]
        wealth = np.asarray(self._bets.log_wealth)
        most = wealth.max(axis=(0, 1, 3))
        mean = np.exp(wealth - most[:, None]).mean(axis=(0, 1, 3))
        self._highest = np.maximum(self._highest, most + np.log(mean))
        if self._highest.max() >= self.needed:
            self.drifted = tuple(np.flatnonzero(self._highest >= self.needed).tolist())


def _users_of(user: Any, number: int) -> Sequence[Any]:
    """Return what tells the users of a number of observations from each other."""
    if user is None:
        return range(number)
    if isinstance(user, str | int | np.integer):
        return [user] if number == 1 else [(user, row) for row in range(number)]
    return np.asarray(user).reshape(-1).tolist()


@dataclass
class _Place:
    """How far the window of a user is who is followed.

    Attributes:
        slot: where the counts of the window are.
        phase: which of the observations are looked at.
        touched: the number of all observations when the user was last heard.
        seen, looks: the number of observations in the window, and of those that were looked at.
    """

    slot: int
    phase: int
    touched: int
    seen: int = 0
    looks: int = 0
