"""How fair a run is: welfare under every function, groups and policies, floors, and the price.

Everything here is of one and the same assignment, with likeliest actions. A user whom no policy
fits gets the outside option.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from handful.choice.floors import Floor
from handful.choice.pool import Pool
from handful.errors import HandfulError
from handful.report.run import Results, Run
from handful.report.wording import count, number
from handful.types import NumpyArray
from handful.welfare_functions import parse_welfare

MOST_GROUPS = 30
"""A column with more values than this groups nobody."""

MOST_POLICIES = 12
"""The most policies that have a column each in the table of groups and policies."""

MOST_LISTED = 20
"""The most users who are listed below their floor or outside option."""

_FUNCTIONS = (
    ("utilitarian", "the mean over users"),
    ("nash", "the geometric mean: ten per cent more count the same for everybody"),
    ("power:-2", "the power mean of exponent -2: those with little count still more"),
    ("gini", "the mean times one less the Gini coefficient"),
    ("cvar:0.1", "the mean of the worst served tenth"),
    ("egalitarian", "the worst served user"),
)

_OF_GROUPS = (
    ("groups:utilitarian", "the mean of the groups' means"),
    ("groups:nash", "the geometric mean of the groups' means"),
    ("groups:egalitarian", "the mean of the worst served group"),
)


class Table(NamedTuple):
    """A table of a page: the first cell of a row is its head."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Fairness(NamedTuple):
    """What the page says of fairness.

    Attributes:
        welfares: welfare under every function.
        groups: for each grouping, how many of a group each policy serves and how well.
        claims: users below their floors or outside options; empty if there are none of these.
        sentences: what holds and what the mean loses, in whole sentences.
    """

    welfares: Table
    groups: list[Table]
    claims: list[Table]
    sentences: list[str]


def fairness(run: Run, results: Results) -> Fairness:
    """Work out what the page says of fairness.

    Args:
        run: the run.
        results: its results.
    """
    claims = claims_of(run)
    utilities = served_utilities(run, results)
    groupings = _groupings(run, claims)
    sentences, tables = _claims(run, claims, results, utilities)
    return Fairness(
        _welfares(results, utilities, groupings),
        [_group_table(name, labels, results, utilities) for name, labels in groupings.items()],
        tables,
        [*sentences, *_price(results, utilities)],
    )


def claims_of(run: Run) -> Mapping[str, Any]:
    """Give the groups, outside options and floors that a run was trained with."""
    found = run.settings.get("claims")
    return found if isinstance(found, Mapping) else {}


def served_utilities(run: Run, results: Results) -> NumpyArray:
    """Give what each user gets, [N]: from a policy, or outside where no policy fits."""
    outside = claims_of(run).get("outside")
    if outside is None:
        return results.utilities
    return np.where(results.assignment < 0, _numbers(outside, len(run.users)), results.utilities)


def _numbers(values: Any, length: int) -> NumpyArray:
    try:
        return np.broadcast_to(np.asarray(values, float), (length,))
    except (TypeError, ValueError):
        raise HandfulError(
            f"The run's claims are damaged: there must be one number, or {length} of them."
        ) from None


def _groupings(run: Run, claims: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return the groups [N] that the run was trained with, or the labels that users share."""
    if claims.get("groups") is not None:
        return {"group": [str(label) for label in claims["groups"]]}
    found = {}
    for name, labels in run.labels.items():
        if 1 < len(set(labels)) <= min(MOST_GROUPS, len(labels) - 1):
            found[name] = labels
    return found


def _welfares(
    results: Results, utilities: NumpyArray, groupings: Mapping[str, Sequence[str]]
) -> Table:
    """Return welfare under every function, the run's own first."""
    rows = []
    own = results.record.get("welfare_function", "utilitarian")
    functions = [("", one) for one in _FUNCTIONS]
    functions += [(name, one) for name in groupings for one in _OF_GROUPS]
    for grouping, (name, words) in functions:
        function = parse_welfare(name)
        if grouping:
            labels = np.unique(np.array(groupings[grouping]), return_inverse=True)[1]
            function = function.bind(labels)  # type: ignore[attr-defined]
            words = f"{words}, by {grouping}"
        with np.errstate(all="ignore"):
            value = float(function.value(utilities))
        is_defined = np.isfinite(value) and not (
            name.endswith(("nash", "power:-2")) and value <= 0.0
        )
        mark = " (trained for)" if name == own and not grouping else ""
        said = number(value) if is_defined else "not defined: somebody gains nothing"
        rows.append((f"{name}{mark}", words, said))
    return Table(
        "Welfare of this assignment under each function", ("function", "what it is", "value"), rows
    )


def _group_table(
    name: str, labels: Sequence[str], results: Results, utilities: NumpyArray
) -> Table:
    """Return how many users of each group each policy serves, and how well."""
    groups, members = np.unique(np.array(labels), return_inverse=True)
    num_policies = len(results.returns)
    policies = list(range(num_policies)) if num_policies <= MOST_POLICIES else []
    has_unserved = bool((results.assignment < 0).any())
    header = (name, "users", "mean return", "lowest", *(f"policy {k}" for k in policies))
    rows = []
    means = [float(utilities[members == group].mean()) for group in range(len(groups))]
    for group in np.argsort(means, kind="stable"):
        own = members == group
        cells = [
            str(groups[group]) or "none",
            f"{int(own.sum()):,}",
            number(means[group]),
            number(utilities[own].min()),
        ]
        for policy in [*policies, *([-1] if has_unserved else [])]:
            some = own & (results.assignment == policy)
            mean = f" ({number(utilities[some].mean())})" if some.any() else ""
            cells.append(f"{int(some.sum()):,}{mean}")
        rows.append(tuple(cells))
    if has_unserved:
        header = (*header, "no policy")
    words = ", and in brackets their mean return" if policies or has_unserved else ""
    return Table(f"Users by {name} and policy{words}", header, rows)


def _claims(
    run: Run, claims: Mapping[str, Any], results: Results, utilities: NumpyArray
) -> tuple[list[str], list[Table]]:
    """Return what holds of floors and outside options, and who is below."""
    sentences, tables = [], []
    num_users = len(run.users)
    if claims.get("outside") is not None:
        outside = _numbers(claims["outside"], num_users)
        unserved = int((results.assignment < 0).sum())
        below = np.flatnonzero(utilities < outside)
        sentences.append(
            f"Every user has an outside option. No policy fits {count(unserved, 'user')}, who keep "
            f"it, and {count(len(below), 'user')} with a policy {_get(below)} less than it."
        )
        if len(below):
            tables.append(_below("their outside option", run, below, utilities, outside))
    pool = Pool.of(utilities[None], groups=claims.get("groups"))
    for given in claims.get("floors") or ():
        try:
            floor = Floor(**given)
        except TypeError:
            raise HandfulError("The run's claims are damaged: a floor is not readable.") from None
        levels, misses = floor.levels(pool), floor.misses(pool, utilities)
        if floor.of == "everyone":
            users = np.array([miss.number for miss in misses], int)
            sentences.append(
                f"{count(len(users), 'user')} of {num_users:,} {_get(users)} less than the floor."
                if misses
                else f"Every user gets at least the floor ({_range(levels)})."
            )
            if misses:
                tables.append(_below("their floor", run, users, utilities, levels))
        elif floor.of == "groups":
            sentences += [
                f"The mean of group {pool.group_names[miss.number]} is {number(miss.short)} below "
                f"its floor of {number(levels[miss.number])}."
                for miss in misses
            ] or [f"The mean of every group is at least its floor ({_range(levels)})."]
        else:
            parts = floor.parts(pool)
            sentences += [
                f"Of {parts[miss.number][0]}, {count(int(miss.short), 'user')} too few get at "
                f"least {_range(levels)}, which {100 * floor.share:g} % must get."
                for miss in misses
            ] or [f"At least {100 * floor.share:g} % of the users get {_range(levels)} or more."]
    return [*sentences, *_judged_longer(results)], tables


def _judged_longer(results: Results) -> list[str]:
    """Return what more episodes than those of the evaluation say of floors, if any were played."""
    found = []
    for floor in results.record.get("floors") or ():
        episodes = floor.get("episodes", 0)
        if episodes > results.record.get("num_episodes", episodes):
            found.append(f"By {episodes:,} further episodes a policy: {floor['sentence']}")
    return found


def _get(users: NumpyArray) -> str:
    return "gets" if len(users) == 1 else "get"


def _range(levels: NumpyArray) -> str:
    low, high = float(levels.min()), float(levels.max())
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _below(
    what: str, run: Run, users: NumpyArray, utilities: NumpyArray, levels: NumpyArray
) -> Table:
    """Return a table of the users who get less than they must, the shortest first."""
    short = levels - utilities
    listed = users[np.argsort(-short[users], kind="stable")][:MOST_LISTED]
    more = f", the {MOST_LISTED} who miss it by most" if len(users) > MOST_LISTED else ""
    rows = [
        (run.users[i], *(number(float(one[i])) for one in (utilities, levels, short)))
        for i in listed
    ]
    return Table(
        f"Users below {what}{more}", ("user", "mean return", "must be at least", "short by"), rows
    )


def _price(results: Results, utilities: NumpyArray) -> list[str]:
    """Say what the mean loses beside the assignment of the same policies that is best for it."""
    if len(results.shown) < len(results.utilities):
        return []
    best = np.maximum(results.returns.max(axis=0), utilities)
    lost, top = float((best - utilities).mean()), float(best.mean())
    if lost <= 1e-9 * max(abs(top), 1.0):
        return [
            "The price of fairness is 0: every user has the policy that earns them most, so no "
            "other assignment of these policies has a higher mean."
        ]
    share = f" ({100 * lost / abs(top):.1f} %)" if top else ""
    return [
        f"The price of fairness: with the policy that earns each user most, the mean of these "
        f"policies would be {number(top)}, and this assignment has {number(lost)} less{share}. "
        f"The best policies were picked on the episodes that measure them, which flatters them."
    ]
