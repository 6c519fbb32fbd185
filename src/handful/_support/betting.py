"""A test that may be looked at after every observation: its error holds at all times together.

A player bets that the mean of numbers from 0 to 1 is above a bound. If it is not, the player's
wealth is a supermartingale, and by Ville's inequality it ever reaches 1 / alpha with a probability
of at most alpha (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting,
JRSS B 2024).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BET = 0.75
"""The most of the wealth that one number can lose."""

Numbers = float | NDArray[Any]


class Bet:
    """A bet that the mean of numbers from 0 to 1 is above a bound, or many bets side by side.

    Args:
        bound: the bound, above 0; one that is 1 or more is never passed, and nothing is bet on it.
            An array makes a bet of its own for each of its entries.

    Attributes:
        count: the number of numbers so far.
        log_wealth: the natural logarithm of the wealth, which begins at 1.
        highest: the highest logarithm of the wealth so far.
    """

    def __init__(self, bound: Numbers) -> None:
        self._bound = bound
        self.count = 0
        self.log_wealth: Numbers = 0.0
        self.highest: Numbers = 0.0
        self._sum: Numbers = 0.0
        self._squares: Numbers = 0.25

    def add(self, value: Numbers, bound: Numbers | None = None) -> None:
        """Take in a number from 0 to 1. The bet on it was chosen before it was known.

        Args:
            value: the number, or one for each bet.
            bound: the bound of this number's own mean, if it is not the usual one: the bet then is
                that numbers are above their bounds on average.
        """
        bound = self._bound if bound is None else bound
        before = 0.5 - bound  # as if there had been one number, 1/2, with a variance of 1/4
        edge = (before + self._sum) / (self.count + 1)
        variance = self._squares / (self.count + 1)
        wanted = edge / (variance + edge**2)
        stake = np.minimum(np.maximum(wanted, 0.0), MOST_BET / bound) * (bound < 1.0)
        self.log_wealth = self.log_wealth + np.log1p(stake * (value - bound))
        self.highest = np.maximum(self.highest, self.log_wealth)
        self.count += 1
        self._sum = self._sum + (value - bound)
        mean = (before + self._sum) / (self.count + 1)
        self._squares = self._squares + (value - bound - mean) ** 2

    def add_all(self, values: NDArray[Any], bounds: NDArray[Any]) -> NDArray[Any]:
        """Take in several numbers of each bet, one after another, as :meth:`add` does.

        Args:
            values: the numbers, [W, *bets].
            bounds: the bound of each number's own mean, in the same shape.

        Returns:
            the logarithm of the wealth after each number, [W, *bets].
        """
        apart, number = values - bounds, len(values)
        so_far = (self.count + 1.0 + np.arange(number)).reshape(-1, *[1] * (values.ndim - 1))
        sums = _path(self._sum, apart)
        before = 0.5 - bounds  # as in `add`
        edge = (before + sums[:-1]) / so_far
        squares = _path(self._squares, (apart - (before + sums[1:]) / (so_far + 1.0)) ** 2)
        wanted = edge / (squares[:-1] / so_far + edge**2)
        stake = np.minimum(np.maximum(wanted, 0.0), MOST_BET / bounds) * (bounds < 1.0)
        wealth = _path(self.log_wealth, np.log1p(stake * apart))[1:]
        self.log_wealth, self._sum, self._squares = wealth[-1], sums[-1], squares[-1]
        self.highest = np.maximum(self.highest, wealth.max(axis=0))
        self.count += number
        return wealth

    def is_won(self, alpha: float) -> bool:
        """Return whether the mean is above the bound, with an error of alpha at all times.

        It is for a single bet; of many, each may err with this probability.
        """
        return bool(np.all(self.highest >= -math.log(alpha)))


def _path(first: Numbers, steps: NDArray[Any]) -> NDArray[Any]:
    """Return what a sum is before and after each step, [W + 1, *bets]."""
    begin = np.broadcast_to(np.asarray(first, float), (1, *steps.shape[1:]))
    return np.cumsum(np.concatenate([begin, steps]), axis=0)
