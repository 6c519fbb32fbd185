"""How claims are held against runs: what each asks for, in functions that the claims share.

Verdicts on claims.

Means over seeds are compared by 95 % confidence intervals after Student, as two or three seeds have
far less to say than their standard error alone suggests. What such an interval does not settle is
"undecided", and one seed settles nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from typing import TypeVar

import numpy as np

from handful.domains.resource_gathering.pictures import walked_maps
from handful.domains.speeds.pictures import Served, served_by_target
from handful.report.statistics import Estimate, difference_interval, mean_interval
from handful.report.study.collection import Cell, Collection
from handful.report.study.tables import plus_minus, varied
from handful.report.wording import number, task_title
from studies.paper.experiments import BUDGET

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


T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """What our runs say of a claim.

    Attributes:
        numbers: what was compared, in words.
        verdicts: on each comparison that could be made.
        asked: how many the claim is about.
    """

    numbers: str
    verdicts: Sequence[str]
    asked: int

    @property
    def verdict(self) -> str:
        """On the claim."""
        return overall(self.verdicts, self.asked)

    def verdict_by_curves(self, of_all_runs: "Finding") -> str:
        """The same where comparisons are lacking whose runs are there, but not their curves."""
        if len(self.verdicts) == len(of_all_runs.verdicts):
            return self.verdict
        return overall(
            self.verdicts, self.asked, "as far as curves were kept", "no curves were kept"
        )


Judge = Callable[[Collection], Finding]


def exceed(task: str, labels: Sequence[str], policies: int, threshold: float) -> Judge:
    """Whether each method's mean is above a number."""

    def judge(collection: Collection) -> Finding:
        run = _cells(collection, task, labels, policies)
        verdicts = [against(cell, threshold) for cell in run]
        return _finding("; ".join(map(_shown, run)), verdicts, len(labels))

    return judge


def alike(task: str, labels: Sequence[str], budgets: Sequence[int], margin: float) -> Judge:
    """Whether any two methods' means differ by no more than a margin, at every budget."""

    def judge(collection: Collection) -> Finding:
        words, verdicts = [], []
        for k in budgets:
            cells = _of_several_seeds(collection, task, labels, k)
            words += [f"k = {k}: " + "; ".join(map(_shown, cells))] if len(cells) > 1 else []
            verdicts += [is_alike(*pair, margin) for pair in combinations(cells, 2)]
        asked = len(budgets) * len(list(combinations(labels, 2)))
        return _finding(". ".join(words), verdicts, asked)

    return judge


def set_equal(task: str, labels: Sequence[str], policies: int) -> Judge:
    """What the methods have where the paper sets all of them equal."""

    def judge(collection: Collection) -> Finding:
        cells = _cells(collection, task, labels, policies)
        verdicts = [BY_CONSTRUCTION] if cells else []
        return _finding("; ".join(map(_shown, cells)), verdicts, 1)

    return judge


def optimum_is(task: str, policies: int, value: float) -> Judge:
    """Whether the exact optimum rounds to a number with one decimal."""

    def judge(collection: Collection) -> Finding:
        for cell in collection.of(task, policies=policies):
            if cell.optimum is not None and cell.optimum_kind == "exact":
                verdict = YES if round(cell.optimum, 1) == value else NO
                return _finding(f"{number(cell.optimum)} (exact)", [verdict], 1)
        return _finding("", [], 1)

    return judge


def divides_the_map(task: str, budgets: Sequence[int]) -> Judge:
    """Whether each tile is on a walk at every budget, and walks get shorter with it."""

    def judge(collection: Collection) -> Finding:
        maps = {one.policies: one for one in walked_maps(collection, task)}
        shown = [maps[k] for k in budgets if k in maps]
        steps = [(maps[a], maps[b]) for a, b in pairwise(budgets) if a in maps and b in maps]
        words = "; ".join(
            f"k = {one.policies}: {len(one.visited)} of {len(one.grid.open_tiles)} tiles, "
            f"{number(one.mean_length)} steps"
            for one in shown
        )
        verdicts = [YES if len(m.visited) == len(m.grid.open_tiles) else NO for m in shown]
        verdicts += [YES if more.mean_length < fewer.mean_length else NO for fewer, more in steps]
        return _finding(words, verdicts, 2 * len(budgets) - 1)

    return judge


def flat(task: str, label: str, budgets: Sequence[int], margin: float) -> Judge:
    """Whether a method's means at all budgets are within so much of each other."""

    def judge(collection: Collection) -> Finding:
        found = [_of_several_seeds(collection, task, (label,), k) for k in budgets]
        cells = [cell for cells in found for cell in cells]
        words = "; ".join(f"k = {c.policies}: {plus_minus(c.mean, c.stderr)}" for c in cells)
        verdicts = [is_alike(*pair, margin) for pair in combinations(cells, 2)]
        asked = len(list(combinations(budgets, 2)))
        return _finding(words, verdicts, asked)

    return judge


def serves_all_alike(task: str, label: str) -> Judge:
    """Whether the one policy for all earns every user the same, in every seed."""

    def judge(collection: Collection) -> Finding:
        cell = collection.one(task, label, 1)
        if cell is None:
            return _finding("", [], 1)
        equal = np.isclose(cell.worst, cell.welfare, atol=0.01)
        words = f"every user earns the same in {equal.sum()} of {len(equal)} seeds"
        return _finding(words, [YES if one else NO for one in equal], len(equal))

    return judge


def higher(
    winners: Sequence[str], losers: Sequence[str], tasks: Sequence[str], budgets: Sequence[int]
) -> Judge:
    """Whether each of some methods is above each of others, everywhere."""
    pairs = list(product(winners, losers))

    def judge(collection: Collection) -> Finding:
        words, verdicts = [], []
        for task, k in product(tasks, budgets):
            shown: dict[str, Cell] = {}
            for names in pairs:
                cells = _of_several_seeds(collection, task, names, k)
                if len(cells) == len(names):
                    verdicts.append(is_higher(*cells))
                    shown |= dict(zip(names, cells, strict=True))
            if shown:
                where = f"k = {k}" if len(tasks) == 1 else f"{task_title(task)}, k = {k}"
                words.append(f"{where}: " + "; ".join(map(_shown, shown.values())))
        asked = len(pairs) * len(tasks) * len(budgets)
        return _finding(". ".join(words), verdicts, asked)

    return judge


def rises(labels: Sequence[str], budgets: Mapping[str, Sequence[int]]) -> Judge:
    """Whether methods' means are higher at each budget of a task than at the one before."""

    def judge(collection: Collection) -> Finding:
        words, verdicts = [], []
        for (task, ks), label in product(budgets.items(), labels):
            found = [_of_several_seeds(collection, task, (label,), k) for k in ks]
            steps = [(fewer, more) for fewer, more in pairwise(found) if fewer and more]
            verdicts += [is_higher(*more, *fewer) for fewer, more in steps]
            cells = [cell for cells in found for cell in cells]
            if len(cells) > 1:
                at = ", ".join(f"{number(cell.mean)} ({cell.policies})" for cell in cells)
                words.append(f"{task_title(task)}, {label}: {at}")
        asked = len(labels) * sum(len(ks) - 1 for ks in budgets.values())
        return _finding("; ".join(words), verdicts, asked)

    return judge


def better_than_variants(
    task: str, method: str, variants: Sequence[str], policies: int, steps: int
) -> Judge:
    """Whether a method as it is ends higher than each of its variants, at a budget and length."""

    def judge(collection: Collection) -> Finding:
        asked = (task, method, policies, steps)
        groups = [
            cells
            for of, cells in varied(collection).items()
            if (of.task, of.method, of.policies, of.steps) == asked
        ]
        cells = max(groups, key=len, default={})
        as_it_is = cells.get("")
        found = {name: cells[name] for name in variants if name in cells}
        if as_it_is is None or not found:
            return _finding("", [], len(variants))
        words = [f"as it is {plus_minus(as_it_is.mean, as_it_is.stderr)}"]
        words += [f"{name} {plus_minus(one.mean, one.stderr)}" for name, one in found.items()]
        verdicts = [is_higher(as_it_is, one) for one in found.values()]
        return _finding("; ".join(words), verdicts, len(variants))

    return judge


def groups_within(
    task: str,
    labels: Sequence[str],
    measure: Callable[[Served], float | None],
    unit: str,
    low: float,
    high: float,
) -> Judge:
    """Whether a measure of who is served by whom is within limits, run by run, with k = 5.

    A run that has nothing to measure decides nothing.
    """

    def within(value: float | None) -> str:
        return UNDECIDED if value is None else YES if low <= value <= high else NO

    def judge(collection: Collection) -> Finding:
        measured = _measured(collection, task, labels, measure)
        verdicts = [within(value) for values in measured.values() for value in values]
        asked = len(labels) * max(map(len, measured.values()), default=0)  # as many runs of each
        return _finding(_listed(measured, unit), verdicts, asked)

    return judge


def groups_explain_more(
    labels: Sequence[str], other: str, tasks: Sequence[str], unit: str
) -> Judge:
    """Whether methods' groups explain more of the targets' variance than another's, with k = 5."""

    def judge(collection: Collection) -> Finding:
        words, verdicts = [], []
        for task in tasks:
            measured = _measured(collection, task, (*labels, other), explained)
            if other in measured and len(measured) > 1:
                where = f"{task_title(task)}: " if len(tasks) > 1 else ""
                words.append(where + _listed(measured, unit))
                yardstick = np.array(measured.pop(other))
                verdicts += [
                    is_above(difference_interval(np.array(values), yardstick), 0.0)
                    for values in measured.values()
                ]
        return _finding(". ".join(words), verdicts, len(labels) * len(tasks))

    return judge


def _cells(collection: Collection, task: str, labels: Iterable[str], policies: int) -> list[Cell]:
    found = (collection.one(task, label, policies) for label in labels)
    return [cell for cell in found if cell is not None]


def _of_several_seeds(
    collection: Collection, task: str, labels: Iterable[str], policies: int
) -> list[Cell]:
    """The methods' cells with two seeds or more: one alone has no error, and decides nothing."""
    return [c for c in _cells(collection, task, labels, policies) if len(c.seeds) > 1]


def _measured(
    collection: Collection, task: str, labels: Iterable[str], measure: Callable[[Served], T]
) -> dict[str, list[T]]:
    """By method, the measure of each run with `BUDGET` policies whose users were kept."""
    found = {
        cell.label: [measure(one) for one in served_by_target(collection, cell)]
        for cell in _cells(collection, task, labels, BUDGET)
    }
    return {label: values for label, values in found.items() if values}


def _finding(words: str, verdicts: Sequence[str], asked: int) -> Finding:
    return Finding(words or "–", verdicts, asked)


def _listed(measured: Mapping[str, Sequence[float | None]], unit: str) -> str:
    return "; ".join(
        f"{label}: {', '.join('–' if v is None else number(v) for v in values)} {unit}"
        for label, values in measured.items()
    )


def _shown(cell: Cell) -> str:
    return f"{cell.label} {plus_minus(cell.mean, cell.stderr)}"
