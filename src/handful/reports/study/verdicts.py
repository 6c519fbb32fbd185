"""Verdicts on claims.

Differences between means over seeds count from two standard errors of the difference on; below
that the verdict is "undecided". A mean above a number is above it, as the paper's own statements
are of means; one that is less than two standard errors below it is undecided.
"""

from collections.abc import Iterable

import numpy as np

from handful.reports.study.assignments import Served
from handful.reports.study.collection import Cell

YES, NO, PARTLY, UNDECIDED = "reproduced", "not reproduced", "partly", "undecided"
NOT_RUN = "not yet run"

ERRORS = 2.0
"""Standard errors that a difference must have."""


def against(cell: Cell, threshold: float) -> str:
    """Whether a mean is above a number."""
    if cell.mean > threshold:
        return YES
    return UNDECIDED if cell.mean + ERRORS * (cell.stderr or 0.0) > threshold else NO


def is_higher(one: Cell, other: Cell) -> str:
    """Whether one mean is above the other; one seed of either decides nothing."""
    if one.stderr is None or other.stderr is None:
        return UNDECIDED
    error = ERRORS * float(np.hypot(one.stderr, other.stderr))
    difference = one.mean - other.mean
    return YES if difference > error else NO if difference < -error else UNDECIDED


def is_alike(one: Cell, other: Cell) -> str:
    """Whether no difference between two means counts; one seed of either decides nothing."""
    if one.stderr is None or other.stderr is None:
        return UNDECIDED
    return YES if is_higher(one, other) == UNDECIDED else NO


def overall(verdicts: Iterable[str], is_complete: bool = True) -> str:
    """One verdict of several; what was not run is said, too."""
    found = list(verdicts)
    if not found:
        return NOT_RUN
    if len(set(found)) == 1:
        verdict = found[0]
    else:
        verdict = PARTLY if YES in found else UNDECIDED if UNDECIDED in found else NO
    return verdict if is_complete else f"{verdict}, as far as it was run"


def explained(one: Served) -> float:
    """The share of the targets' variance that lies between the policies' groups, 0 to 1."""
    means = np.array([one.targets[one.assignment == j].mean() for j in np.unique(one.assignment)])
    group = np.unique(one.assignment, return_inverse=True)[1]
    return float(np.var(means[group]) / np.var(one.targets))


def largest_share(one: Served) -> float:
    """The largest group's share of all users."""
    return float(np.bincount(one.assignment).max() / len(one.assignment))


def fastest_together(one: Served) -> float:
    """Of the fastest tenth of users, the share on the policy that serves most of them."""
    fastest = one.assignment[np.argsort(one.targets)[-max(1, len(one.targets) // 10) :]]
    return float(np.bincount(fastest).max() / len(fastest))
