import itertools
import math

import numpy as np
import pytest

import handful
from handful.choice.portfolio import exponent_grid, ratios, share_of
from handful.errors import HandfulError
from handful.welfare_functions import PowerMean


def test_the_grid_by_hand():
    middle = -math.log(4.0) / math.log(1.0 / 0.3)
    expected = [-math.inf, 0.0]
    expected += [249.0 * middle / i for i in range(1, 250)]
    expected += [middle + i * (1.0 - middle) / 249.0 for i in range(1, 250)]
    grid = exponent_grid(4, 0.3)
    assert len(grid) == 500
    np.testing.assert_allclose(grid, sorted(expected))


def test_ratios_are_of_power_means_also_with_zeros():
    rng = np.random.default_rng(0)
    returns = rng.uniform(0.0, 3.0, (20, 7))
    returns[3, 2], returns[4] = 0.0, 0.0
    exponents = exponent_grid(7)[::9]
    table = np.array([[PowerMean(float(p)).value(row) for p in exponents] for row in returns])
    np.testing.assert_allclose(ratios(returns, exponents), table / table.max(axis=0), rtol=1e-9)


def test_where_nobody_can_gain_every_policy_is_the_best():
    shares = ratios(np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([-math.inf, 0.0, 1.0]))
    np.testing.assert_allclose(shares, [[1.0, 1.0, 0.5], [1.0, 1.0, 1.0]])


@pytest.mark.parametrize("share", [0.6, 0.95])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_choice_is_the_best_of_all_choices(k, share):
    returns = np.random.default_rng(5).uniform(0.05, 1.0, (9, 5))
    shares = ratios(returns, exponent_grid(5, share))
    best = max(shares[list(rows)].max(axis=0).min() for rows in itertools.combinations(range(9), k))
    made = handful.choose(returns, k, welfare=f"portfolio:{share}")
    assert made.is_proven
    assert made.welfare == pytest.approx(best, abs=1e-9)
    assert made.welfare_function == f"portfolio:{share}"
    assert shares[made.policies].max(axis=0).min() == pytest.approx(best)


def test_a_portfolio_of_a_budget_in_money():
    returns = np.array([[1.0, 1.0], [0.0, 3.0], [2.0, 2.0]])
    made = handful.choose(returns, welfare="portfolio", costs=[1.0, 1.0, 5.0], budget=2.0)
    assert made.price <= 2.0
    assert made.welfare == pytest.approx(0.5)  # half of the third policy's, for small exponents


def test_the_share_is_read_from_the_text():
    assert share_of("portfolio") == 0.95
    assert share_of("portfolio:0.6") == 0.6


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"welfare": "portfolio:much"}, "is a number"),
        ({"welfare": "portfolio:1"}, "between 0 and 1"),
        ({"welfare": "portfolio", "floors": 1.0}, "takes no floors"),
        ({"welfare": "portfolio", "groups": ["a", "b"]}, "takes no floors, groups"),
        ({"welfare": "portfolio", "outside": 0.5}, "takes no floors"),
    ],
)
def test_what_is_undefined_is_refused_in_one_sentence(settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.choose([[1.0, 2.0], [2.0, 1.0]], 1, **settings)


def test_negative_returns_and_a_single_user_are_refused():
    with pytest.raises(HandfulError, match="at least 0"):
        handful.choose([[1.0, -2.0]], 1, welfare="portfolio")
    with pytest.raises(HandfulError, match="at least 2 users"):
        handful.choose([[1.0], [2.0]], 1, welfare="portfolio")
