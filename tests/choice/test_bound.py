import itertools
import time

import numpy as np
import pytest

from handful.choice.bound import _nearest, bound
from handful.choice.concave import choose_cvar
from handful.choice.pool import Pool
from handful.choice.program import Program
from handful.welfare_functions import CVaR, GroupWelfare, PlaceWelfare, parse_welfare


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["cvar:0.3", "gini", "gini:3"])
def test_the_nearest_weights_are_weights_of_places_and_nearest(name, weighted):
    welfare, rng = parse_welfare(name), np.random.default_rng(0)
    shares = rng.uniform(0.2, 2.0, 9) if weighted else np.ones(9)
    shares = shares / shares.sum()
    assert isinstance(welfare, PlaceWelfare)
    for _ in range(20):
        wished = rng.normal(1.0, 1.5, 9)
        made = _nearest(welfare, wished, shares)
        assert shares @ made == pytest.approx(1.0)
        for _ in range(20):
            utilities = rng.normal(size=9)
            # Weights of places: no utilities are worth less by them than the welfare says.
            assert (shares * made) @ utilities >= welfare.value(utilities, shares) - 1e-9
            # Nearest: the way on is at no acute angle to any corner of the set.
            corner = welfare.gradient(utilities, shares) / shares
            assert (shares * (wished - made)) @ (corner - made) <= 1e-9


@pytest.mark.parametrize("money", [False, True])
@pytest.mark.parametrize(
    "name", ["utilitarian", "nash", "cvar:0.2", "gini", "egalitarian", "groups:nash"]
)
def test_no_choice_exceeds_the_bound(name, money):
    rng = np.random.default_rng(7)
    costs = rng.uniform(0.5, 1.5, 9) if money else None
    pool = Pool.of(rng.uniform(0.1, 1.0, (9, 14)), costs=costs, groups=np.arange(14) % 3)
    welfare = parse_welfare(name)
    if isinstance(welfare, GroupWelfare):
        welfare = welfare.bind(np.arange(14) % 3)
    choices = [
        rows
        for size in range(1, 7)
        for rows in itertools.combinations(range(9), size)
        if pool.price(rows) <= 3.0
    ]
    values = [float(welfare.value(pool.utilities(rows), pool.shares)) for rows in choices]
    best = pool.utilities(choices[int(np.argmax(values))])
    found = bound(pool, welfare, 3.0, best, time.monotonic() + 0.5)
    assert max(values) - 1e-9 <= found
    assert found <= float(welfare.value(pool.lifted.max(axis=0), pool.shares)) + 0.05


def test_the_bound_of_a_cvar_is_near_that_of_the_linear_relaxation(monkeypatch):
    pool = Pool.of(np.random.default_rng(8).uniform(0.1, 1.0, (20, 30)))
    welfare, solve = CVaR(0.2), Program.maximise

    def relaxed(program, columns, entries, seconds=None):
        return solve(program, columns, entries, seconds, relaxed=True)

    monkeypatch.setattr(Program, "maximise", relaxed)
    linear = choose_cvar(pool, welfare, 3.0, (), 60.0).bound
    utilities = pool.utilities([0, 1, 2])
    found = bound(pool, welfare, 3.0, utilities, time.monotonic() + 5.0)
    assert linear - 1e-6 <= found <= linear + 0.02
