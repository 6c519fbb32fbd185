import itertools
import time

import numpy as np
import pytest

from handful.choice import search as searching
from handful.choice.large import choose_quickly
from handful.choice.pool import Pool
from handful.choice.search import search
from handful.welfare_functions import CVaR, PlaceWelfare, parse_welfare

WELFARES = ("utilitarian", "nash", "power:-2", "cvar:0.2", "gini", "gini:3", "egalitarian")


def pool_of(seed, policies, users, **settings):
    rng = np.random.default_rng(seed)
    return Pool.of(rng.uniform(0.1, 1.0, (policies, users)), **settings)


def best_of(pool, welfare, k):
    return max(
        float(welfare.value(pool.utilities(rows), pool.shares))
        for rows in itertools.combinations(range(pool.num_policies), k)
    )


@pytest.mark.parametrize("name", WELFARES)
def test_the_search_finds_the_best_choice_or_nearly(name):
    welfare, shares = parse_welfare(name), []
    for seed in range(3):
        weights = np.random.default_rng(seed).uniform(0.5, 2.0, 30)
        pool = pool_of(seed, 12, 30, weights=weights)
        rows = search(pool, welfare, 3.0, (), None, time.monotonic() + 10.0)
        assert len(np.unique(rows)) <= 3
        found = float(welfare.value(pool.utilities(rows), pool.shares))
        shares.append(found / best_of(pool, welfare, 3))
    assert max(shares) == pytest.approx(1.0)
    assert min(shares) > 0.96


@pytest.mark.parametrize("name", ["cvar:0.3", "gini", "gini:3", "gini:3,2,1"])
def test_a_minorant_touches_the_welfare_and_lies_nowhere_above_it(name):
    welfare, rng = parse_welfare(name), np.random.default_rng(1)
    pool = pool_of(1, 4, 25, weights=rng.uniform(0.5, 2.0, 25))
    utilities = pool.utilities([0, 1])
    assert isinstance(welfare, PlaceWelfare)
    knots, values = searching._minorant(welfare, utilities, pool)

    def minorant(some):
        return float(pool.shares @ np.interp(some, knots, values))

    shift = float(welfare.value(utilities, pool.shares)) - minorant(utilities)
    nearby = [utilities - rng.uniform(0.0, 1e-3, 25) for _ in range(50)]
    for some in [*nearby, *rng.uniform(0.1, 1.0, (200, 25))]:
        assert minorant(some) + shift <= float(welfare.value(some, pool.shares)) + 1e-9


def test_swaps_on_minorants_never_lower_the_welfare():
    welfare, pool = CVaR(0.2), pool_of(2, 30, 60)
    made = searching._Search(pool, welfare, 4.0, ())
    found = made._by_minorants([welfare], np.array([0, 1, 2, 3]), time.monotonic() + 10.0)
    values = [made.value(rows) for rows in found]
    assert len(values) > 1
    assert (np.diff(values) >= -1e-12).all()
    assert values[-1] > values[0]


def test_a_search_from_the_outside_options_alone_adds_policies():
    pool = pool_of(3, 8, 20, outside=0.3)
    rows = search(pool, parse_welfare("gini"), 2.0, (), np.empty(0, int), time.monotonic() + 5.0)
    assert len(rows) == 2


def test_a_search_keeps_a_budget_in_money():
    pool = pool_of(4, 10, 20, costs=np.linspace(1.0, 3.0, 10))
    for name in ("gini", "cvar:0.2", "nash", "egalitarian"):
        rows = search(pool, parse_welfare(name), 5.0, (), None, time.monotonic() + 5.0)
        assert pool.price(rows) <= 5.0


@pytest.mark.parametrize("name", ["egalitarian", "nash", "cvar:0.2"])
def test_a_quick_choice_is_good_and_always_the_same(name):
    pool, welfare = pool_of(6, 12, 30), parse_welfare(name)
    rows = choose_quickly(pool, welfare, 3.0)
    assert rows.tolist() == choose_quickly(pool, welfare, 3.0).tolist()
    found = float(welfare.value(pool.utilities(rows), pool.shares))
    assert found > 0.9 * best_of(pool, welfare, 3)
