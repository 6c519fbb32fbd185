"""Users who each want a velocity: the best constant velocities bound what policies earn them.

The most that k policies can earn users who each want a velocity: an upper bound.

User i earns `height * max(0, 1 - |v - t_i| / half_width)` from an episode at velocity v. Why
constant velocities are enough: a policy's return to a user is the average of that over the
velocities at which it spends its time, so for a fixed assignment welfare is linear in the shares of
time and highest if each policy keeps to a single velocity. No robot keeps to one from its first
step, and an episode that ends early earns less: hence a bound, not an optimum.

Why the users' own targets are enough: what a velocity earns the users it serves is a sum of
triangles, which is convex between two neighbouring peaks, so it is highest at a peak.

So k of the M distinct targets p_0 < p_1 < ... are to be chosen. Users are served by the chosen
velocity nearest to them, so the welfare is a sum over neighbours in the choice of

    between(a, c) = what the users in (p_a, p_c] earn from the nearer one of p_a and p_c,

which prefix sums give in constant time, and dynamic programming over c finds the best choice. For a
reward that falls with distance, `between` has the inverse Monge property: for a <= a' <= c <= c'

    between(a, c) + between(a', c') >= between(a, c') + between(a', c),

user by user. Therefore the best predecessor of c never decreases with c, and a layer of the program
takes M log M steps by divide and conquer, here one depth of the recursion at a time.
"""

from __future__ import annotations

import numpy as np

from handful.domains.speeds import UNIT
from handful.domains.speeds.targets import SpeedReward
from handful.exact.bound import Optimum, nothing_known
from handful.population import Population
from handful.problem import RMDP


def velocity_bound(
    targets: np.ndarray, half_width: float, height: float, num_policies: int
) -> Optimum:
    """Find the best `num_policies` constant velocities for the users, exactly.

    If the users have fewer distinct targets than there are policies, the first velocity is
    repeated.

    Args:
        targets: the users' velocities [N], in metres per second.
        half_width: the distance from a user's target at which rewards end, in metres per second.
        height: the return of a whole episode at exactly the target.
        num_policies: the budget k, from 1 to the number of users.

    Returns:
        An upper bound; velocities ascend, users go to the nearest one.

    Raises:
        ValueError: if an argument is out of range.
    """
    targets = np.asarray(targets, dtype=np.float64)
    if targets.ndim != 1 or not np.isfinite(targets).all():
        raise ValueError(f"The targets must be finite [N], got shape {targets.shape}.")
    if not 1 <= num_policies <= len(targets):
        raise ValueError(
            f"The number of policies must be from 1 to the number of users ({len(targets)}), "
            f"got {num_policies}."
        )
    if not (0 < half_width < np.inf and 0 < height < np.inf):
        raise ValueError(
            f"The half width and the height must be positive, got {half_width} and {height}."
        )
    peaks, counts = np.unique(targets, return_counts=True)
    chosen = _Line(peaks, counts, half_width).choose(min(num_policies, len(peaks)))
    spare = np.repeat(peaks[chosen[0]], num_policies - len(chosen))
    velocities = np.append(spare, peaks[chosen])
    distances = np.abs(velocities[:, None] - targets)
    returns = height * np.maximum(0.0, 1.0 - distances / half_width)
    return Optimum(
        welfare=float(returns.max(axis=0).mean()),
        kind="upper bound",
        num_policies=num_policies,
        returns=returns,
        assignment=distances.argmin(axis=0),
        certificate=tuple((float(velocity),) for velocity in velocities),
        explanation=(
            "Welfare is linear in the share of time that a policy spends at each velocity, so no "
            "policy earns its users more than the best constant velocity for them; of all choices "
            f"of {num_policies} constant velocities, dynamic programming over the sorted targets "
            "proves these the best."
        ),
        unit=UNIT,
    )


class _Line:
    """Distinct targets on a line [M], ascending, with the number of users at each [M].

    What users earn is counted in units of the height times the half width.
    """

    def __init__(self, peaks: np.ndarray, counts: np.ndarray, half_width: float) -> None:
        self.peaks = peaks
        self.half_width = half_width
        # Prefix sums, over the users at the first j peaks: how many, and the sum of their targets
        # (from the middle of the line, where rounding costs least).
        self.offset = peaks - (peaks[0] + peaks[-1]) / 2
        self.users = np.append(0.0, np.cumsum(counts))
        self.sums = np.append(0.0, np.cumsum(counts * self.offset))
        # Users that a velocity at peak j earns something lie at peaks first[j] .. last[j] - 1: with
        # a width that rounding swallows, at j alone.
        here = np.arange(len(peaks))
        first = np.searchsorted(peaks, peaks - half_width, side="right")
        last = np.searchsorted(peaks, peaks + half_width, side="left")
        self.first, self.last = np.minimum(first, here), np.maximum(last, here + 1)

    def choose(self, num_policies: int) -> np.ndarray:
        """Return the indices of the best `num_policies` peaks, ascending: int64 [K], K <= M."""
        every = np.arange(len(self.peaks))
        # best[c]: what users up to p_c earn from the best choice so far whose last velocity is p_c.
        best = self._from_above(every, self.first)
        predecessors = []
        for _ in range(num_policies - 1):
            best, predecessor = self._extend(best)
            predecessors.append(predecessor)
        chosen = [int(np.argmax(best + self._from_below(every, self.last)))]
        for predecessor in reversed(predecessors):
            chosen.append(int(predecessor[chosen[-1]]))
        return np.unique(chosen)

    def _extend(self, best: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add a velocity: return the new `best` [M] and its predecessor, int [M].

        A velocity may be its own predecessor (nothing is gained), so choices of fewer count too.
        """
        size = len(best)
        extended, predecessor = np.empty(size), np.empty(size, dtype=np.int64)
        # Stretches of c that are still open, and between which predecessors the best of each lies.
        start, stop = np.array([0]), np.array([size])
        low, high = np.array([0]), np.array([size - 1])
        while len(start):
            middle = (start + stop) // 2
            lengths = np.minimum(high, middle) - low + 1
            ends = np.cumsum(lengths)
            begins = ends - lengths
            lower = np.arange(ends[-1]) + np.repeat(low - begins, lengths)
            worth = best[lower] + self._between(lower, np.repeat(middle, lengths))
            top = np.maximum.reduceat(worth, begins)
            hits = np.flatnonzero(worth == np.repeat(top, lengths))
            found = lower[hits[np.searchsorted(hits, begins)]]
            extended[middle], predecessor[middle] = top, found
            start, stop = np.append(start, middle + 1), np.append(middle, stop)
            low, high = np.append(low, found), np.append(found, high)
            is_open = start < stop
            start, stop, low, high = (part[is_open] for part in (start, stop, low, high))
        return extended, predecessor

    def _between(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Return what the users in (lower, upper] earn from the nearer of the two: [P]."""
        middle = np.searchsorted(
            self.offset, (self.offset[lower] + self.offset[upper]) / 2, side="right"
        )
        below = self._from_below(lower, np.minimum(self.last[lower], middle))
        return below + self._from_above(upper, np.maximum(self.first[upper], middle))

    def _from_below(self, peak: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Return what the users after `peak` and before the index `stop` earn at `peak`: [P]."""
        users = self.users[stop] - self.users[peak + 1]
        sums = self.sums[stop] - self.sums[peak + 1]
        return users * (self.half_width + self.offset[peak]) - sums

    def _from_above(self, peak: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Return what the users from the index `start` to `peak` (included) earn at `peak`: [P]."""
        users = self.users[peak + 1] - self.users[start]
        sums = self.sums[peak + 1] - self.sums[start]
        return users * (self.half_width - self.offset[peak]) + sums


def solve(problem: RMDP, num_policies: int) -> Optimum:
    """Bound the welfare of users who each want a velocity.

    Args:
        problem: a problem with any environment whose outcome is
            :class:`~handful.domains.speeds.targets.Motion`.
        num_policies: the budget k.

    Raises:
        ValueError: if the problem has other users, for whom no bound is known.
    """
    reward = _speed_reward(problem.population)
    if reward is None:
        raise ValueError(nothing_known(problem.name, "users who each want one velocity"))
    # Rewards are never negative, so no episode of any environment earns more than its longest.
    height = reward.peak * problem.environment.time_limit
    return velocity_bound(reward.targets, reward.half_width, height, num_policies)


def _speed_reward(population: Population) -> SpeedReward | None:
    """Return the users' exact rewards, where each of them wants a velocity."""
    if isinstance(population.reward_fn, SpeedReward):
        return population.reward_fn
    if population.reward_fn is None and isinstance(population.features, SpeedReward):
        # A caller may give other users mixtures of these rewards: nothing is known of them.
        identity = np.eye(len(population.features.targets))
        if np.array_equal(population.coefficients, identity):
            return population.features
    return None
