"""``handful.choose``: the best few policies of a pool under any welfare function.

Every user is served by the best chosen policy, or by the outside option where this is better: for
every welfare that does not fall if a user earns more, no other assignment is better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handful._support.checks import brief
from handful.choice.concave import choose_concave
from handful.choice.egalitarian import choose_leximin, most_for_the_worst
from handful.choice.floors import Floor, Miss, checked_floors
from handful.choice.found import PROVEN, Found
from handful.choice.infeasible import check_floors
from handful.choice.large import choose_large, is_large
from handful.choice.places import choose_by_places
from handful.choice.pool import Pool
from handful.choice.portfolio import NAME as PORTFOLIO
from handful.choice.portfolio import exponent_grid, ratios, share_of
from handful.choice.separable import choose_separable
from handful.errors import HandfulError
from handful.welfare import WELFARES, find_welfare, load_welfare
from handful.welfare_functions import (
    FAMILIES,
    GroupWelfare,
    OwnWelfare,
    PlaceWelfare,
    PowerMean,
    Welfare,
    parse_welfare,
)

NOBODY = -1
"""The assignment of a user whom no chosen policy serves better than the outside option."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The chosen policies, who gets which, and the proof.

    Attributes:
        policies: the rows of the chosen policies, ascending, [K']; each serves somebody.
        assignment: the row of each user's policy [N], or -1 where the outside option is better
            than all that are chosen: "no policy fits".
        utilities: what each user gets, with the outside options, [N].
        welfare: the welfare of these.
        upper_bound: a number that the welfare of no choice within the budget exceeds.
        welfare_function: the name of the welfare function.
        price: what the policies cost, or how many they are.
        misses: the floors that are not reached; empty, as choices meet all floors.
        is_proven: whether the bound and the welfare are equal up to rounding.
        mean: the mean of the utilities with the users' weights, beside the welfare.
        group_means: the mean of each group, by its name.
    """

    policies: np.ndarray
    assignment: np.ndarray
    utilities: np.ndarray
    welfare: float
    upper_bound: float
    welfare_function: str
    price: float
    misses: tuple[Miss, ...]
    is_proven: bool
    mean: float
    group_means: dict[str, float]

    @property
    def gap(self) -> float:
        """How far the bound lies above the welfare."""
        return self.upper_bound - self.welfare

    @property
    def num_unserved(self) -> int:
        """How many users no chosen policy fits."""
        return int((self.assignment == NOBODY).sum())

    def record(self) -> dict[str, Any]:
        """Return everything in the types that JSON has."""
        return {
            "policies": self.policies.tolist(),
            "assignment": self.assignment.tolist(),
            "utilities": self.utilities.tolist(),
            "welfare_function": self.welfare_function,
            "welfare": self.welfare,
            "upper_bound": self.upper_bound,
            "gap": self.gap,
            "is_proven": self.is_proven,
            "mean": self.mean,
            "price": self.price,
            "num_unserved": self.num_unserved,
            "group_means": self.group_means,
        }


def choose(
    returns: Any,
    k: int | None = None,
    *,
    welfare: Any = "utilitarian",
    floors: Any = None,
    groups: Sequence[Any] | np.ndarray | None = None,
    weights: Any = None,
    costs: Any = None,
    budget: float | None = None,
    outside: Any = None,
    seconds: float = 60.0,
) -> Selection:
    """Choose at most k policies of a pool, or those that a budget pays for.

    Args:
        returns: the expected return of each of M policies for each of N users, [M, N].
        k: how many policies may be chosen; not beside a budget.
        welfare: a name such as ``nash`` (:func:`handful.parse_welfare`), an object, or a function
            of ``jax.numpy`` of the caller's own, which must be concave for the bound to hold.
            ``portfolio`` chooses for all power means at once (:mod:`handful.choice.portfolio`): in
            the result, exponents are in the place of users, and ratios in that of returns.
        floors: what users must get at least: a number, one for each user, or
            :class:`handful.Floor` objects.
        groups: the group of each user [N].
        weights: how much each user counts [N]; None if all count the same.
        costs: what each policy costs [M], for a budget.
        budget: how much money there is, in the unit of the costs.
        outside: what each user gets without us: a number or [N]. Nobody is assigned to a policy
            that is worse, and the welfare and the floors count it.
        seconds: about how long to look for a proof; after that the gap is stated.

    Returns:
        the choice, with its bound.

    Raises:
        FloorsNotMet: if no choice meets the floors; it says which users make it so and the
            smallest k that would do.
        HandfulError: if an argument is wrong, or the welfare is not defined for any choice.
    """
    pool = Pool.of(returns, outside=outside, weights=weights, groups=groups, costs=costs)
    if isinstance(welfare, str) and welfare.partition(":")[0] == PORTFOLIO:
        if any(given is not None for given in (floors, groups, weights, outside)):
            raise HandfulError(
                "A portfolio of welfare functions takes no floors, groups, weights or outside "
                "options: it is one policy for everybody under each of the functions."
            )
        shares = ratios(pool.returns, exponent_grid(pool.num_users, share_of(welfare)))
        exponents = Pool.of(shares, costs=costs)
        found = most_for_the_worst(exponents, most_of(pool, k, budget), (), seconds)
        made = _selection(exponents, PowerMean(-math.inf), (), found)
        return replace(made, welfare_function=welfare)
    return choose_from(
        pool, most_of(pool, k, budget), welfare, checked_floors(floors, pool), seconds
    )


def choose_each(
    returns: Any, budgets: Iterable[int], *, seconds: float = 60.0, **settings: Any
) -> dict[int, Selection]:
    """Choose for several numbers of policies, :func:`choose` for each.

    Args:
        returns: the returns [M, N].
        budgets: the numbers of policies.
        seconds: about how long to look for each proof.
        settings: what :func:`choose` takes besides.

    Returns:
        the choice for each number.
    """
    return {k: choose(returns, k, seconds=seconds, **settings) for k in sorted(set(budgets))}


def choose_from(
    pool: Pool, most: float, welfare: Any, floors: tuple[Floor, ...], seconds: float
) -> Selection:
    """Choose from a pool that is checked; see :func:`choose`.

    Args:
        pool: the pool.
        most: how many policies, or how much money.
        welfare: the welfare function in any form.
        floors: the floors, checked.
        seconds: about how long to look for a proof.
    """
    function = bound_welfare(welfare, pool)
    deadline = time.monotonic() + seconds
    start = check_floors(pool, most, floors, seconds) if floors else None
    left = max(deadline - time.monotonic(), 0.1)
    is_worst = isinstance(function, PowerMean) and function.exponent == -math.inf
    if is_large(pool, covers_only=is_worst and not floors):
        found = choose_large(pool, function, most, floors, left, start)
    elif is_worst:
        found = choose_leximin(pool, most, floors, left)
    elif isinstance(function, PowerMean):
        found = choose_separable(pool, function, most, floors, left)
    elif isinstance(function, PlaceWelfare):
        found = choose_by_places(pool, function, most, floors, left, start)
    else:
        found = choose_concave(pool, function, most, floors, left)
    if found.rows is None and start is not None:
        found = Found(start, found.bound)
    if found.rows is None:
        raise HandfulError(
            f"No choice was found in {seconds:g} seconds: allow more seconds, or make the pool "
            f"smaller."
        )
    return _selection(pool, function, floors, found)


def bound_welfare(welfare: Any, pool: Pool) -> Welfare:
    """Give the welfare function that a caller means, bound to the pool's groups.

    Args:
        welfare: an object, a name, ``module:function``, or a function.
        pool: the pool.

    Raises:
        HandfulError: if there is no such function, or it needs groups that there are not.
    """
    if isinstance(welfare, str):
        family = welfare.partition("@")[0].partition(":")[0]
        if family not in FAMILIES and (":" in welfare or welfare in WELFARES):
            load_welfare(welfare)
            welfare = OwnWelfare(find_welfare(welfare), welfare)
        else:
            welfare = parse_welfare(welfare)
    elif not isinstance(welfare, Welfare):
        if not callable(welfare):
            raise HandfulError(
                f"The welfare must be a name, an object or a function, not {brief(welfare)}."
            )
        named = getattr(welfare, "__name__", "own")
        is_mean = welfare is WELFARES["utilitarian"]
        welfare = PowerMean(1.0) if is_mean else OwnWelfare(welfare, named)
    if isinstance(welfare, GroupWelfare) and not welfare.labels:
        if pool.groups is None:
            welfare.averages()
        else:
            welfare = welfare.bind(pool.groups)
    return welfare


def most_of(pool: Pool, k: int | None, budget: float | None) -> float:
    """Give how many policies or how much money there is.

    Args:
        pool: the pool.
        k: how many policies may be chosen.
        budget: how much money there is, if policies cost money.

    Raises:
        HandfulError: if both or neither is given, or one does not fit.
    """
    if (k is None) == (budget is None):
        raise HandfulError("Give either how many policies may be chosen or a budget in money.")
    if k is not None:
        if isinstance(k, bool) or int(k) != k or k < 1:
            raise HandfulError(f"The number of policies must be at least 1, not {brief(k)}.")
        if pool.costs is not None:
            raise HandfulError("Policies that cost money are chosen for a budget in place of k.")
        return float(k)
    if pool.costs is None:
        raise HandfulError("A budget in money needs the cost of each policy: give costs=.")
    if not math.isfinite(float(budget)):  # type: ignore[arg-type]
        raise HandfulError("The budget must be a finite number.")
    if pool.outside is None and budget < pool.costs.min():  # type: ignore[operator]
        raise HandfulError(
            f"The budget of {budget:g} pays for no policy: the cheapest costs {pool.costs.min():g}."
        )
    return float(budget)  # type: ignore[arg-type]


def assignment_of(pool: Pool, rows: np.ndarray) -> np.ndarray:
    """Give the row of each user's best chosen policy, or -1 where the outside option is better.

    Args:
        pool: the pool.
        rows: the rows of the chosen policies, ascending, [K].
    """
    rows = np.sort(np.asarray(rows, np.int64))
    if len(rows) == 0:
        return np.full(pool.num_users, NOBODY)
    assignment = rows[pool.returns[rows].argmax(axis=0)]
    if pool.outside is None:
        return assignment
    earned = pool.returns[assignment, np.arange(pool.num_users)]
    return np.where(earned < pool.outside, NOBODY, assignment)


def _selection(pool: Pool, welfare: Welfare, floors: tuple[Floor, ...], found: Found) -> Selection:
    """Assign the users, leave out policies that serve nobody, and state the proof."""
    rows = np.sort(np.asarray(found.rows, np.int64))
    assignment = assignment_of(pool, rows)
    utilities = pool.utilities(rows)
    policies = np.unique(assignment[assignment != NOBODY])
    value = float(welfare.value(utilities, pool.shares))
    bound = max(min(found.bound, float(welfare.value(pool.lifted.max(axis=0), pool.shares))), value)
    groups = {
        name: float(np.average(utilities[pool.groups == g], weights=pool.shares[pool.groups == g]))
        for g, name in enumerate(pool.group_names)
    }
    return Selection(
        policies=policies,
        assignment=assignment,
        utilities=utilities,
        welfare=value,
        upper_bound=bound,
        welfare_function=welfare.name,
        price=pool.price(policies),
        misses=tuple(miss for floor in floors for miss in floor.misses(pool, utilities)),
        is_proven=bool(bound - value <= PROVEN * (float(np.ptp(pool.lifted)) or 1.0)),
        mean=float(pool.shares @ utilities),
        group_means=groups,
    )
