"""How sure a choice is, where returns are measured with error.

The measured welfare of a choice is too high: the choice prefers policies whose errors happened to
be positive, and each user takes the best measured one of them. Here that luck is estimated and
taken off, and an interval is given.

*The luck of the choice.* Let X be the measured returns and Z further errors of the same law, drawn
here. Then X + g Z and X - Z / g are independent, both with the true returns as their mean. So if
policies are chosen and assigned by X + g Z, what X - Z / g says of them is honest, and the luck of
the choice is (g + 1 / g) Z at what is assigned, in the mean (Oliveira, Lei and Tibshirani, 2024,
have this for the error of a prediction; Leiner and others, 2025, call it data fission). Nothing is
supposed about the true returns. But X + g Z has larger errors than X, by the factor
sqrt(1 + g^2): the luck is divided by it, which is exact between policies that are equally good, and
an extrapolation from g = 1 and g = 1/2 to g = 0 does the rest. How far it goes is added to both
ends of the interval.

*Inequality.* A welfare is the mean less something for inequality, and errors look like inequality:
the measured worst served user is the one with bad luck, too. X - Z / g serves here as well. Its
errors have nothing to do with the choice, so utilities that it gives the choice from X + g Z vary
by the true variance and that of the errors. They are pulled together to the true variance, and
what the welfare then takes off the mean is taken off the mean without luck.

*Whether the choice would change.* The draws with g = 1 are what another measurement might have
said. They say how often it would have led to other policies.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handful.choice.choose import (
    Selection,
    assignment_of,
    bound_welfare,
    choose,
    most_of,
)
from handful.choice.errors import ReturnErrors, at
from handful.choice.floors import Floor, checked_floors
from handful.choice.infeasible import FloorsNotMet, check_floors
from handful.choice.pool import Pool
from handful.choice.portfolio import NAME as PORTFOLIO
from handful.choice.search import search
from handful.errors import HandfulError
from handful.welfare_functions import GroupWelfare, PowerMean, Welfare

FEWEST_DRAWS = 10
"""The draws below which nothing is said."""

_SCALES = (1.0, 0.5)
"""The scales g of the further errors."""

_WIDER = 1.25
"""The factor by which errors are larger as the luck, too, is only estimated: from simulations."""

_ERRORS = 1000
"""The draws around utilities, which cost little."""


@dataclass(frozen=True, eq=False)
class RobustSelection:
    """A choice by measured returns, and how sure it is.

    Attributes:
        selection: the choice by the measured returns. Its ``welfare`` is what was measured.
        welfare: the welfare of the chosen policies and the assignment, without the luck of the
            choice.
        low: the lower end of the interval of this welfare.
        high: the upper end.
        level: how often such an interval holds the true welfare.
        stderr: the standard error of the welfare.
        utilities: what each user gets, without the luck of the choice, [N].
        stderrs: the standard errors of these, [N]; 0 for a user who has no policy.
        unchanged: the share of draws in which the same policies were chosen.
        chosen_again: the share of draws in which each policy of the pool was chosen, [M].
        floors_hold: the chance that all floors hold for the true returns; None without floors.
        floors_missed: the share of draws in which no choice met the floors.
        draws: how many draws there were time for.
    """

    selection: Selection
    welfare: float
    low: float
    high: float
    level: float
    stderr: float
    utilities: np.ndarray
    stderrs: np.ndarray
    unchanged: float
    chosen_again: np.ndarray
    floors_hold: float | None
    floors_missed: float
    draws: int

    @property
    def luck(self) -> float:
        """The part of the measured welfare that is luck."""
        return self.selection.welfare - self.welfare

    def record(self) -> dict[str, Any]:
        """Return everything in the types that JSON has."""
        return self.selection.record() | {
            "mended": {
                "welfare": self.welfare,
                "low": self.low,
                "high": self.high,
                "level": self.level,
                "stderr": self.stderr,
                "luck": self.luck,
                "utilities": self.utilities.tolist(),
                "stderrs": self.stderrs.tolist(),
                "unchanged": self.unchanged,
                "chosen_again": self.chosen_again.tolist(),
                "floors_hold": self.floors_hold,
                "floors_missed": self.floors_missed,
                "draws": self.draws,
            }
        }


def choose_robustly(
    returns: Any,
    k: int | None = None,
    *,
    standard_errors: Any = None,
    covariance: Any = None,
    draws: int = 100,
    level: float = 0.95,
    seed: int = 0,
    welfare: Any = "utilitarian",
    floors: Any = None,
    budget: float | None = None,
    seconds: float = 60.0,
    **settings: Any,
) -> RobustSelection:
    """Choose as :func:`handful.choose` does, and say how sure the choice is.

    Args:
        returns: the measured return of each of M policies for each of N users, [M, N].
        k: how many policies may be chosen; not beside a budget.
        standard_errors: the standard error of each return, [M, N], or one for all. Errors are
            taken to be normal, as those of a mean over some dozens of episodes are.
        covariance: the covariance of the users' returns under each policy, [M, N, N], in place of
            standard errors. Users who are measured on the same episodes err together: without it,
            the interval of their mean is too narrow.
        draws: how many further measurements to draw, at least 10; fewer if the time is over.
        level: how often the interval shall hold the true welfare.
        seed: the seed of the draws.
        welfare: the welfare function, as :func:`handful.choose` takes it, but no portfolio.
        floors: the floors.
        budget: how much money there is.
        seconds: about how long to look for the proof, and as long again for the draws.
        settings: ``groups``, ``weights``, ``costs`` and ``outside`` of :func:`handful.choose`.

    Returns:
        the choice, its welfare without the luck of the choice, an interval, and how often the
        choice would change.

    Raises:
        FloorsNotMet: if no choice meets the floors for the measured returns.
        HandfulError: if an argument is wrong, or there was no time for ten draws.
    """
    if isinstance(welfare, str) and welfare.partition(":")[0] == PORTFOLIO:
        raise HandfulError(
            "A portfolio of welfare functions has no standard errors: choose for one of them."
        )
    if isinstance(draws, bool) or int(draws) != draws or draws < FEWEST_DRAWS:
        raise HandfulError(f"There must be at least {FEWEST_DRAWS} draws, not {draws}.")
    if not 0.0 < level < 1.0:
        raise HandfulError(f"The level of the interval must be between 0 and 1, not {level:g}.")
    pool = Pool.of(returns, **settings)
    errors = ReturnErrors.of(standard_errors, covariance, pool.returns.shape)
    most = most_of(pool, k, budget)
    rules = checked_floors(floors, pool)
    function = bound_welfare(welfare, pool)
    selection = choose(
        returns, k, welfare=welfare, floors=floors, budget=budget, seconds=seconds, **settings
    )
    repeat = _Repeat(pool, function, most, rules, selection.policies)
    rng = np.random.default_rng(seed)
    made = _draws(repeat, errors, selection, draws, rng, time.monotonic() + seconds)
    utilities = selection.utilities - made.luck
    mean = float(pool.shares @ utilities) - made.inequality
    off = _errors_of_welfare(function, pool, utilities, errors, selection.assignment, rng)
    low, high = mean + np.quantile(off, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    stderrs = _WIDER * errors.at(selection.assignment)
    hold = None
    if rules:
        chances = [
            not any(
                floor.misses(pool, utilities + _WIDER * at(errors.draw(rng), selection.assignment))
                for floor in rules
            )
            for _ in range(_ERRORS // 5)
        ]
        hold = float(np.mean(chances))
    return RobustSelection(
        selection=selection,
        welfare=mean,
        low=float(low) - made.doubt,
        high=float(high) + made.doubt,
        level=level,
        stderr=float(off.std()),
        utilities=utilities,
        stderrs=stderrs,
        unchanged=made.unchanged,
        chosen_again=made.chosen_again,
        floors_hold=hold,
        floors_missed=made.floors_missed,
        draws=made.number,
    )


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What the draws said.

    Attributes:
        luck: the luck of each user, without further errors, [N].
        inequality: what the welfare takes off the mean.
        doubt: how far the luck was extrapolated, in the mean.
        unchanged: the share of draws with the same choice.
        chosen_again: the share of draws with each policy, [M].
        floors_missed: the share of draws in which no choice met the floors.
        number: how many draws there were.
    """

    luck: np.ndarray
    inequality: float
    doubt: float
    unchanged: float
    chosen_again: np.ndarray
    floors_missed: float
    number: int


@dataclass(frozen=True, eq=False)
class _Repeat:
    """The choice as it would be made from another measurement.

    Attributes:
        pool: the pool, with the returns as measured.
        welfare: the welfare function, bound to groups.
        most: how many policies, or how much money.
        floors: the floors.
        start: the policies that were chosen.
    """

    pool: Pool
    welfare: Welfare
    most: float
    floors: tuple[Floor, ...]
    start: np.ndarray

    def choose(self, returns: np.ndarray, deadline: float) -> np.ndarray:
        """Return the assignment [N] that other returns lead to.

        Raises:
            FloorsNotMet: if no choice meets the floors.
        """
        pool = replace(self.pool, returns=returns)
        start = self.start if len(self.start) else None
        if self.floors and _breaks(pool, self.floors, self.start):
            start = check_floors(
                pool, self.most, self.floors, max(deadline - time.monotonic(), 1.0)
            )
        rows = search(pool, self.welfare, self.most, self.floors, start, deadline, again=False)
        return assignment_of(pool, rows)


def _breaks(pool: Pool, floors: tuple[Floor, ...], rows: np.ndarray) -> bool:
    utilities = pool.utilities(rows)
    return any(floor.misses(pool, utilities) for floor in floors)


class _Tally:
    """What draws with further errors of one scale say of luck and inequality."""

    def __init__(self, scale: float, pool: Pool) -> None:
        self.scale, self.pool = scale, pool
        self.luck = np.zeros(pool.num_users)
        self.honest: list[np.ndarray] = []
        self.variances: list[np.ndarray] = []

    def add(
        self, noise: np.ndarray, stderrs: np.ndarray, other: np.ndarray, before: np.ndarray
    ) -> None:
        """Add a draw: its errors [M, N], their size, and the assignments to which it leads."""
        # The errors at the assignment before are 0 in the mean; what both have in common cancels.
        self.luck += at(noise, other) - at(noise, before)
        seen = at(self.pool.returns - noise / self.scale, other)
        if self.pool.outside is not None:
            seen = np.where(other >= 0, seen, self.pool.outside)
        self.honest.append(seen)
        self.variances.append((1.0 + 1.0 / self.scale**2) * np.square(at(stderrs, other)))

    def mean_luck(self) -> np.ndarray:
        """Return the luck of each user, for errors that are as large as the measured ones, [N]."""
        factor = (self.scale + 1.0 / self.scale) / math.sqrt(1.0 + self.scale**2)
        return factor * self.luck / max(len(self.honest), 1)

    def inequality(self, welfare: Welfare) -> float:
        """Return what the welfare takes off the mean where utilities are without errors."""
        if not self.honest:
            return 0.0
        shares, seen, variances = self.pool.shares, np.array(self.honest), np.array(self.variances)
        middles = seen @ shares
        varies = (np.square(seen - middles[:, None]) - variances) @ shares
        true = _pulled_together(seen, middles, max(float(varies.mean()), 0.0), variances)
        values = [_value(welfare, one, self.pool) for one in true]
        return float((true @ shares - values).mean())


def _draws(
    repeat: _Repeat,
    errors: ReturnErrors,
    selection: Selection,
    number: int,
    rng: np.random.Generator,
    deadline: float,
) -> _Drawn:
    """Repeat the choice for measurements with further errors."""
    pool, assignment = repeat.pool, selection.assignment
    far, near = tallies = [_Tally(scale, pool) for scale in _SCALES]
    counts = np.zeros(pool.num_policies)
    same = missed = done = 0
    while done < number and (done < FEWEST_DRAWS or time.monotonic() < deadline):
        noise = errors.draw(rng)
        done += 1
        for tally in tallies:
            try:
                other = repeat.choose(pool.returns + tally.scale * noise, deadline)
            except FloorsNotMet:
                missed += tally is far
                continue
            tally.add(noise, errors.stderrs, other, assignment)
            if tally is far:
                policies = np.unique(other[other >= 0])
                counts[policies] += 1.0
                same += np.array_equal(policies, selection.policies)
    # The errors' variance is 1 + g^2: 2, 5/4, and 1 where nothing is added.
    steps = (near.mean_luck() - far.mean_luck()) / 3.0
    return _Drawn(
        luck=near.mean_luck() + steps,
        inequality=far.inequality(repeat.welfare),
        doubt=abs(float(pool.shares @ steps)),
        unchanged=same / done,
        chosen_again=counts / done,
        floors_missed=missed / done,
        number=done,
    )


def _pulled_together(
    utilities: np.ndarray, middles: Any, spread: float, variances: np.ndarray
) -> np.ndarray:
    """Return utilities [..., N] that vary about their mean by a spread, and no more by errors."""
    total = spread + variances
    shrink = np.sqrt(np.divide(spread, total, out=np.ones_like(total), where=total > 0.0))
    middles = np.asarray(middles)[..., None]
    return middles + shrink * (utilities - middles)


def _errors_of_welfare(
    welfare: Welfare,
    pool: Pool,
    utilities: np.ndarray,
    errors: ReturnErrors,
    assignment: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the errors of the welfare, with the mean 0, around utilities without luck."""
    variances = np.square(_WIDER * errors.at(assignment))
    middle = float(pool.shares @ utilities)
    spread = float(pool.shares @ (np.square(utilities - middle) - variances))
    true = _pulled_together(utilities, middle, max(spread, 0.0), variances)
    seen = np.array(
        [
            _value(welfare, true + _WIDER * at(errors.draw(rng), assignment), pool)
            for _ in range(_ERRORS)
        ]
    )
    return seen.mean() - seen


def _value(welfare: Welfare, utilities: np.ndarray, pool: Pool) -> float:
    """Return the welfare; the reference point where an error leaves somebody without a gain."""
    inner = welfare.of if isinstance(welfare, GroupWelfare) else welfare
    value = float(welfare.value(utilities, pool.shares))
    if isinstance(inner, PowerMean) and not math.isfinite(value):
        return inner.reference
    return value
