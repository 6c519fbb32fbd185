"""Welfare against the budget: what each number of policies is worth, and what one more adds.

All budgets are evaluated on fresh episodes with the same seed, and serve the same users. So the
worth of more policies is a difference episode by episode, whose standard error follows from these
differences: what the episodes of two budgets have in common does not blur it. Intervals are
Student's over episodes, at 95 %. They say nothing of how another training would have ended.

Two numbers stand beside the budgets. *One policy* is the welfare of the best single policy for
everybody, of all that were trained. The *ceiling* is the welfare if each user had the best for them
of all policies that are known: those of all budgets, and the candidates that the run chose from. In
both, the choice is made by one half of the episodes and measured on the other, both ways round, as
a choice from many looks better than it is on the episodes that made it. The ceiling is an estimate
of what a policy for each user would earn: it is too low where nobody trained such a policy. Where a
task's solver knows that number, it stands beside the estimate.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.special import stdtrit

from handful._support.text import count
from handful.errors import HandfulError
from handful.evaluation.by_episode import welfare_by_episode, welfare_of_single_policies
from handful.evaluation.played import JoinedReturns, Played, WithOutside
from handful.evaluation.returns import Evaluation, mean_and_stderr, users_per_policy
from handful.frontier.points import Estimate, Frontier, Level, Point, Step
from handful.types import NumpyArray
from handful.welfare import WelfareFn, utilitarian, with_outside

CONFIDENCE = 0.95
"""The share of such intervals that hold the number which they are about."""

EVEN, ODD = slice(0, None, 2), slice(1, None, 2)
"""The two halves of the episodes."""


def measure_frontier(
    evaluations: Sequence[Evaluation],
    welfare: WelfareFn = utilitarian,
    candidates: Played | None = None,
    outside: NumpyArray | None = None,
) -> Frontier:
    """Set the evaluations of several budgets beside each other.

    Args:
        evaluations: the evaluations, of the same users with the same seed and as many episodes, one
            for each budget.
        welfare: the welfare function.
        candidates: what every user earned from each of the policies that the run chose from, in an
            even number of episodes of their own, or in the mean over each of two halves; None if
            there are none.
        outside: what each user gets without us, [N]; None if everybody has a policy.

    Returns:
        The frontier, without optima.

    Raises:
        HandfulError: if there is no evaluation, two are of the same budget, or they cannot be
            compared.
    """
    ordered = sorted(evaluations, key=_budget)
    _check_alike(ordered)
    first = ordered[0]
    by_episode = [
        welfare_by_episode(_with_outside(one, outside), [one.assignment], welfare)[0][0]
        for one in ordered
    ]
    of_both = welfare if outside is None else with_outside(welfare, outside)
    points = tuple(
        Point(
            _budget(one),
            estimate(samples),
            tuple(users_per_policy(one.assignment, _budget(one)).tolist()),
        )
        for one, samples in zip(ordered, by_episode, strict=True)
    )
    steps = []
    for place in range(1, len(points)):
        fewer, more = points[place - 1].num_policies, points[place].num_policies
        gain = by_episode[place] - by_episode[place - 1]
        steps.append(Step(fewer, more, estimate(gain), estimate(gain / (more - fewer))))
    trained = JoinedReturns(tuple(one.deterministic.played for one in ordered))
    known = [trained] if candidates is None else [trained, candidates]
    levels = [(ceiling_of(played, of_both), played.shape[1]) for played in known]
    ceiling, chosen_from = max(levels, key=lambda level: level[0].value)
    return Frontier(
        points,
        tuple(steps),
        one_policy=Level(one_policy_of(trained, of_both), trained.shape[1]),
        ceiling=Level(ceiling, chosen_from),
        num_episodes=first.num_episodes,
        seed=first.seed,
        welfare_function=first.welfare_function,
    )


def estimate(samples: NumpyArray) -> Estimate:
    """Estimate a mean from samples [E], one for each of at least two episodes."""
    mean, stderr = mean_and_stderr(samples)
    reach = float(stderr) * float(stdtrit(len(samples) - 1, (1.0 + CONFIDENCE) / 2.0))
    return Estimate(float(mean), float(stderr), float(mean) - reach, float(mean) + reach)


def one_policy_of(played: Played, welfare: WelfareFn = utilitarian) -> Estimate:
    """Measure the best single policy for everybody by episodes that did not choose it."""
    parts = (EVEN, ODD)
    singles = welfare_of_single_policies(played, welfare, parts)
    best = [int(np.argmax(of_part.mean(axis=0))) for of_part in singles]
    return estimate(np.concatenate([singles[1][:, best[0]], singles[0][:, best[1]]]))


def ceiling_of(played: Played, welfare: WelfareFn = utilitarian) -> Estimate:
    """Measure everybody's best policy by episodes that did not choose it."""
    parts = (EVEN, ODD)
    num_users = played.shape[2]
    best = [np.empty(num_users, np.int64) for _ in parts]
    for users, returns in played.chunks():
        for chosen, part in zip(best, parts, strict=True):
            chosen[users] = returns[part].mean(axis=0).argmax(axis=0)
    by_even, by_odd = welfare_by_episode(played, best, welfare, parts)
    return estimate(np.concatenate([by_even[1], by_odd[0]]))


def _with_outside(evaluation: Evaluation, outside: NumpyArray | None) -> Played:
    """Return what policies earned, and the outside option as the last of them if there is one."""
    played = evaluation.deterministic.played
    return played if outside is None else WithOutside(played, outside)


def _budget(evaluation: Evaluation) -> int:
    return len(evaluation.deterministic.lengths)


def _check_alike(evaluations: Sequence[Evaluation]) -> None:
    """Raise HandfulError unless evaluations of several budgets can be compared."""
    if not evaluations:
        raise HandfulError("A frontier needs the results of at least one budget.")
    first = evaluations[0]
    for before, one in pairwise(evaluations):
        if _budget(before) == _budget(one):
            raise HandfulError(
                f"A frontier has one result for each budget, and two of these have "
                f"{count(_budget(one), 'policy')}: leave one out."
            )
        for what, mine, theirs in (
            ("users", len(first.assignment), len(one.assignment)),
            ("evaluation episodes", first.num_episodes, one.num_episodes),
            ("evaluation seeds", first.seed, one.seed),
            ("welfare functions", first.welfare_function, one.welfare_function),
        ):
            if mine != theirs:
                raise HandfulError(
                    f"The results of a frontier must be of the same problem and evaluation, and "
                    f"these have different {what}: {mine} with "
                    f"{count(_budget(first), 'policy')}, and {theirs} with "
                    f"{count(_budget(one), 'policy')}."
                )
