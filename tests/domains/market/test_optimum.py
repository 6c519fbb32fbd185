"""The best funds: Merton's closed form for one, every partition for few, and bounds that bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from handful.domains.market.optimum import FundMarket, best_funds

MARKET = FundMarket(squared_sharpe=0.14, cross=0.6, squared_taste=34.0)
AVERSIONS = st.lists(st.floats(1.0, 10.0), min_size=1, max_size=6)


def partitions(users):
    """Every way to part a list into groups."""
    if not users:
        yield []
        return
    first, *others = users
    for parts in partitions(others):
        yield [[first], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [first, *part], *parts[i + 1 :]]


def brute_force(aversion, taste, num_policies):
    """The best welfare over all partitions, each group served as its mean user is."""

    def worth(part):
        liking = taste[part].mean()
        squared = 0.14 + 2 * 0.6 * liking + 34.0 * liking**2
        return len(part) * squared / (2 * aversion[part].mean())

    return max(
        sum(map(worth, parts)) / len(aversion)
        for parts in partitions(list(range(len(aversion))))
        if len(parts) <= num_policies
    )


def test_one_investor_gets_mertons_fund():
    best = best_funds(MARKET, np.array([2.0]), np.array([0.0]), 1)
    assert (best.kind, best.certificate) == ("exact", ((2.0,),))
    assert best.welfare == pytest.approx(0.14 / 4)


def test_two_who_share_get_the_fund_of_their_mean():
    best = best_funds(MARKET, np.array([1.0, 3.0]), np.zeros(2), 1)
    assert best.certificate == ((2.0,),)
    # Each gets 0.14 (1 / 2 - g / 8).
    np.testing.assert_allclose(best.returns, [[0.14 * 3 / 8, 0.14 / 8]])


@given(AVERSIONS, st.data())
@settings(max_examples=50)
def test_no_partition_is_better(aversion, data):
    aversion = np.array(aversion)
    num_policies = data.draw(st.integers(1, len(aversion)))
    slope = data.draw(st.sampled_from([0.0, 0.001, -0.002]))
    taste = slope * (aversion - 4.0)
    best = best_funds(MARKET, aversion, taste, num_policies)
    assert best.kind == "exact"
    assert best.welfare == pytest.approx(brute_force(aversion, taste, num_policies))
    served = best.returns[best.assignment, np.arange(len(aversion))]
    assert served.mean() == pytest.approx(best.welfare)


@given(AVERSIONS, st.data())
@settings(max_examples=50)
def test_off_the_line_the_bound_holds_and_one_policy_is_exact(aversion, data):
    aversion = np.array(aversion)
    tastes = st.lists(st.floats(-0.01, 0.01), min_size=len(aversion), max_size=len(aversion))
    taste = np.array(data.draw(tastes))
    for num_policies in range(1, len(aversion) + 1):
        best = best_funds(MARKET, aversion, taste, num_policies)
        reached = brute_force(aversion, taste, num_policies)
        if best.kind == "exact":
            assert best.welfare == pytest.approx(reached)
        else:
            assert num_policies > 1
            assert best.welfare >= reached - 1e-12
    assert best_funds(MARKET, aversion, taste, 1).kind == "exact"


def test_the_bound_is_everybodys_own_optimum_where_all_have_a_fund():
    aversion, taste = np.array([1.0, 2.0, 4.0]), np.array([0.001, -0.004, 0.002])
    best = best_funds(MARKET, aversion, taste, 3)
    assert best.kind == "upper bound"
    assert best.welfare == pytest.approx(MARKET.worth(aversion, taste).mean())


def test_shares_that_need_not_be_mertons_are_no_better():
    """Free search over what two funds hold, in two regimes: it ends at the best funds or below."""
    rng = np.random.default_rng(0)
    chances = np.array([0.7, 0.3])
    means = np.array([[0.02, 0.05], [0.01, 0.09]])
    covariances = np.array([[[0.01, 0.002], [0.002, 0.03]], [[0.02, -0.005], [-0.005, 0.08]]])
    aversion = np.array([1.0, 1.5, 4.0, 6.0])
    squared = np.einsum("sa,sab,sb->s", means, np.linalg.inv(covariances), means)
    best = best_funds(FundMarket(float(chances @ squared), 0.0, 1.0), aversion, np.zeros(4), 2)

    def loss(flat):
        shares = flat.reshape(2, 2, 2)  # funds, regimes, assets
        gain = np.einsum("s,ksa,sa->k", chances, shares, means)
        variance = np.einsum("s,ksa,sab,ksb->k", chances, shares, covariances, shares)
        return -np.max(gain[:, None] - variance[:, None] * aversion / 2, axis=0).mean()

    found = [
        -minimize(loss, rng.normal(0, 2, 8), method="Nelder-Mead", options={"maxiter": 9000}).fun
        for _ in range(4)
    ]
    assert max(found) <= best.welfare + 1e-9
    assert max(found) == pytest.approx(best.welfare, rel=0.01)


def test_a_hundred_thousand_investors():
    aversion = np.random.default_rng(0).uniform(1, 10, 100_000)
    best = best_funds(MARKET, aversion, np.zeros(100_000), 5)
    again = best_funds(MARKET, np.repeat(aversion[:1000], 3), np.zeros(3000), 5)
    assert best.kind == "exact"
    assert again.welfare == pytest.approx(
        best_funds(MARKET, aversion[:1000], np.zeros(1000), 5).welfare
    )


@pytest.mark.parametrize(
    ("aversion", "taste", "num_policies", "sentence"),
    [
        ([], [], 1, "N at least 1"),
        ([1.0, 2.0], [0.0], 1, r"both be \[N\]"),
        ([1.0, 0.0], [0.0, 0.0], 1, "positive"),
        ([1.0, 2.0], [0.0, np.nan], 1, "tastes finite"),
        ([1.0, 2.0], [0.0, 0.0], 3, "1 to 2 policies"),
    ],
)
def test_bad_input_is_one_clear_sentence(aversion, taste, num_policies, sentence):
    with pytest.raises(ValueError, match=sentence):
        best_funds(MARKET, np.array(aversion), np.array(taste), num_policies)


@pytest.mark.parametrize("numbers", [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (1.0, 2.0, 1.0)])
def test_a_market_that_cannot_be(numbers):
    with pytest.raises(ValueError, match="No market"):
        FundMarket(*numbers)
