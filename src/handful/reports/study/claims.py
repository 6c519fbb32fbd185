"""The claims of the paper's section 4, each held against our numbers by a stated rule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np

from handful.reports.study.assignments import Served, served_by_target
from handful.reports.study.collection import BUDGET, Cell, Collection
from handful.reports.study.figures import GRID_TASK, ROBOTS
from handful.reports.study.tables import Table, plus_minus
from handful.reports.study.verdicts import (
    NO,
    NOT_RUN,
    PARTLY,
    YES,
    against,
    explained,
    fastest_together,
    is_alike,
    is_higher,
    largest_share,
    overall,
)
from handful.reports.study.walks import walked_maps
from handful.reports.words import number, task_title

FLAT = 5.0
"""Points of welfare within which it counts as largely unchanged."""

OURS, BASELINES = ("em", "end-to-end"), ("cluster", "random")
_MIDDLE = (2, 3, 5, 10)
"""Budgets between one policy and one for each of the 25 users."""


@dataclass(frozen=True)
class Finding:
    """What our runs say of a claim: in numbers, and the verdict."""

    numbers: str
    verdict: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        section: of the paper.
        text: what it says.
        rule: when it counts as reproduced.
        judge: holds it against the runs.
    """

    section: str
    text: str
    rule: str
    judge: Callable[[Collection], Finding]


def claims_table(collection: Collection) -> Table:
    """A row a claim."""
    rows = []
    for claim in CLAIMS:
        found = claim.judge(collection)
        rows.append([claim.section, claim.text, claim.rule, found.numbers, found.verdict])
    return Table(
        "The paper's claims",
        "Numbers are means ± standard errors over seeds.",
        ("section", "claim", "counts as reproduced if", "ours", "verdict"),
        rows,
    )


def _above(policies: int, threshold: float) -> Callable[[Collection], Finding]:
    def judge(collection: Collection) -> Finding:
        cells = [collection.one(GRID_TASK, label, policies) for label in OURS]
        run = [cell for cell in cells if cell is not None]
        return Finding(
            "; ".join(map(_shown, run)) or "–",
            overall((against(cell, threshold) for cell in run), len(run) == len(OURS)),
        )

    return judge


def _same_at_the_ends(collection: Collection) -> Finding:
    words, verdicts, complete = [], [], True
    for policies in (1, 25):
        cells = [
            cell
            for label in (*OURS, "cluster")
            if (cell := _of_several_seeds(collection, GRID_TASK, label, policies))
        ]
        complete &= len(cells) == 3
        words += [f"k = {policies}: " + "; ".join(map(_shown, cells))] if cells else []
        verdicts += [is_alike(one, other) for one, other in combinations(cells, 2)]
    return Finding(". ".join(words) or "–", overall(verdicts, complete))


def _similar(collection: Collection) -> Finding:
    words, verdicts = [], []
    for policies in _MIDDLE:
        pair = [_of_several_seeds(collection, GRID_TASK, label, policies) for label in OURS]
        one, other = pair
        if one and other:
            words.append(f"k = {policies}: " + "; ".join(map(_shown, (one, other))))
            is_close = abs(one.mean - other.mean) < 1
            verdicts.append(YES if is_close else is_alike(one, other))
    return Finding(". ".join(words) or "–", overall(verdicts, len(verdicts) == len(_MIDDLE)))


def _optimum(collection: Collection) -> Finding:
    optima = {
        cell.optimum
        for cell in collection.of(GRID_TASK, policies=25)
        if cell.optimum is not None and cell.optimum_kind == "exact"
    }
    if not optima:
        return Finding("–", NOT_RUN)
    optimum = optima.pop()
    return Finding(f"{number(optimum)} (exact)", YES if round(optimum, 1) == 93.6 else NO)


def _divides_the_map(collection: Collection) -> Finding:
    maps = [one for one in walked_maps(collection, GRID_TASK) if one.policies in (1, 2, 3, 5)]
    if not maps:
        return Finding("–", NOT_RUN)
    tiles = len(maps[0].grid.open_tiles)
    words = "; ".join(
        f"k = {m.policies}: {len(m.visited)} of {tiles} tiles, {number(m.mean_length)} steps"
        for m in maps
    )
    falls = all(a.mean_length > b.mean_length for a, b in pairwise(maps))
    verdicts = [YES if len(one.visited) == tiles else NO for one in maps]
    return Finding(words, overall([*verdicts, YES if falls else NO], len(maps) == 4))


def _cluster_is_flat(collection: Collection) -> Finding:
    budgets = (1, *_MIDDLE)
    cells = [c for k in budgets if (c := collection.one(GRID_TASK, "cluster", k))]
    words = "; ".join(
        f"k = {cell.policies}: {plus_minus(cell.mean, cell.stderr)}" for cell in cells
    )
    if len(cells) < 2:
        return Finding(words or "–", NOT_RUN)
    means = [cell.mean for cell in cells]
    verdict = YES if max(means) - min(means) <= FLAT else NO
    return Finding(words, overall([verdict], len(cells) == len(budgets)))


def _one_policy_for_all(collection: Collection) -> Finding:
    cell = collection.one(GRID_TASK, "em", 1)
    if cell is None:
        return Finding("–", NOT_RUN)
    equal = np.isclose(cell.worst, cell.welfare, atol=0.01)
    words = f"every user earns the same in {equal.sum()} of {len(equal)} seeds"
    return Finding(words, YES if equal.all() else PARTLY if equal.mean() >= 0.5 else NO)


def _higher(
    winners: Sequence[str], losers: Sequence[str], tasks: Sequence[str]
) -> Callable[[Collection], Finding]:
    """Whether each of some methods is above each of others, wherever both were run.

    The paper has one budget for its robots, and others besides are ours.
    """
    pairs = list(product(winners, losers))

    def judge(collection: Collection) -> Finding:
        words, verdicts, complete = [], [], True
        for task in tasks:
            budgets = _MIDDLE if task == GRID_TASK else (2, 5, 10, 50)
            for k in budgets:
                shown, compared = {}, 0
                for names in pairs:
                    one, other = (_of_several_seeds(collection, task, name, k) for name in names)
                    if one and other:
                        verdicts.append(is_higher(one, other))
                        shown |= dict(zip(names, (one, other), strict=True))
                        compared += 1
                if shown:
                    where = f"k = {k}" if len(tasks) == 1 else f"{task_title(task)}, k = {k}"
                    words.append(f"{where}: " + "; ".join(map(_shown, shown.values())))
                if task == GRID_TASK or k == BUDGET:
                    complete &= compared == len(pairs)
        return Finding(". ".join(words) or "–", overall(verdicts, complete))

    return judge


def _of_groups(
    labels: Sequence[str], measure: Callable[[Served], float], unit: str, low: float, high: float
) -> Callable[[Collection], Finding]:
    """Whether a measure of who is served by whom is within limits: HalfCheetah's runs, k = 5."""

    def judge(collection: Collection) -> Finding:
        words, verdicts = [], []
        for label in labels:
            cell = collection.one(ROBOTS[0], label, BUDGET)
            runs = served_by_target(collection, cell) if cell else []
            if runs:
                values = [measure(one) for one in runs]
                words.append(f"{label}: {', '.join(number(value) for value in values)} {unit}")
                verdicts += [YES if low <= value <= high else NO for value in values]
        return Finding("; ".join(words) or "–", overall(verdicts, len(words) == len(labels)))

    return judge


def _of_several_seeds(collection: Collection, task: str, label: str, policies: int) -> Cell | None:
    """The cell if it has two seeds or more: one alone has no error, and decides nothing."""
    cell = collection.one(task, label, policies)
    return cell if cell is not None and len(cell.seeds) > 1 else None


def _shown(cell: Cell) -> str:
    return f"{cell.label} {plus_minus(cell.mean, cell.stderr)}"


CLAIMS = (
    Claim(
        "4.1",
        "With k = 1 and k = n all algorithms are the same: there is nothing to assign.",
        "no two means differ by two standard errors",
        _same_at_the_ends,
    ),
    Claim(
        "4.1",
        "For k in between, EM and end-to-end perform similarly.",
        "their means are within 1 or within two standard errors, at every k",
        _similar,
    ),
    Claim("4.1", "The optimum for k = 25 is 93.6.", "the exact optimum rounds to it", _optimum),
    Claim("4.1", "Both exceed 90 with k = 10.", "both means do", _above(10, 90.0)),
    Claim("4.1", "Both exceed 85 with k = 3.", "both means do", _above(3, 85.0)),
    Claim(
        "4.1",
        "The policies divide the map: each tile is visited, and walks get shorter (figure 1).",
        "all tiles are, and the mean length falls with k = 1, 2, 3, 5 (EM, one seed)",
        _divides_the_map,
    ),
    Claim(
        "4.1",
        "Clustering stays largely unchanged, whatever k is.",
        f"its means for k = 1 to 10 are within {FLAT:g} of each other",
        _cluster_is_flat,
    ),
    Claim(
        "4.1",
        "The one policy for all visits every tile, so that all users earn the same.",
        "worst user and mean are the same in every seed (EM, k = 1)",
        _one_policy_for_all,
    ),
    Claim(
        "4.1",
        "EM and end-to-end are better than clustering.",
        "by two standard errors for k = 2, 3, 5, 10",
        _higher(OURS, ("cluster",), (GRID_TASK,)),
    ),
    Claim(
        "4.2",
        "EM and end-to-end outperform the random assignment on all robots.",
        "by two standard errors, at every k",
        _higher(OURS, ("random",), ROBOTS),
    ),
    Claim(
        "4.2",
        "Clustering improves on the random assignment.",
        "by two standard errors, at every k",
        _higher(("cluster",), ("random",), ROBOTS),
    ),
    Claim(
        "4.2",
        "EM and end-to-end outperform clustering, but on Ant.",
        "by two standard errors on the three other robots, at every k",
        _higher(OURS, ("cluster",), ROBOTS[:3]),
    ),
    Claim(
        "4.2",
        "EM and end-to-end group users of similar target velocities (figure 4).",
        "groups explain 80 % of the targets' variance or more (HalfCheetah, k = 5)",
        _of_groups(OURS, explained, "of the variance", 0.8, 1.0),
    ),
    Claim(
        "4.2",
        "Their groups are relatively balanced.",
        "the largest has at most 40 % of the users (HalfCheetah, k = 5)",
        _of_groups(OURS, largest_share, "of all users", 0.0, 0.4),
    ),
    Claim(
        "4.2",
        "End-to-end does not give the fastest users to any single policy.",
        "of the fastest tenth, at most 80 % share a policy (HalfCheetah, k = 5)",
        _of_groups(("end-to-end",), fastest_together, "of the fastest tenth", 0.0, 0.8),
    ),
    Claim(
        "4.2",
        "Clustering lumps the majority into one group.",
        "the largest has more than half of the users (HalfCheetah, k = 5)",
        _of_groups(("cluster",), largest_share, "of all users", 0.5, 1.0),
    ),
)
