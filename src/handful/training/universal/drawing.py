"""The choice of k policies that each draw one of M candidates at the start of an episode.

What a policy that draws earns a user is the mean of what its parts earn. So users have other
utilities from it than from any candidate, and under a welfare that cares for those who get least
such policies may be worth more than the best k candidates.

Good parts are found by exchange: every part of every policy is tried in exchange for every
candidate, and the exchange that helps most is made, as long as one helps. A welfare that asks for
few users, such as the egalitarian one, sees no gain in most steps of a way that leads to one. So
exchanges are made before under power means, from the geometric mean to one that is nearly the
least, in which all users count. They begin with three choices: the best k candidates, each of them
all parts of a policy; k groups of users of the same size who are alike, each with a policy of its
own; and policies of half as many parts, each part twice. Users are in an order in which neighbours
are served by the same candidates (the second eigenvector of a graph of users, by which graphs are
cut; Shi and Malik, 2000).
"""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import numpy as np

from handful.training.fairness.worth import worth_to_users
from handful.training.run import Run
from handful.training.universal.chooser import Chooser
from handful.types import Array, NumpyArray

EXPONENTS = (0.0, -2.0, -8.0)
"""The power means under which parts are exchanged first."""

LEAST = 0.01
"""What everybody has besides in these power means, as a share of the range of returns, so that they
are defined where users have nothing."""

MOST_ROUNDS = 20
"""The most times that all parts of all policies are tried in exchange."""

GAIN = 1e-6
"""The least gain of an exchange, as a share of the range of what candidates earn."""

Worth = Callable[[NumpyArray], Array | NumpyArray]
"""What utilities of users are worth, from [..., N] to [...]."""


def drawn_choice(run: Run, returns: NumpyArray, num_policies: int, parts: int) -> NumpyArray:
    """Choose the parts of each policy of a run.

    Args:
        run: the run, with its users, welfare and floors.
        returns: what the candidates earn in features, [C, D].
        num_policies: ``K``.
        parts: ``M``, the number of parts of each policy.

    Returns:
        The candidates that each policy draws from, [K, M]; one may occur more than once.
    """
    chooser = Chooser.of(run)
    assert chooser.rows is not None
    values = chooser.values(returns)
    worth = jax.jit(worth_to_users(run, chooser.rows))
    best = np.resize(chooser.quick(returns, [num_policies])[0], num_policies)
    return best_parts(values, best, parts, worth)


def best_parts(values: NumpyArray, best: NumpyArray, parts: int, worth: Worth) -> NumpyArray:
    """Choose the parts of each policy, by exchanges from several starts.

    Args:
        values: what each candidate earns each user, [C, N].
        best: the candidates that are best for policies that do not draw, [K].
        parts: ``M``.
        worth: gives what utilities of all users are worth.

    Returns:
        The candidates that each policy draws from, [K, M].
    """
    starts = [np.repeat(best[:, None], parts, axis=1), parts_for_groups(values, len(best), parts)]
    if parts % 2 == 0 and parts > 2:  # few parts are found more surely than many
        starts.append(np.repeat(best_parts(values, best, parts // 2, worth), 2, axis=1))
    found = [exchanged(values, rows, worth) for start in starts for rows in _fairer(values, start)]
    return max(found, key=lambda rows: float(worth(utilities_of(values, rows))))


def parts_for_groups(values: NumpyArray, num_policies: int, parts: int) -> NumpyArray:
    """Return parts for groups of the same size of users who are alike, [K, M].

    Args:
        values: what each candidate earns each user, [C, N].
        num_policies: ``K``, from 1 to N.
        parts: ``M``.
    """
    chosen = []
    for users in np.array_split(order_of_users(values), num_policies):
        own = values[:, users]
        alone = np.full((1, parts), own.mean(axis=1).argmax())
        *_, fairest = _fairer(own, alone)
        chosen.append(fairest[0])
    return np.array(chosen)


def order_of_users(values: NumpyArray) -> NumpyArray:
    """Return all users in an order in which neighbours are served by the same candidates, [N].

    Args:
        values: what each candidate earns each user, [C, N].
    """
    gains = values - values.min(axis=0)
    sizes = np.linalg.norm(gains, axis=0)
    gains = gains / np.where(sizes > 0.0, sizes, 1.0)
    alike = gains.T @ gains
    degrees = alike.sum(axis=1)
    scale = 1.0 / np.sqrt(np.where(degrees > 0.0, degrees, 1.0))
    _, vectors = np.linalg.eigh(alike * scale[:, None] * scale)
    return np.argsort(vectors[:, -min(2, len(vectors))] * scale, kind="stable")


def _fairer(values: NumpyArray, start: NumpyArray) -> Iterator[NumpyArray]:
    """Yield parts [K, M], at first as they are, and then under ever fairer power means."""
    rows, least = start, values.min(axis=0)
    scale = float(np.ptp(values)) or 1.0
    yield rows
    for exponent in EXPONENTS:
        rows = exchanged(values, rows, partial(_power_mean, exponent, least, scale))
        yield rows


def _power_mean(
    exponent: float, least: NumpyArray, scale: float, utilities: NumpyArray
) -> NumpyArray:
    """Return a power mean of what users have above the least, on the scale of returns, [...]."""
    gains = (utilities - least) / scale + LEAST
    if exponent == 0.0:
        return np.asarray(scale * np.exp(np.log(gains).mean(axis=-1)))
    return np.asarray(scale * (gains**exponent).mean(axis=-1) ** (1.0 / exponent))


def exchanged(values: NumpyArray, rows: NumpyArray, worth: Worth) -> NumpyArray:
    """Exchange parts of policies for other candidates as long as what users get is worth more.

    Args:
        values: what each candidate earns each user, [C, N].
        rows: the candidates of each policy's parts, [K, M].
        worth: gives what utilities of all users are worth.

    Returns:
        The candidates of each policy's parts, [K, M].
    """
    rows, parts = rows.copy(), rows.shape[1]
    least = GAIN * (float(np.ptp(values)) or 1.0)
    earned = values[rows].mean(axis=1)
    best = float(worth(earned.max(axis=0)))
    for _ in range(MOST_ROUNDS):
        before = best
        for policy, part in np.ndindex(*rows.shape):
            others = np.delete(earned, policy, axis=0).max(axis=0, initial=-np.inf)
            own = earned[policy] + (values - values[rows[policy, part]]) / parts
            worths = np.asarray(worth(np.maximum(own, others)))
            candidate = int(worths.argmax())
            if worths[candidate] > best + least:
                best, rows[policy, part] = float(worths[candidate]), candidate
                earned[policy] = values[rows[policy]].mean(axis=0)
        if best <= before + least:
            break
    return rows


def utilities_of(values: NumpyArray, rows: NumpyArray) -> NumpyArray:
    """Return what each user has from the best of policies that draw, [N].

    Args:
        values: what each candidate earns each user, [C, N].
        rows: the candidates of each policy's parts, [K, M].
    """
    return values[rows].mean(axis=1).max(axis=0)
