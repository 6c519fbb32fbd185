"""Small random pools, and the best choice from one by trying every choice."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.choice.choose import bound_welfare
from handful.choice.floors import Floor, checked_floors
from handful.choice.pool import Pool

WELFARES = (
    "utilitarian",
    "nash",
    "power:0.5",
    "power:-2",
    "power:-30",
    "egalitarian",
    "gini",
    "gini:3",
    "gini:3,2,1",
    "cvar:0.3",
    "groups:egalitarian",
    "groups:nash",
    "groups:gini",
    "groups:utilitarian",
)


@dataclass(frozen=True)
class Case:
    returns: np.ndarray
    settings: dict[str, Any]
    floors: Any
    welfare: str

    @property
    def pool(self) -> Pool:
        known = {name: self.settings.get(name) for name in ("outside", "weights", "groups")}
        return Pool.of(self.returns, costs=self.settings.get("costs"), **known)

    @property
    def most(self) -> float:
        return self.settings.get("k") or self.settings["budget"]


def draw(number: int) -> Case:
    """Draw a pool with a rule; all welfares and all rules come in turn."""
    rng = np.random.default_rng(number)
    policies, users = rng.integers(2, 7), rng.integers(1, 9)
    returns = rng.uniform(0.1, 1.0, (policies, users))
    if number % 3 == 0:  # ties
        returns = rng.integers(1, 6, (policies, users)).astype(float)
    settings: dict[str, Any] = {"groups": rng.integers(0, 3, users)}
    if rng.random() < 0.3:
        settings["outside"] = rng.uniform(0.1, 1.0, users)
    if rng.random() < 0.3:
        settings["weights"] = rng.uniform(0.2, 2.0, users)
    if rng.random() < 0.3:
        settings |= {"costs": rng.uniform(0.5, 2.0, policies), "budget": rng.uniform(2.0, 5.0)}
    else:
        settings["k"] = int(rng.integers(1, 5))
    high = float(returns.max())
    rules = (
        None,
        0.5 * high,
        Floor(0.8 * high, "groups"),
        Floor(0.85 * high, "share", 0.6),
        Floor(0.8 * high, "share", 0.5, in_groups=True),
        (Floor(0.3 * high), Floor(0.75 * high, "groups")),
    )
    return Case(returns, settings, rules[number % 6], WELFARES[number // 6 % len(WELFARES)])


def try_all(case: Case) -> tuple[tuple[float, ...] | None, float | None]:
    """Return the best welfare (for leximin, the sorted utilities) and the least that would do."""
    pool = case.pool
    welfare = bound_welfare(case.welfare, pool)
    floors = checked_floors(case.floors, pool)
    assert all(floor.of in ("everyone", "groups", "share") for floor in floors)
    best, least = None, None
    sizes = range(0 if pool.outside is not None else 1, pool.num_policies + 1)
    for rows in itertools.chain.from_iterable(
        itertools.combinations(range(pool.num_policies), size) for size in sizes
    ):
        utilities = pool.utilities(list(rows))
        if not all(_holds(floor, case, utilities) for floor in floors):
            continue
        price = pool.price(list(rows))
        least = price if least is None else min(least, price)
        if price <= case.most:
            value = (float(welfare.value(utilities, pool.shares)),)
            made = tuple(np.sort(utilities)) if case.welfare == "egalitarian" else value
            best = made if best is None else max(best, made)
    return best, least


def _holds(floor: Floor, case: Case, utilities: np.ndarray) -> bool:
    """Say whether a floor holds, in words of one user and one group at a time."""
    least = float(np.max(floor.least)) - 1e-7
    groups = case.settings["groups"]
    weights = case.settings.get("weights", np.ones(len(utilities)))
    if floor.of == "everyone":
        return all(one >= least for one in utilities)
    members = [groups == group for group in dict.fromkeys(groups.tolist())]
    if floor.of == "groups":
        return all(np.average(utilities[own], weights=weights[own]) >= least for own in members)
    parts = members if floor.in_groups else [np.ones(len(utilities), bool)]
    return all(np.mean(utilities[own] >= least) >= floor.share - 1e-9 for own in parts)
