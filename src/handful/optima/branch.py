"""Which users share a policy: branch and bound over the groups, for problems with few users.

A node of the search has assigned the first few users, in a fixed order, to policies or to what they
have outside. The users who are left count with what the policy that is best for them alone earns
them, which no policy exceeds: the concave program of the groups so far then bounds all that the
node can lead to. Policies have no names, so a user joins a group that is there, or opens the next.
The search looks into the node with the highest bound first, and may be stopped at any time: the
highest bound that is left holds.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable

import numpy as np

from handful.optima.mixtures import Mixed

OUTSIDE = -1
"""The label of a user who keeps what they have without us."""

OPEN = -2
"""The label of a user who is not assigned yet."""


def search_groups(
    solve: Callable[[np.ndarray, float], Mixed],
    found: Callable[[Mixed, np.ndarray], float],
    order: np.ndarray,
    labels: tuple[int, ...],
    close: float,
    known: float,
    deadline: float,
) -> float:
    """Find the best groups, or a bound on them.

    Args:
        solve: gives the best mixtures for users' labels [N], and may stop where its bound is no
            higher than the number that it gets.
        found: takes mixtures and the labels they are for, and gives the welfare of the best
            policies that are known with these; minus infinity if none are.
        order: the users in the order in which they are assigned, [N].
        labels: the labels of policies, and perhaps that of what users have outside.
        close: a difference of welfare that is none.
        known: the welfare that is known already.
        deadline: the time (of :func:`time.monotonic`) after which to stop.

    Returns:
        a number that the welfare of no groups exceeds; minus infinity if none meet the floors.
    """
    counter = itertools.count()  # of equal bounds, the node that is older comes first
    nodes: list[tuple[float, int, tuple[int, ...]]] = [(-np.inf, next(counter), ())]
    pruned = -np.inf
    while nodes:
        lowest, _, taken = nodes[0]
        if -lowest <= known + close:
            break
        if time.monotonic() > deadline:
            return max(-lowest, known, pruned)
        heapq.heappop(nodes)
        is_last = len(taken) + 1 == len(order)
        for label in labels:
            if label > max(taken, default=-1) + 1:
                break  # an empty policy is like the next empty one
            assignment = np.full(len(order), OPEN)
            path = (*taken, label)
            assignment[order[: len(path)]] = path
            mixed = solve(assignment, known)
            if mixed.utilities is not None:
                known = max(known, found(mixed, assignment))
            if is_last or mixed.bound <= known + close:
                pruned = max(pruned, mixed.bound)
            else:
                heapq.heappush(nodes, (-mixed.bound, next(counter), path))
    return max(known, pruned)
