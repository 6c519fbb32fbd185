"""The market: the best funds in closed form, if all users are its investors.

The best k funds for investors of constant relative risk aversion, in closed form.

In regime s with mean excess returns m and covariance V, shares w are worth w.m - g w'Vw / 2 + t w.e
to an investor of risk aversion g and taste t for the assets e. All that a policy earns its users is
linear in (1, -g, t), so a group of users is served as its *mean* user is: by Merton's shares
V^-1 (m + t e) / g at the means of g and t, whatever the regime, and gets a user

    worth(g, t) = (A + 2 B t + C t^2) / (2 g),   A = E m'V^-1 m,  B = E m'V^-1 e,  C = E e'V^-1 e,

on average, with expectations over regimes, which no fund can change.

Why neighbours: suppose that the users' (g, t) lie on one line. A policy's return is then linear in
the place x on it, and each user takes the best of k such lines in x; the best of straight lines is
convex, and each of them is the best on one interval. So the groups of *any* k policies may be taken
to be intervals, and the best are found by dynamic programming over the sorted users. `worth` is
convex (a square over a linear function), so it has the inverse Monge property that makes this fast:
write F(n, G, T) = n worth(G/n, T/n) for a group with those sums. What neighbours A to the left add
to a group X is the integral of F'(X + sA).A over s in [0, 1]; F' depends on the mean of X + sA
alone, and F'.A falls as that mean moves away from the mean of A. A group that reaches further right
gains less from A.

Users off any line: give everybody a taste that is served to their wish. That leaves worth_i(z), a
quadratic in the fund's z = 1/g with A - B^2/C in place of A, plus a constant (B + C t)^2 / (2 C g)
a user, so the same program gives an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from handful.domains.market.environment import (
    FundFeatures,
    Market,
    best_shares,
    can_hold,
    sharpe_and_taste,
)
from handful.exact.bound import Optimum, nothing_known
from handful.exact.segments import best_segments
from handful.problem import RMDP


@dataclass(frozen=True)
class FundMarket:
    """The market as far as its best funds go: A, B and C of the module's text."""

    squared_sharpe: float
    cross: float
    squared_taste: float

    def __post_init__(self) -> None:
        positive = 0.0 < self.squared_sharpe < np.inf and 0.0 < self.squared_taste < np.inf
        limit = self.squared_sharpe * self.squared_taste * (1 + 1e-9)  # Cauchy and Schwarz
        if not (positive and self.cross**2 <= limit):
            raise ValueError(
                "No market has a squared Sharpe ratio, a cross term and a squared taste of "
                f"{self.squared_sharpe}, {self.cross} and {self.squared_taste}."
            )

    def worth(self, risk_aversion: np.ndarray, taste: np.ndarray) -> np.ndarray:
        """Return what each investor gets from the fund that suits them best."""
        return (self.squared_sharpe + 2 * self.cross * taste + self.squared_taste * taste**2) / (
            2 * risk_aversion
        )

    def returns(
        self, funds: np.ndarray, risk_aversion: np.ndarray, taste: np.ndarray
    ) -> np.ndarray:
        """Return the worth [K, N] to investors of funds made for (risk aversion, taste) [K, 2]."""
        made_for, made_to = funds[:, :1], funds[:, 1:]
        gain = self.squared_sharpe + self.cross * made_to
        pull = self.cross + self.squared_taste * made_to
        variance = self.worth(made_for, made_to) * 2 / made_for
        return (gain + pull * taste) / made_for - variance * risk_aversion / 2


def best_funds(
    market: FundMarket, risk_aversion: np.ndarray, taste: np.ndarray, num_policies: int
) -> Optimum:
    """Find the best `num_policies` funds for the investors, or a bound on them.

    Args:
        market: what the assets offer.
        risk_aversion: the risk aversion of each user, positive [N].
        taste: the taste of each user [N].
        num_policies: the budget k, from 1 to N.

    Returns:
        exact if the users' (risk aversion, taste) lie on one line or one policy serves them all,
        else an upper bound. Funds ascend in the risk aversion that they are made for.

    Raises:
        ValueError: if an argument is out of range.
    """
    risk_aversion = np.asarray(risk_aversion, dtype=np.float64)
    taste = np.asarray(taste, dtype=np.float64)
    if risk_aversion.ndim != 1 or risk_aversion.shape != taste.shape or not len(taste):
        raise ValueError("Risk aversions and tastes must both be [N], with N at least 1.")
    if not (np.isfinite([risk_aversion, taste]).all() and (risk_aversion > 0).all()):
        raise ValueError("Risk aversions must be finite and positive, and tastes finite.")
    if not 1 <= num_policies <= len(taste):
        raise ValueError(f"There must be 1 to {len(taste)} policies, got {num_policies}.")
    place = _on_a_line(risk_aversion, taste)
    if num_policies == 1 or place is not None:
        order = np.argsort(risk_aversion if place is None else place, kind="stable")
        return _exact(market, risk_aversion, taste, order, num_policies)
    return _bound(market, risk_aversion, taste, num_policies)


def _on_a_line(risk_aversion: np.ndarray, taste: np.ndarray) -> np.ndarray | None:
    """Return each user's place [N] on the line that they all lie on, if they do."""
    points = np.stack([risk_aversion, taste], axis=1)
    points = points - points.mean(axis=0)
    scale = np.abs(points).max(axis=0)
    points = points / np.where(scale > 0, scale, 1.0)
    _, spread, axes = np.linalg.svd(points, full_matrices=False)
    if len(spread) > 1 and spread[1] > 1e-9 * max(spread[0], 1.0):
        return None
    return points @ axes[0]


def _groups(
    market: FundMarket,
    risk_aversion: np.ndarray,
    taste: np.ndarray,
    order: np.ndarray,
    num_policies: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return each group's mean user [K, 2] and each user's group [N].

    The groups are the best neighbouring ones.
    """
    sums = np.stack([risk_aversion[order], taste[order]])
    sums = np.concatenate([np.zeros((2, 1)), np.cumsum(sums, axis=1)], axis=1)

    def gain(starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        users = stops - starts
        aversion, liking = (sums[:, stops] - sums[:, starts]) / users
        return users * market.worth(aversion, liking)

    firsts = best_segments(gain, len(order), num_policies)
    stops = np.append(firsts[1:], len(order))
    means = ((sums[:, stops] - sums[:, firsts]) / (stops - firsts)).T
    groups = np.empty(len(order), dtype=np.int64)
    groups[order] = np.repeat(np.arange(num_policies), stops - firsts)
    return means, groups


def _exact(
    market: FundMarket,
    risk_aversion: np.ndarray,
    taste: np.ndarray,
    order: np.ndarray,
    num_policies: int,
) -> Optimum:
    funds, _ = _groups(market, risk_aversion, taste, order, num_policies)
    funds = funds[np.lexsort((funds[:, 1], funds[:, 0]))]
    returns = market.returns(funds, risk_aversion, taste)
    same_taste = not np.any(taste)
    return Optimum(
        welfare=float(returns.max(axis=0).mean()),
        kind="exact",
        num_policies=num_policies,
        returns=returns,
        assignment=returns.argmax(axis=0),
        certificate=tuple((float(g),) if same_taste else (float(g), float(t)) for g, t in funds),
        explanation=(
            "What a fund is worth is linear in risk aversion (and taste), so a group of investors "
            "is best served by Merton's fund for its mean, and users on one line are best parted "
            f"into neighbours; of all ways to part them in {num_policies}, dynamic programming "
            "proves this the best. The certificate has the risk aversion (and taste) that each "
            "fund is made for."
        ),
        unit="relative risk aversion" if same_taste else "",
    )


def _bound(
    market: FundMarket, risk_aversion: np.ndarray, taste: np.ndarray, num_policies: int
) -> Optimum:
    left = market.squared_sharpe - market.cross**2 / market.squared_taste
    served = (market.cross + market.squared_taste * taste) ** 2
    constant = served / (2 * market.squared_taste * risk_aversion)
    order = np.argsort(risk_aversion, kind="stable")
    nothing = np.zeros_like(taste)
    if left > 0.0:
        rest = FundMarket(left, 0.0, 1.0)
        funds, _ = _groups(rest, risk_aversion, nothing, order, num_policies)
        returns = rest.returns(funds, risk_aversion, nothing) + constant
    else:  # the assets that are to taste are all that there is to hold
        funds = np.full((num_policies, 2), [risk_aversion.mean(), 0.0])
        returns = np.tile(constant, (num_policies, 1))
    return Optimum(
        welfare=float(returns.max(axis=0).mean()),
        kind="upper bound",
        num_policies=num_policies,
        returns=returns,
        assignment=returns.argmax(axis=0),
        certificate=tuple((float(g),) for g, _ in funds),
        explanation=(
            "Were every investor's taste served to their wish, only risk would be left to share, "
            "and no funds could do better; for risk alone, dynamic programming over the sorted "
            f"risk aversions proves these {num_policies} funds the best."
        ),
        unit="relative risk aversion",
    )


def solve(problem: RMDP, num_policies: int) -> Optimum:
    """Find the best funds for investors who judge whole episodes of the market.

    Args:
        problem: a problem whose environment is :class:`~handful.domains.market.environment.Market`.
        num_policies: the budget k.

    Raises:
        ValueError: if the problem has another environment or other users, for whom no optimum is
            known.
    """
    environment, population = problem.environment, problem.population
    coefficients = population.coefficients.astype(np.float64)
    if (
        not isinstance(environment, Market)
        or population.reward_fn is not None
        or population.features != FundFeatures(environment.time_limit)
        or not (coefficients[:, 0] == 1.0).all()
        or not (coefficients[:, 1] < 0.0).all()
    ):
        raise ValueError(nothing_known(problem.name, "investors who judge whole episodes"))
    risk_aversion, taste = -coefficients[:, 1], coefficients[:, 2]
    best = best_funds(FundMarket(*sharpe_and_taste()), risk_aversion, taste, num_policies)
    made_for = np.array([(*part, 0.0)[:2] for part in best.certificate])
    fits = all(can_hold(best_shares(aversion, liking)) for aversion, liking in made_for)
    if fits or best.kind == "upper bound":
        return best
    excess = " Some of these funds hold more than the task allows: this is an upper bound."
    return replace(best, kind="upper bound", explanation=best.explanation + excess)
