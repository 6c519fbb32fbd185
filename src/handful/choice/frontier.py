"""How many policies a pool needs: welfare against k, under every welfare function asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.choice.choose import Selection, bound_welfare, choose_from
from handful.choice.floors import checked_floors
from handful.choice.infeasible import FloorsNotMet, smallest_budget
from handful.choice.pool import Pool
from handful.errors import HandfulError


@dataclass(frozen=True, eq=False)
class PoolFrontier:
    """What each number of policies, or each amount of money, is worth.

    Attributes:
        budgets: the numbers of policies, or the amounts of money, ascending.
        is_money: whether budgets are money.
        selections: for each welfare function the choice at each budget; None where no choice meets
            the floors.
        ceilings: for each welfare function its value with all policies of the pool.
        floors_from: the smallest number of policies, or the least money, that meets all floors;
            None if the whole pool does not, or there are no floors.
    """

    budgets: tuple[float, ...]
    is_money: bool
    selections: dict[str, tuple[Selection | None, ...]]
    ceilings: dict[str, float]
    floors_from: float | None

    def marginal_worth(self, welfare: str) -> tuple[float | None, ...]:
        """Give what one more policy, or one more unit of money, adds from the budget before.

        Args:
            welfare: the name of the welfare function.

        Returns:
            the gain in welfare per policy or unit of money; None at the first budget, and beside
            budgets that meet no floors.
        """
        chosen = self.selections[welfare]
        made: list[float | None] = [None]
        for i in range(1, len(chosen)):
            before, after = chosen[i - 1], chosen[i]
            if before is None or after is None:
                made.append(None)
            else:
                more = self.budgets[i] - self.budgets[i - 1]
                made.append((after.welfare - before.welfare) / more)
        return tuple(made)

    def net_worth(
        self, welfare: str, unit_worth: float, policy_cost: float = 0.0
    ) -> tuple[float | None, ...]:
        """Give what each budget is worth in money, less what its policies cost.

        Args:
            welfare: the name of the welfare function.
            unit_worth: what one unit of this welfare is worth in money.
            policy_cost: what each policy costs, where policies are counted; otherwise their own
                costs count.

        Returns:
            the money; None beside budgets that meet no floors.
        """
        return tuple(
            None
            if one is None
            else unit_worth * one.welfare
            - (one.price if self.is_money else policy_cost * len(one.policies))
            for one in self.selections[welfare]
        )

    def price_of_fairness(self, welfare: str) -> tuple[float | None, ...]:
        """Give what the mean loses at each budget beside the choice for the mean.

        Args:
            welfare: the name of the welfare function.

        Returns:
            the loss of the mean; None where there is no choice, or the mean was not asked for.
        """
        best = self.selections.get("utilitarian", (None,) * len(self.budgets))
        return tuple(
            None if one is None or top is None else top.mean - one.mean
            for one, top in zip(self.selections[welfare], best, strict=True)
        )

    def record(self) -> dict[str, Any]:
        """Return everything in the types that JSON has."""
        return {
            "budgets": list(self.budgets),
            "is_money": self.is_money,
            "floors_from": self.floors_from,
            "welfares": {
                name: {
                    "ceiling": self.ceilings[name],
                    "marginal_worth": list(self.marginal_worth(name)),
                    "price_of_fairness": list(self.price_of_fairness(name)),
                    "choices": [None if one is None else one.record() for one in chosen],
                }
                for name, chosen in self.selections.items()
            },
        }


def frontier(
    returns: Any,
    budgets: Iterable[int | float],
    *,
    welfares: Sequence[Any] = ("utilitarian",),
    floors: Any = None,
    seconds: float = 60.0,
    **settings: Any,
) -> PoolFrontier:
    """Choose for every budget under every welfare function.

    Args:
        returns: the expected return of each of M policies for each of N users, [M, N].
        budgets: the numbers of policies, or amounts of money if policies have costs.
        welfares: the welfare functions, as :func:`handful.choose` takes them.
        floors: the floors; budgets that cannot meet them have no choice.
        seconds: about how long to look for each proof.
        settings: ``groups``, ``weights``, ``costs`` and ``outside`` of :func:`handful.choose`.

    Returns:
        the frontier.

    Raises:
        HandfulError: if an argument is wrong.
    """
    pool = Pool.of(returns, **settings)
    ordered = tuple(sorted({float(budget) for budget in budgets}))
    is_money = pool.costs is not None
    if not ordered or not welfares:
        raise HandfulError("A frontier needs at least one budget and one welfare function.")
    if not is_money and (ordered[0] < 1.0 or any(budget % 1.0 for budget in ordered)):
        raise HandfulError("Numbers of policies must be whole numbers of at least 1.")
    least = 0.0 if pool.outside is not None or pool.costs is None else float(pool.costs.min())
    if is_money and ordered[0] < least:
        raise HandfulError(f"A budget of {ordered[0]:g} pays for no policy: at least {least:g}.")
    rules = checked_floors(floors, pool)
    needed = smallest_budget(pool, rules, seconds) if rules else None
    selections: dict[str, tuple[Selection | None, ...]] = {}
    ceilings = {}
    for welfare in welfares:
        function = bound_welfare(welfare, pool)
        chosen: list[Selection | None] = []
        for budget in ordered:
            try:
                chosen.append(choose_from(pool, budget, function, rules, seconds))
            except FloorsNotMet:
                chosen.append(None)
        selections[function.name] = tuple(chosen)
        everything = pool.utilities(np.arange(pool.num_policies))
        ceilings[function.name] = float(function.value(everything, pool.shares))
    return PoolFrontier(ordered, is_money, selections, ceilings, needed)
