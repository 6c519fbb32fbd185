"""Which policies are worth giving up for a copy of a better one that is led elsewhere.

A policy that serves somebody well can be led from there to somebody else, the more surely the
nearer they are. So what a copy of it would earn the users, led to any outcome, can be guessed from
what it earns now, and the best of these guesses stands beside the policies that there are.
"""

from typing import NamedTuple

import numpy as np

from handful.assignment.outcomes import OutcomeSpace
from handful.types import NumpyArray

KEPT = -1
"""An outcome that is none: the policy goes on as it is."""


class Branches(NamedTuple):
    """What becomes of ``K`` policies.

    Attributes:
        source: [K] which of them each goes on from: itself, or the one it becomes a copy of.
        start: [K] the outcome that the source is nearest to keeping up.
        outcome: [K] where a copy is led; :data:`KEPT` for a policy that is no copy.
        policy: [N] who is to serve each user.
        hoped: [K, N] what each user gets from those that are kept, and is guessed to get from
            copies.
    """

    source: NumpyArray
    start: NumpyArray
    outcome: NumpyArray
    policy: NumpyArray
    hoped: NumpyArray


def branch_out(returns: NumpyArray, space: OutcomeSpace, reach: float, margin: float) -> Branches:
    """Replace the policies that the users need least, one by one, while it promises enough.

    A copy of policy j, led to outcome m, is guessed to earn ``kept_j exp(-(distance / reach)^2)``
    times the gain of m: ``kept_j`` is how much of its own nearest outcome the policy keeps up, in
    steps. So short ways are thought to cost little, and long ones not to be worth trying. The best
    guess for each outcome is tried in place of each policy that nobody else was copied from and
    that is no copy itself.

    Args:
        returns: of the K policies to N users, [K, N].
        space: of outcomes, as the same users see them.
        reach: the distance at which guesses have fallen by the factor e.
        margin: by how much, as a share of welfare above the worst returns, a copy must promise to
            raise it.
    """
    num_policies = len(returns)
    served = returns - returns.min(axis=0)
    squares = np.maximum((space.gains**2).sum(axis=1), 1e-12)
    start = (served @ space.gains.T / np.sqrt(squares)).argmax(axis=1)
    kept_up = (served * space.gains[start]).sum(axis=1) / squares[start]
    guesses = kept_up[:, None] * np.exp(-((space.distances(start) / reach) ** 2))  # [K, M]

    source, outcome = np.arange(num_policies), np.full(num_policies, KEPT)
    hoped = served.copy()
    while True:
        is_copy = outcome != KEPT
        is_needed = is_copy | np.isin(np.arange(num_policies), source[is_copy])
        own = np.where(is_copy[:, None], -1.0, guesses)  # a copy has nothing to be copied yet
        origin = own.argmax(axis=0)
        promised = own.max(axis=0)[:, None] * space.gains
        welfare = hoped.max(axis=0).sum()
        best, swap = welfare * (1.0 + margin), None
        for place in np.flatnonzero(~is_needed):
            rest = np.delete(hoped, place, axis=0).max(axis=0, initial=0.0)
            totals = np.where(origin == place, -np.inf, np.maximum(promised, rest).sum(axis=1))
            if totals.max() > best:
                best, swap = totals.max(), (place, int(totals.argmax()))
        if swap is None:
            break
        place, goal = swap
        source[place], outcome[place], hoped[place] = origin[goal], goal, promised[goal]
    hoped += returns.min(axis=0)
    return Branches(source, start[source], outcome, hoped.argmax(axis=0), hoped)
