"""Which k of M policies serve the users best, by what they were seen to earn them.

The returns are estimates, so a proof of optimality would prove little: the choice is greedy, then
improved by single swaps until none helps. :mod:`handful.exact.facility` chooses with a proof.
"""

import numpy as np

from handful.types import NumpyArray


def choose_policies(returns: NumpyArray, num_policies: int) -> tuple[NumpyArray, NumpyArray]:
    """Choose ``num_policies`` different rows so that the users' mean best return is high.

    Greedy choice alone reaches at least 1 - 1/e of the best possible gain (Nemhauser, Wolsey and
    Fisher, 1978); the swaps only add to it.

    Args:
        returns: of M >= ``num_policies`` policies to N users, [M, N].
        num_policies: how many to choose.

    Returns:
        The chosen rows [K], and for each user the position among them of the best [N].
    """
    gains = returns - returns.min(axis=0)
    chosen: list[int] = []
    for _ in range(num_policies):
        chosen.append(_best_addition(gains, chosen))
    improved = True
    while improved:
        improved = False
        for place in range(num_policies):
            others = chosen[:place] + chosen[place + 1 :]
            candidate = [*chosen[:place], _best_addition(gains, others), *chosen[place + 1 :]]
            # The margin is above rounding error: equal choices must not be swapped for ever.
            if _total(gains, candidate) > _total(gains, chosen) * (1 + 1e-9):
                chosen, improved = candidate, True
    return np.array(chosen), returns[chosen].argmax(axis=0)


def _best_addition(gains: NumpyArray, chosen: list[int]) -> int:
    served = gains[chosen].max(axis=0, initial=0.0)
    totals = np.maximum(gains, served).sum(axis=1)
    totals[chosen] = -np.inf
    return int(totals.argmax())


def _total(gains: NumpyArray, chosen: list[int]) -> float:
    return float(gains[chosen].max(axis=0).sum())
