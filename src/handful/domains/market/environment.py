"""Funds for investors: a market of three assets that is calm or turbulent.

A policy is a fund that many investors share. Every month it sees which regime the market is in and
says what share of wealth it holds in bonds, stocks and green stocks (clean energy, say); the rest
is in cash, or borrowed. Within the month the shares are held constant, so with excess returns of
mean :math:`\\mu_s` and covariance :math:`\\Sigma_s` a year in regime ``s`` wealth is log-normal,
and an investor of constant relative risk aversion :math:`\\gamma` values shares ``w`` as much as a
safe rate above cash (the certainty equivalent of the month; Merton, 1969) of

.. math:: w \\cdot \\mu_s - \\gamma \\, w \\Sigma_s w / 2 .

An investor with a taste for green stocks adds :math:`\\theta` for every unit of wealth held in
them, as in Pástor, Stambaugh & Taylor (2021). **That value is the reward**: the expectation of what
the month is worth given the shares, and not the month's luck. It is linear in three features:
expected excess return, variance and the green share. Realised wealth is in the outcome.

Regimes follow a Markov chain that shares nothing with the returns' shocks, so no fund can hedge
against a change of regime, and the shares that are best month by month are also best for expected
utility of wealth at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful.environment import Box, TimeStep
from handful.population import Population
from handful.types import Array, Float, Int, NumpyArray, PRNGKey

ASSETS = ("bonds", "stocks", "green stocks")
REGIMES = ("calm", "turbulent")
MONTHS_A_YEAR = 12
PERCENT = 100.0

SAFE_RATE = 0.02
"""The return of cash, per year."""

MEANS = ((0.010, 0.045, 0.055), (0.012, 0.065, 0.080))
"""The expected return above cash, per year, [S, assets]."""

VOLATILITIES = ((0.05, 0.14, 0.20), (0.07, 0.26, 0.34))
"""The standard deviation of returns, per year, [S, assets]."""

CORRELATIONS = ((0.1, 0.0, 0.6), (-0.3, -0.2, 0.7))
"""The correlations of bonds with stocks, bonds with green stocks and both stocks, [S, 3]."""

LEAVES = (0.04, 0.12)
"""The chance to leave each regime in a month: two years of calm to eight months of turbulence."""

LEAST_SHARE, LARGEST_SHARE = -2.0, 6.0

RISK_AVERSIONS = (1.0, 10.0)
"""The range of sampled investors' risk aversions: from logarithmic utility to what Mehra & Prescott
(1985) called the largest plausible value."""


class MarketState(NamedTuple):
    """The regime (0 calm, 1 turbulent), the logarithm of wealth, and the months passed."""

    regime: Int[Array, ""]
    log_wealth: Float[Array, ""]
    month: Int[Array, ""]


class FundOutcome(NamedTuple):
    """What a month was worth.

    Attributes:
        shares: the shares of wealth in each asset [3].
        regime: the regime that the month was in.
        expected: the excess return over cash that was to be expected, per year.
        variance: the variance of the excess return in a year.
        green: the share of wealth in green stocks.
        wealth: the wealth at the end of the month, where the wealth at the start of the episode is
            1. It includes luck.
    """

    shares: Float[Array, " 3"]
    regime: Int[Array, ""]
    expected: Float[Array, ""]
    variance: Float[Array, ""]
    green: Float[Array, ""]
    wealth: Float[Array, ""]


@dataclass(frozen=True)
class Market:
    """The market over five years, by months. The coming month's regime is observed, one-hot."""

    time_limit: int = 60
    observation_size: int = len(REGIMES)

    @property
    def action_space(self) -> Box:
        """An action holds shares of wealth, from sold short to bought on credit."""
        return Box((LEAST_SHARE,) * len(ASSETS), (LARGEST_SHARE,) * len(ASSETS))

    def reset(self, key: PRNGKey) -> tuple[MarketState, Float[Array, " 2"]]:
        """Begin with wealth 1, in a regime drawn as often as it occurs in the long run."""
        regime = jax.random.bernoulli(key, regime_shares()[1]).astype(jnp.int32)
        state = MarketState(regime, jnp.zeros(()), jnp.zeros((), jnp.int32))
        return state, jax.nn.one_hot(regime, len(REGIMES))

    def step(
        self, key: PRNGKey, state: MarketState, action: Float[Array, " 3"]
    ) -> tuple[MarketState, TimeStep]:
        """Hold the shares for a month."""
        shock_key, regime_key = jax.random.split(key)
        mean = jnp.asarray(MEANS)[state.regime]
        covariance = jnp.asarray(covariances(), dtype=jnp.float32)[state.regime]
        expected = action @ mean
        variance = action @ covariance @ action
        drift = (SAFE_RATE + expected - variance / 2) / MONTHS_A_YEAR
        shock = jnp.sqrt(variance / MONTHS_A_YEAR) * jax.random.normal(shock_key)
        leaves = jax.random.bernoulli(regime_key, jnp.asarray(LEAVES)[state.regime])
        state_after = MarketState(
            jnp.where(leaves, 1 - state.regime, state.regime),
            state.log_wealth + drift + shock,
            state.month + 1,
        )
        outcome = FundOutcome(
            action, state.regime, expected, variance, action[2], jnp.exp(state_after.log_wealth)
        )
        observation = jax.nn.one_hot(state_after.regime, len(REGIMES))
        over = state_after.month >= self.time_limit
        return state_after, TimeStep(observation, outcome, jnp.zeros((), bool), over)


@dataclass(frozen=True)
class FundFeatures:
    """The features excess return, half variance and green share: percent a year, averaged.

    Summed over an episode of ``months`` they are its mean, so that an investor's return is the safe
    rate above cash, in percent a year, that the fund is worth to them.
    """

    months: int

    def __call__(self, outcome: FundOutcome) -> Float[Array, " 3"]:
        """Return the features [3] of one month."""
        rates = jnp.stack([outcome.expected, outcome.variance / 2, outcome.green])
        return PERCENT / self.months * rates


def covariances() -> NumpyArray:
    """Return the covariances of the assets' returns a year, [S, assets, assets]."""
    matrices = []
    for volatility, (first, second, third) in zip(VOLATILITIES, CORRELATIONS, strict=True):
        correlation = np.array([[1, first, second], [first, 1, third], [second, third, 1]])
        matrices.append(np.outer(volatility, volatility) * correlation)
    return np.array(matrices)


def regime_shares() -> NumpyArray:
    """Return how likely each regime is in the long run, [S]."""
    calm, turbulent = LEAVES
    return np.array([turbulent, calm]) / (calm + turbulent)


def best_shares(risk_aversion: float, taste: float) -> NumpyArray:
    """Return the shares [S, assets] that suit an investor best (Merton, 1969), allowed or not."""
    wanted = np.array(MEANS) + np.array([0.0, 0.0, taste])
    return np.linalg.solve(covariances(), wanted[..., None])[..., 0] / risk_aversion


def can_hold(shares: NumpyArray) -> bool:
    """Say whether the shares [..., assets] lie in the action space."""
    return bool(((shares >= LEAST_SHARE) & (shares <= LARGEST_SHARE)).all())


def sharpe_and_taste() -> tuple[float, float, float]:
    """Return what the market offers on average over regimes, in percent a year.

    The squared Sharpe ratio of all assets, what a taste adds to it to first order, and to second:
    ``A``, ``B`` and ``C`` of :mod:`handful.domains.market.optimum`.
    """
    green = np.array([0.0, 0.0, 1.0])
    for_return, for_taste = (
        np.linalg.solve(covariances(), np.broadcast_to(wanted, (len(REGIMES), 3))[..., None])
        for wanted in (np.array(MEANS), green)
    )
    by_regime = (
        np.einsum("sa,sab->s", np.array(MEANS), for_return),
        np.einsum("sa,sab->s", np.array(MEANS), for_taste),
        np.einsum("a,sab->s", green, for_taste),
    )
    first, second, third = (PERCENT * float(regime_shares() @ part) for part in by_regime)
    return first, second, third


def investors(
    risk_aversion: NumpyArray,
    taste: NumpyArray,
    months: int,
    user_ids: tuple[str, ...] = (),
    labels: Mapping[str, NumpyArray] | None = None,
) -> Population:
    """Make the investors with these risk aversions [N] and tastes [N] (a year, per unit held)."""
    return Population(
        np.stack([np.ones_like(risk_aversion), -risk_aversion, taste], axis=1),
        FundFeatures(months),
        user_ids,
        attributes={"risk_aversion": risk_aversion, "taste": taste, **(labels or {})},
        feature_names=("excess return", "half variance", "green share"),
    )
