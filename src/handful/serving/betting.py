"""A test that may be looked at after every observation: its error holds at all times together.

A player bets that the mean of numbers from 0 to 1 is above a bound. If it is not, the player's
wealth is a supermartingale, and by Ville's inequality it ever reaches 1 / alpha with a probability
of at most alpha (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting,
JRSS B 2024).
"""

import math

MOST_BET = 0.75
"""The most of the wealth that one number can lose."""


class Bet:
    """A bet that the mean of numbers from 0 to 1 is above a bound.

    Args:
        bound: the bound, above 0 and below 1.

    Attributes:
        count: the number of numbers so far.
        log_wealth: the natural logarithm of the wealth, which begins at 1.
        highest: the highest logarithm of the wealth so far.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self.count, self.log_wealth, self.highest = 0, 0.0, 0.0
        self._sum, self._squares = 0.5, 0.25  # as if there had been one number, 1/2, with variance

    def add(self, value: float) -> None:
        """Take in a number from 0 to 1. The bet on it was chosen before it was known."""
        mean = self._sum / (self.count + 1)
        edge = mean - self._bound
        variance = self._squares / (self.count + 1)
        wanted = edge / (variance + edge**2)
        stake = min(max(wanted, 0.0), MOST_BET / self._bound)
        self.log_wealth += math.log1p(stake * (value - self._bound))
        self.highest = max(self.highest, self.log_wealth)
        self.count += 1
        self._sum += value
        self._squares += (value - self._sum / (self.count + 1)) ** 2

    def is_won(self, alpha: float) -> bool:
        """Return whether the mean is above the bound, with an error of alpha at all times."""
        return self.highest >= -math.log(alpha)
