"""The market: hand-computed months, regimes and wealth as promised, and its closed-form optimum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.domains.market.environment import (
    LARGEST_SHARE,
    MEANS,
    SAFE_RATE,
    VOLATILITIES,
    FundFeatures,
    Market,
    MarketState,
    best_shares,
    can_hold,
    covariances,
    regime_shares,
    sharpe_and_taste,
)
from handful.errors import HandfulError

KEY = jax.random.key(0)


def state_in(regime):
    return MarketState(jnp.array(regime, jnp.int32), jnp.zeros(()), jnp.zeros((), jnp.int32))


def test_a_month_by_hand():
    shares = np.array([0.5, -0.2, 1.0])
    for regime in (0, 1):
        _, taken = jax.jit(Market().step)(KEY, state_in(regime), jnp.array(shares))
        outcome = taken.outcome
        variance = shares @ covariances()[regime] @ shares
        assert outcome.expected == pytest.approx(shares @ np.array(MEANS)[regime])
        assert outcome.variance == pytest.approx(variance, rel=1e-5)
        features = np.asarray(FundFeatures(60)(outcome))
        expected = np.array([outcome.expected, variance / 2, 1.0]) * 100 / 60
        np.testing.assert_allclose(features, expected, rtol=1e-5)


def test_covariances_are_those_of_a_market():
    for matrix, volatility in zip(covariances(), VOLATILITIES, strict=True):
        np.testing.assert_allclose(np.sqrt(np.diag(matrix)), volatility)
        assert np.linalg.eigvalsh(matrix).min() > 0


def test_wealth_has_the_luck_that_rewards_leave_out():
    """E W^(1-g) of one month gives back the certainty equivalent that rewards are made of."""
    shares, aversion = jnp.array([0.3, 0.4, 0.2]), 3.0
    step = jax.jit(jax.vmap(lambda key: Market().step(key, state_in(1), shares)[1].outcome))
    outcome = step(jax.random.split(KEY, 200_000))
    wealth = np.asarray(outcome.wealth, np.float64)
    certain = np.log(np.mean(wealth ** (1 - aversion))) / (1 - aversion) * 12
    expected = SAFE_RATE + outcome.expected[0] - aversion / 2 * outcome.variance[0]
    assert certain == pytest.approx(float(expected), abs=0.003)
    assert wealth.std() > 0.02


def test_regimes_are_as_likely_at_first_as_later():
    def play(key):
        state, _ = Market().reset(key)

        def step(state, key):
            state, taken = Market().step(key, state, jnp.zeros(3))
            return state, (taken.outcome.regime, taken.observation, taken.truncated)

        return jax.lax.scan(step, state, jax.random.split(key, 60))[1]

    regimes, observations, truncated = jax.jit(jax.vmap(play))(jax.random.split(KEY, 4000))
    for month in (0, 30, 59):
        assert regimes[:, month].mean() == pytest.approx(regime_shares()[1], abs=0.025)
    # What is observed is the month to come.
    np.testing.assert_array_equal(observations[:, :-1].argmax(-1), regimes[:, 1:])
    assert truncated[:, -1].all()
    assert not truncated[:, :-1].any()


def rebalanced(problem, funds, num_episodes=400):
    """Welfare of users who take the best of the funds (risk aversion, taste), played out."""
    shares = jnp.asarray([best_shares(*fund) for fund in funds], jnp.float32)  # [K, S, 3]

    def play(key, shares):
        state, observation = problem.environment.reset(key)

        def step(carry, key):
            state, regime = carry
            state, taken = problem.environment.step(key, state, shares[regime])
            return (state, taken.observation.argmax()), problem.population.features(taken.outcome)

        carry = (state, observation.argmax())
        return jnp.sum(jax.lax.scan(step, carry, jax.random.split(key, 60))[1], axis=0)

    keys = jax.random.split(KEY, num_episodes)
    features = jax.jit(jax.vmap(jax.vmap(play, (0, None)), (None, 0)))(keys, shares)
    returns = problem.population.returns(np.asarray(features, np.float64).mean(axis=1))
    return returns.max(axis=0).mean()


@pytest.mark.parametrize("num_policies", [1, 3])
def test_the_optimum_is_reached_by_its_own_funds(num_policies):
    problem = handful.make("market", users=30, population_seed=100)
    best = handful.optimum(problem, num_policies)
    assert (best.kind, best.unit) == ("exact", "relative risk aversion")
    funds = [(aversion, 0.0) for (aversion,) in best.certificate]
    # Regimes are worth nearly the same, so little is left to chance.
    assert rebalanced(problem, funds) == pytest.approx(best.welfare, rel=0.005)
    spoilt = [(1.5 * aversion, 0.0) for aversion, _ in funds]
    assert rebalanced(problem, spoilt) < 0.99 * best.welfare


def test_an_investors_own_fund_is_worth_the_closed_form():
    problem = handful.make("market", population={"risk_aversion": [4.0], "taste": [0.003]})
    best = handful.optimum(problem, 1)
    squared, cross, liking = sharpe_and_taste()
    # In percent, with the taste a hundredth of itself.
    assert best.welfare == pytest.approx((squared + 2 * cross * 0.003 + liking * 0.003**2) / 8)
    assert best.certificate[0] == pytest.approx((4.0, 0.003))
    assert rebalanced(problem, [(4.0, 0.003)]) == pytest.approx(best.welfare, rel=0.01)


def test_sampled_investors_are_all_within_what_may_be_held():
    problem = handful.make("market", users=500)
    aversion = problem.population.attributes["risk_aversion"]
    assert aversion.min() >= 1.0
    assert aversion.max() <= 10.0
    assert can_hold(best_shares(1.0, 0.0))
    assert can_hold(best_shares(10.0, 0.0))
    assert handful.make("market", users=500, taste=0.002).population.attributes["taste"].std() > 0


def test_users_of_many_tastes_have_a_bound():
    problem = handful.make("market", users=20, taste=0.01)
    assert handful.optimum(problem, 1).kind == "exact"
    assert handful.optimum(problem, 3).kind == "upper bound"


def test_funds_out_of_reach_are_only_a_bound():
    problem = handful.make("market", population={"risk_aversion": [0.3, 0.5]})
    assert best_shares(0.4, 0.0).max() > LARGEST_SHARE
    best = handful.optimum(problem, 1)
    assert best.kind == "upper bound"
    assert "more than the task allows" in best.explanation


def test_others_in_the_market_have_no_optimum():
    problem = handful.make("market", users=3)
    strangers = handful.Population(np.ones((3, 3)), FundFeatures(60))
    for population in (strangers, handful.Population(np.ones((3, 3)), FundFeatures(30))):
        with pytest.raises(HandfulError, match="Neither an exact optimum nor a bound"):
            handful.optimum(handful.RMDP(problem.environment, population), 1)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"users": 0}, "at least one user"),
        ({"population_seed": -1}, "seed must be 0 or more"),
        ({"taste": -0.1}, "from 0 to 1, not -0.1"),
        ({"months": 0}, "at least 1 month"),
        ({"population": {"risk_aversion": [0.0]}}, "in column 'risk_aversion' of row 1"),
        ({"population": {"taste": [0.0]}}, "no column 'risk_aversion'"),
    ],
)
def test_what_cannot_be_is_one_clear_sentence(parameters, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.make("market", **parameters)
