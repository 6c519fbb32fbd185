"""The welfare of an assignment, episode by episode, from which its standard error follows.

A welfare is a welfare of expected returns: ``W(u)`` for the users' mean returns ``u`` over all
episodes. It is not the mean of the welfare of single episodes, unless it is linear. So each episode
counts by its first-order share,

.. math:: W(\\bar u) + \\nabla W(\\bar u) \\cdot (u_e - \\bar u),

where :math:`u_e` are the users' returns in episode ``e``. The mean of these numbers is
:math:`W(\\bar u)`, and their standard error is that of the delta method (for example Casella and
Berger, 2002, section 5.5.4). For the utilitarian welfare each number is the welfare of the episode.
"""

from collections.abc import Sequence

import numpy as np

from handful.evaluation.played import FeatureReturns, Played
from handful.mix import mean_mix_of_policies
from handful.types import NumpyArray
from handful.welfare import WelfareFn, utilitarian, welfare_and_weights

ALL = slice(None)
"""All episodes."""


def welfare_by_episode(
    played: Played,
    assignments: Sequence[NumpyArray],
    welfare: WelfareFn = utilitarian,
    parts: Sequence[slice] = (ALL,),
) -> list[list[NumpyArray]]:
    """Give the welfare of several assignments of the same policies, episode by episode.

    Args:
        played: what every user earned from every policy in every episode.
        assignments: the policy of each user [N], once for each assignment.
        welfare: the welfare function.
        parts: which episodes to look at; each of these parts is looked at apart from the others.

    Returns:
        For each assignment and each part, one number for each of its episodes. Their mean is the
        welfare of the assignment by this part, and their spread that of the welfare over episodes.
    """
    if welfare is utilitarian:  # an episode's welfare depends on no other episode
        totals = _totals(played, assignments, [None] * len(assignments))
        return [[total[part] for part in parts] for total in totals]
    found = [_around_the_mean(played.some(part), assignments, welfare) for part in parts]
    return [list(of_one) for of_one in zip(*found, strict=True)]


def welfare_of_single_policies(
    played: Played, welfare: WelfareFn = utilitarian, parts: Sequence[slice] = (ALL,)
) -> list[NumpyArray]:
    """Give the welfare of every policy if it served everybody, episode by episode.

    Args:
        played: what every user earned from every policy in every episode.
        welfare: the welfare function.
        parts: which episodes to look at; each of these parts is looked at apart from the others.

    Returns:
        For each part [e, K] numbers, as :func:`welfare_by_episode` gives for one assignment.
    """
    num_episodes, num_policies, num_users = played.shape
    if welfare is not utilitarian:
        # Of each policy one number, which is looked at as if it stood there for every user.
        everybody = [np.broadcast_to(policy, num_users) for policy in range(num_policies)]
        found = welfare_by_episode(played, everybody, welfare, parts)
        return [np.stack(of_part, axis=1) for of_part in zip(*found, strict=True)]
    if isinstance(played, FeatureReturns):
        total = played.features @ played.population.coefficients.mean(axis=0, dtype=np.float64)
        return [total[part] for part in parts]
    total = np.zeros((num_episodes, num_policies))
    for _, returns in played.chunks():
        total += returns.sum(axis=2)
    return [total[part] / num_users for part in parts]


def _around_the_mean(
    played: Played, assignments: Sequence[NumpyArray], welfare: WelfareFn
) -> list[NumpyArray]:
    """Give what each episode counts for by first order around the users' mean returns, [E] each."""
    found = [
        welfare_and_weights(welfare, utilities) for utilities in _utilities(played, assignments)
    ]
    totals = _totals(played, assignments, [weights for _, weights in found])
    return [value + (total - total.mean()) for (value, _), total in zip(found, totals, strict=True)]


def _utilities(played: Played, assignments: Sequence[NumpyArray]) -> list[NumpyArray]:
    """Give what each user earns in the mean over the episodes under each assignment, [N]."""
    if isinstance(played, FeatureReturns):
        mean = played.features.mean(axis=0)
        return [played.population.utilities(mean, policy) for policy in assignments]
    utilities = [np.empty(played.shape[2]) for _ in assignments]
    for users, returns in played.chunks():
        mean, everyone = returns.mean(axis=0), np.arange(returns.shape[2])
        for served, policy in zip(utilities, assignments, strict=True):
            served[users] = mean[policy[users], everyone]
    return utilities


def _totals(
    played: Played, assignments: Sequence[NumpyArray], weights: Sequence[NumpyArray | None]
) -> list[NumpyArray]:
    """Give what all users earn in each episode under each assignment, [E], in the weighted mean."""
    num_episodes, num_policies, num_users = played.shape
    pairs = list(zip(assignments, weights, strict=True))
    if isinstance(played, FeatureReturns):
        coefficients = played.population.coefficients
        mixes = [mean_mix_of_policies(who, coefficients, num_policies, w) for who, w in pairs]
        return [np.einsum("kd,ekd->e", mix, played.features) for mix in mixes]
    totals = np.zeros((len(assignments), num_episodes))
    for users, returns in played.chunks():
        everyone = np.arange(returns.shape[2])
        for total, (policy, weight) in zip(totals, pairs, strict=True):
            served = returns[:, policy[users], everyone]
            total += (served if weight is None else served * weight[users]).sum(axis=1)
    return list(totals / num_users)
