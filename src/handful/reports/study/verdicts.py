"""Verdicts on claims.

Means over seeds are compared by 95 % confidence intervals after Student, as two or three seeds have
far less to say than their standard error alone suggests. What such an interval does not settle is
"undecided", and one seed settles nothing.
"""

from collections.abc import Iterable

import numpy as np

from handful.reports.statistics import Estimate, difference_interval, mean_interval
from handful.reports.study.assignments import Served
from handful.reports.study.cell import Cell

YES, NO, PARTLY, UNDECIDED = "reproduced", "not reproduced", "partly", "undecided"
NOT_RUN = "not yet run"
BY_CONSTRUCTION = "so by construction"
"""Of what the paper sets instead of measuring."""


def difference_of(one: Cell, other: Cell) -> Estimate | None:
    """Of the first cell's welfare less the other's.

    Where seeds draw users, runs are compared seed by seed, if two or more are in both.
    """
    changes = np.array(one.changes_from(other, "welfare"))
    if one.draws_users and other.draws_users and len(changes) > 1:
        return mean_interval(changes)
    return difference_interval(one.welfare, other.welfare)


def against(cell: Cell, threshold: float) -> str:
    """Whether a mean is above a number."""
    return is_above(mean_interval(cell.welfare), threshold)


def is_higher(one: Cell, other: Cell) -> str:
    """Whether one mean is above the other."""
    return is_above(difference_of(one, other), 0.0)


def is_alike(one: Cell, other: Cell, margin: float) -> str:
    """Whether two means differ by no more than a margin."""
    found = difference_of(one, other)
    if found is None:
        return UNDECIDED
    if -margin <= found.low and found.high <= margin:
        return YES
    return NO if found.low > margin or found.high < -margin else UNDECIDED


def is_above(interval: Estimate | None, threshold: float) -> str:
    """Whether what an interval is of is above a number."""
    if interval is None:
        return UNDECIDED
    return YES if interval.low > threshold else NO if interval.high < threshold else UNDECIDED


def overall(
    verdicts: Iterable[str],
    asked: int | None = None,
    so_far: str = "as far as it was run",
    nothing: str = NOT_RUN,
) -> str:
    """One verdict of several; of those that hold in part, how many do.

    Args:
        asked: how many there would be if everything were there; how many there are is said then.
        so_far: what is said before that.
        nothing: what is said if there are none.
    """
    found = list(verdicts)
    if not found:
        return nothing
    if len(set(found)) == 1:
        verdict = found[0]
    elif YES in found:
        verdict = f"{PARTLY} ({found.count(YES)} of {len(found)})"
    else:
        verdict = UNDECIDED if UNDECIDED in found else NO
    if asked in (None, len(found)):
        return verdict
    return f"{verdict}, {so_far} ({len(found)} of {asked})"


def explained(one: Served) -> float:
    """The share of the targets' variance that lies between the policies' groups, 0 to 1."""
    means = np.array([one.targets[one.assignment == j].mean() for j in np.unique(one.assignment)])
    group = np.unique(one.assignment, return_inverse=True)[1]
    return float(np.var(means[group]) / np.var(one.targets))


def largest_share(one: Served) -> float:
    """The largest group's share of all users."""
    return float(np.bincount(one.assignment).max() / len(one.assignment))


def slow_outside(one: Served) -> float | None:
    """Of the users outside the largest group, the share who want less than most users do.

    None where nobody is outside it.
    """
    outside = one.targets[one.assignment != np.bincount(one.assignment).argmax()]
    return float(np.mean(outside < np.median(one.targets))) if len(outside) else None


def fastest_together(one: Served) -> float:
    """Of the fastest tenth of users, the share on the policy that serves most of them."""
    fastest = one.assignment[np.argsort(one.targets)[-max(1, len(one.targets) // 10) :]]
    return float(np.bincount(fastest).max() / len(fastest))
