"""Whom policies that serve nobody are of use to, by validation episodes.

An assignment may leave policies without users: one policy for everybody does, where it is not shown
that everybody's best policy is worth more. What is not shown for all users together may be clear
for some of them. So each user whom a spare policy serves better by more than the standard error of
the difference may move to it. That too is luck for some, so that the moves are chosen on one half
of the episodes and measured on the other, both ways round, and count only if they gain more than
their standard error there.
"""

from typing import NamedTuple

import numpy as np

from handful.evaluation.by_episode import ALL, welfare_by_episode
from handful.evaluation.played import FeatureReturns
from handful.evaluation.returns import mean_and_stderr
from handful.types import NumpyArray
from handful.welfare import WelfareFn, utilitarian


class Moves(NamedTuple):
    """An assignment in which spare policies serve users, and what it gains.

    Attributes:
        policy: int [N] each user's policy.
        welfare: its welfare on all the episodes.
        gain: what the moves gain on episodes that had no part in them.
        gain_stderr: the standard error of the gain, over episodes.
    """

    policy: NumpyArray
    welfare: float
    gain: float
    gain_stderr: float


def use_spare_policies(
    played: FeatureReturns,
    policy: NumpyArray,
    halves: tuple[slice, slice],
    welfare: WelfareFn = utilitarian,
) -> Moves | None:
    """Move users to policies that serve nobody, if it is shown that this is worth something.

    Args:
        played: what every user earned from every policy in every episode.
        policy: int [N] each user's policy in the assignment to improve.
        halves: the two halves of the episodes.
        welfare: the welfare function.

    Returns:
        The better assignment; None if no policy is spare, or none is shown to be of use.
    """
    num_policies = played.shape[1]
    spare = np.flatnonzero(np.bincount(policy, minlength=num_policies) == 0)
    if not len(spare):
        return None
    parts = (*halves, ALL)
    moved = _moved(played, policy, spare, parts)
    if all(np.array_equal(one, policy) for one in moved):
        return None
    first, second, whole, before = welfare_by_episode(played, [*moved, policy], welfare, parts)
    gains = np.concatenate([first[1] - before[1], second[0] - before[0]])
    gain, stderr = map(float, mean_and_stderr(gains))
    if gain <= stderr or np.array_equal(moved[2], policy):
        return None
    return Moves(moved[2], float(whole[2].mean()), gain, stderr)


def _moved(
    played: FeatureReturns, policy: NumpyArray, spare: NumpyArray, parts: tuple[slice, ...]
) -> list[NumpyArray]:
    """Return the assignment [N] with the moves that each part of the episodes speaks for."""
    moved = [policy.copy() for _ in parts]
    for users, returns in played.chunks():
        here, rows = policy[users], np.arange(returns.shape[2])
        gains = returns[:, spare] - returns[:, here, rows][:, None]
        for chosen, part in zip(moved, parts, strict=True):
            mean, stderr = mean_and_stderr(gains[part])
            clear = mean - stderr
            best = clear.argmax(axis=0)
            chosen[users] = np.where(clear[best, rows] > 0.0, spare[best], here)
    return moved
