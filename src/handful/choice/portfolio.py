"""A portfolio of policies for one planner who does not know yet which welfare will be wanted.

In *Navigating the Social Welfare Frontier* (Kim, Moondra, Verma, Pollack, Kong, Tambe and Gupta,
ICML 2025) every user gets the same policy, and the exponent p of the power mean is chosen later. A
portfolio J is as good as its worst ratio over exponents,

    min_p  max_{j in J} M_p(v_j) / max_j M_p(v_j).

With exponents in the place of users and the ratios in the place of returns, this is the egalitarian
choice (:mod:`handful.choice.egalitarian`), which is exact. The grid of exponents is the authors'
own, as their code has it (``generate_p_grid``); its alpha is 0.95 for their disaster table and 0.6
for their healthcare table. ``studies/portfolios.py`` compares with both.
"""

from __future__ import annotations

import math

import numpy as np

from handful.errors import HandfulError

NAME = "portfolio"
"""The name by which :func:`handful.choose` knows this objective."""

NUM_EXPONENTS = 500
"""The exponents of the authors' grid, with 0."""

USUAL_SHARE = 0.95
"""The authors' alpha for their disaster table, and ours if none is given."""


def exponent_grid(num_users: int, share: float = USUAL_SHARE) -> np.ndarray:
    """Give the authors' grid of exponents, ascending.

    At p_m = -ln N / ln(1 / share) the power mean is at most 1 / share times the minimum. One half
    of the grid lies below, from minus infinity on, evenly in 1 / p; the other half evenly from p_m
    to 1; and p = 0 is added.

    Args:
        num_users: ``N``, at least 2.
        share: alpha, between 0 and 1.

    Returns:
        the exponents.

    Raises:
        HandfulError: if the share or the number of users is out of range.
    """
    if not 0.0 < share < 1.0 or num_users < 2:
        raise HandfulError(
            "A portfolio of welfare functions needs at least 2 users and a share between 0 and 1."
        )
    middle = -math.log(num_users) / math.log(1.0 / share)
    half = NUM_EXPONENTS // 2
    inverse = np.linspace(0.0, 1.0 / middle, half)
    below = np.append(-np.inf, 1.0 / inverse[1:])
    return np.unique(np.concatenate([below, np.linspace(middle, 1.0, half), [0.0]]))


def ratios(returns: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Give the power means of each policy as shares of the best policy's.

    Args:
        returns: the returns [M, N], at least 0.
        exponents: the exponents [P].

    Returns:
        the shares, [M, P]; 1 for all policies where the best power mean is 0.

    Raises:
        HandfulError: if a return is negative, for which power means are not defined.
    """
    if returns.min() < 0.0:
        raise HandfulError(
            "A portfolio of welfare functions needs returns of at least 0: subtract what everybody "
            "has without a policy."
        )
    table = np.array([_power_means(returns, float(p)) for p in exponents]).T
    best = table.max(axis=0)
    return np.where(best > 0.0, table / np.where(best > 0.0, best, 1.0), 1.0)


def _power_means(returns: np.ndarray, exponent: float) -> np.ndarray:
    """Return the power mean of each row, [M], with equal weights, of returns of at least 0."""
    least = returns.min(axis=1)
    if exponent == -math.inf:
        return least
    means = np.zeros(len(returns))
    some = returns[least > 0.0] if exponent <= 0.0 else returns
    if exponent == 0.0:
        made = np.exp(np.log(some).mean(axis=1))
    else:
        # Divided by the largest or smallest return, no power overflows.
        scale = some.max(axis=1) if exponent > 0.0 else some.min(axis=1)
        scale = np.where(scale > 0.0, scale, 1.0)
        powers = ((some / scale[:, None]) ** exponent).mean(axis=1)
        made = scale * powers ** (1.0 / exponent)
    means[least > 0.0 if exponent <= 0.0 else slice(None)] = made
    return means


def share_of(welfare: str) -> float:
    """Read alpha from ``portfolio`` or ``portfolio:0.95``."""
    _, _, text = welfare.partition(":")
    try:
        return float(text) if text else USUAL_SHARE
    except ValueError:
        raise HandfulError(
            f"A portfolio's share is a number, as in portfolio:0.95, not '{text}'."
        ) from None
