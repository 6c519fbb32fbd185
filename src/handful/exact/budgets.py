"""The best k of M candidates for several budgets k at once, with a bound for each.

:mod:`~handful.exact.facility` solves the choice for one budget to the end, and raises an error if
it cannot. A run that plays some hundreds of candidates wants the choices for all budgets within
seconds, good ones in any case and proven ones where that is cheap. So here the work is limited, by
counts and not by a clock, and the same table always gives the same choices:

1. *From below.* Greedy choice and swaps (:mod:`~handful.exact.swaps`) for every budget, each also
   from its neighbours: the choice for the budget before with rows added, and that for the next one
   with rows taken out. So the welfare never falls from a budget to a larger one.
2. *From above.* The bound of :mod:`~handful.exact.facility` for prices u of the users, made lower
   by subgradient steps (Cornuejols, Fisher and Nemhauser, 1977). A candidate whose own bound is no
   higher than the choice found is left out. Mostly a tenth of the candidates are left.
3. *Between.* Swaps start again from random choices of those that stay. If few choices are left, all
   are tried; else, if the table is small, the integer program decides, up to a limit of nodes.

The returns of candidates are estimates. A choice from hundreds of estimates looks better than it is
(the winner's curse), and so does each user's best policy among those chosen.
:func:`choose_by_episodes` therefore chooses by all episodes, and says beside it what a choice by
one half of them earns on the other half, both ways round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from math import comb

import numpy as np

from handful.exact.facility import (
    Choice,
    checked,
    make_choice,
    provable_gap,
    scaled,
    solve,
    tolerance,
)
from handful.exact.swaps import add_greedily, drop_greedily, swap, total_gain

_PRICE_WORK = 2e9  # the most entries of the table that price steps look at for one budget
_MOST_PRICE_STEPS = 300
_PATIENCE = 8  # steps without a lower bound, after which steps are half as long
_SHORTEST_STEP = 1e-3  # a share of the first step's
_PROOFS = 3  # how often prices are searched: again after a better choice was found
_STARTS = 30  # the most random starts of swaps
_START_WORK = 3e8  # the most entries that these starts look at for one budget
_TRIED_WORK = 3e7  # the most additions for trying every choice that is left
_AT_ONCE = 4096  # choices tried together
_MOST_LEVELS = 4_000  # the largest integer program, which takes a few seconds
_MOST_NODES = 500


def choose_budgets(
    values: np.ndarray, budgets: Sequence[int], *, prove: bool = True
) -> dict[int, Choice]:
    """Choose at most k rows of `values` that serve the users best, for every budget k.

    Args:
        values: the returns of M candidates to N users, [M, N]; any finite values.
        budgets: the budgets, each at least 1. With M candidates, no more than M are chosen.
        prove: whether to work for a bound, and for the better choices that are found on the way.
            Without it, the upper bounds are infinite.

    Returns:
        the choice for each budget, by ascending budget. The welfare of none is below that of a
        smaller budget, and the upper bounds never fall either. A choice is proven where its upper
        bound is no higher than its welfare and the tolerance of :class:`Choice`.

    Raises:
        ValueError: if `values` is not a non-empty finite matrix, or there is no budget, or one is
            below 1.
    """
    if not len(budgets):
        raise ValueError("There must be at least one budget.")
    values = checked(values, *budgets)
    ordered = sorted({int(budget) for budget in budgets})
    sizes = sorted({min(budget, len(values)) for budget in ordered})
    gains, unit = scaled(values)
    gap = provable_gap(values, unit)
    found = _search(gains, sizes)
    bounds = dict.fromkeys(sizes, np.inf)
    if prove:
        for size in sizes:
            found[size], bounds[size] = _prove(gains, found[size], gap)
        _pass_on(gains, found)
    # A bound for more rows holds for fewer.
    for fewer, more in reversed(list(pairwise(sizes))):
        bounds[fewer] = min(bounds[fewer], bounds[more])
    nothing = tolerance(gains.shape[1])
    choices = {}
    for size in sizes:
        short = max(bounds[size] - total_gain(gains, found[size]), 0.0)
        if gap > nothing and short <= gap + 0.5 * nothing:
            short = 0.0  # the next better total of integers is further away
        choices[size] = make_choice(values, found[size], short / unit)
    return {budget: choices[min(budget, len(values))] for budget in ordered}


@dataclass(frozen=True, eq=False)
class MeasuredChoice:
    """A choice by all episodes, and what the same way of choosing earns on other episodes.

    Attributes:
        choice: the choice by all episodes. Its welfare is on these, and so looks too good.
        held_out: the mean over users of the return, in episodes that had no part in the choice, of
            candidates and of each user's candidate chosen by half of the episodes. It is too low if
            anything, as the choice by all episodes knows more.
        held_out_stderr: the standard error of `held_out` over episodes.
    """

    choice: Choice
    held_out: float
    held_out_stderr: float


def choose_by_episodes(
    episodes: np.ndarray, budgets: Sequence[int], coefficients: np.ndarray | None = None
) -> dict[int, MeasuredChoice]:
    """Choose for every budget by noisy episodes, and measure the choice by other ones.

    Args:
        episodes: the returns of M candidates in D features, in each of an even number E of
            episodes, at least 4: [E, M, D]. If all candidates played with the same chance in an
            episode, the error of their differences is smaller.
        budgets: the budgets, each at least 1.
        coefficients: the users' coefficients [N, D]; None if the features are the users' own
            returns.

    Returns:
        the choice for each budget, with its held-out welfare, by ascending budget.

    Raises:
        ValueError: if the episodes or budgets are not as they must be.
    """
    episodes = np.asarray(episodes, dtype=np.float64)
    if episodes.ndim != 3 or len(episodes) < 4 or len(episodes) % 2:
        raise ValueError(
            f"The episodes must be an [E, M, D] array of an even number of at least 4 episodes, "
            f"got shape {episodes.shape}."
        )

    def paid(features: np.ndarray) -> np.ndarray:
        return features if coefficients is None else features @ np.asarray(coefficients).T

    chosen = choose_budgets(paid(episodes.mean(axis=0)), budgets)
    parts = (episodes[0::2], episodes[1::2])
    held: dict[int, list[np.ndarray]] = {budget: [] for budget in chosen}
    for part, other in (parts, parts[::-1]):
        by_part = choose_budgets(paid(part.mean(axis=0)), budgets, prove=False)
        for budget, choice in by_part.items():
            served = paid(other[:, choice.indices])
            users = np.arange(served.shape[2])
            held[budget].append(served[:, choice.assignment, users].mean(axis=1))
    measured = {}
    for budget, choice in chosen.items():
        samples = np.concatenate(held[budget])
        stderr = samples.std(ddof=1) / np.sqrt(len(samples))
        measured[budget] = MeasuredChoice(choice, float(samples.mean()), float(stderr))
    return measured


def _search(gains: np.ndarray, sizes: Sequence[int]) -> dict[int, np.ndarray]:
    """Return a good choice of each size, none worth less than a smaller one."""
    margin = tolerance(gains.shape[1])
    greedy = add_greedily(gains, np.empty(0, dtype=np.int64), sizes[-1])
    found = {size: swap(gains, greedy[:size], margin) for size in sizes}
    _pass_on(gains, found)
    for more, fewer in pairwise(reversed(sizes)):
        rows = swap(gains, drop_greedily(gains, found[more], fewer), margin)
        found[fewer] = _better(gains, found[fewer], rows)
    _pass_on(gains, found)
    return found


def _pass_on(gains: np.ndarray, found: dict[int, np.ndarray]) -> None:
    """Let each choice also start from the next smaller one, so that it is worth no less."""
    for fewer, more in pairwise(found):
        rows = swap(gains, add_greedily(gains, found[fewer], more), tolerance(gains.shape[1]))
        found[more] = _better(gains, found[more], rows)


def _better(gains: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the choice that is worth more; the first of equals."""
    return max(rows, others, key=lambda choice: total_gain(gains, choice))


def _prove(gains: np.ndarray, rows: np.ndarray, gap: float) -> tuple[np.ndarray, float]:
    """Return a choice that is worth no less, and a bound on the total gain of its size."""
    size, upper = len(rows), np.inf
    # Choices with one of the rows that are left out on the way are worth no more than `out`.
    useful, out = np.arange(len(gains)), -np.inf
    for _ in range(_PROOFS):
        before = total_gain(gains, rows)
        useful, bound, left_out = _useful_rows(gains, useful, rows, before + gap)
        out = max(out, left_out)
        upper = min(upper, max(bound, out))
        if upper <= before + gap:
            return rows, upper
        if len(useful) <= size:
            rows = _better(gains, rows, add_greedily(gains, useful, size))
            return rows, max(total_gain(gains, rows), out)
        if comb(len(useful), size) * size * gains.shape[1] <= _TRIED_WORK:
            rows = _better(gains, rows, useful[_best_of_all(gains[useful], size)])
            return rows, max(total_gain(gains, rows), out)
        rows = _better(gains, rows, useful[_from_random_starts(gains[useful], size)])
        if total_gain(gains, rows) <= before + tolerance(gains.shape[1]):
            break
    if len(useful) * gains.shape[1] <= _MOST_LEVELS:
        best, bound = solve(gains[useful], size, gap, node_limit=_MOST_NODES)
        rows = _better(gains, rows, useful[best])
        upper = min(upper, max(bound, out))
    return rows, upper


def _useful_rows(
    gains: np.ndarray, rows: np.ndarray, chosen: np.ndarray, target: float
) -> tuple[np.ndarray, float, float]:
    """Leave out rows that no choice worth more than `target` uses, by prices of the users.

    Args:
        gains: the gains of N users from all rows, [M, N].
        rows: the rows that may be useful; no choice with another one is worth more than `target`.
        chosen: a good choice, from whose gains the prices start.
        target: the total gain that a choice must exceed to be of interest.

    Returns:
        the rows that may be useful, a bound on the total gain of any choice of these, and a bound
        on that of any choice with a row that was left out, which is at most `target`.
    """
    size = len(chosen)
    prices = lowest_prices = gains[chosen].max(axis=0)
    lowest, left_out = float(gains.max(axis=0).sum()), -np.inf
    step, waited = 1.0, 0
    for _ in range(int(min(_MOST_PRICE_STEPS, max(_PRICE_WORK // gains.size, 10)))):
        margins = np.maximum(gains[rows] - prices, 0.0)
        rho = margins.sum(axis=1)
        top = np.argsort(rho)[-size:]
        bound = float(prices.sum() + rho[top].sum())
        # The best choice with a row is the row and the best others, as in `facility`.
        with_row = prices.sum() + np.minimum(rho, rho[top[0]]) + rho[top[1:]].sum()
        waited = 0 if bound < lowest - 1e-4 * (lowest - target) else waited + 1
        if bound < lowest:
            lowest, lowest_prices = bound, prices
        slope = 1.0 - (margins[top] > 0.0).sum(axis=0)
        is_useful = with_row > target
        left_out = max(left_out, float(with_row[~is_useful].max(initial=-np.inf)))
        rows = rows[is_useful]
        if lowest <= target or len(rows) <= size or not slope.any():
            break
        if waited >= _PATIENCE:
            step, waited, prices = step / 2.0, 0, lowest_prices
            if step < _SHORTEST_STEP:
                break
            continue
        # Polyak's step: as far as the bound would have to fall to meet the target.
        reach = step * (bound - target) / np.square(slope).sum()
        prices = np.maximum(prices - reach * slope, 0.0)
    return rows, lowest, left_out


def _best_of_all(gains: np.ndarray, size: int) -> np.ndarray:
    """Return the best of all choices of so many rows."""
    best, most = np.arange(size), -np.inf
    for some in _choices(len(gains), size):
        totals = gains[some].max(axis=1).sum(axis=1)
        if totals.max() > most:
            best, most = some[totals.argmax()], totals.max()
    return best


def _choices(num_rows: int, size: int) -> Iterator[np.ndarray]:
    """Yield all choices of so many rows, a part of them at a time, [n, `size`]."""
    every = combinations(range(num_rows), size)
    while some := list(islice(every, _AT_ONCE)):
        yield np.array(some)


def _from_random_starts(gains: np.ndarray, size: int) -> np.ndarray:
    """Return the best choice that swaps find from random choices of so many rows."""
    rng, margin = np.random.default_rng(0), tolerance(gains.shape[1])
    starts = int(min(_STARTS, max(_START_WORK // (gains.size * size), 1)))
    ends = [swap(gains, rng.permutation(len(gains))[:size], margin) for _ in range(starts)]
    return max(ends, key=lambda rows: total_gain(gains, rows))
