"""New users whose weights are known: each gets the policy that earns them most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.text import count
from handful.errors import HandfulError
from handful.routing.measured import Returns
from handful.routing.posterior import Posterior, best_probabilities, posterior
from handful.service import Service

NONE = -1
"""The number in the place of a policy's where no policy fits."""

HEADER = (
    "user",
    "policy",
    "confidence",
    "return",
    "stderr",
    "second",
    "margin",
    "margin_stderr",
    "least_probability",
)
"""The columns of a table of routes."""


@dataclass(frozen=True, eq=False)
class Routes:
    """Which policy serves each of ``N`` new users, and how sure that is.

    Attributes:
        users: the users' names [N].
        policy: int [N] the number of each user's policy; -1 where even the best earns less than the
            least that was asked for: no policy fits.
        best: int [N] the policy that earns each user most, whether it fits or not.
        confidence: [N] the probability that it is the best of all, given how exactly the policies
            were measured.
        value: [N] what it may be expected to earn the user in an episode, in the environment's
            units. Differences between policies that their errors explain are drawn together
            (:mod:`handful.routing.posterior`), so that it may differ from what was measured.
        stderr: [N] the standard error of that.
        second: int [N] the best of the other policies; -1 if there is no other.
        margin: [N] what the best earns more than the second; NaN if there is no other.
        margin_stderr: [N] the standard error of the margin; NaN if there is no other.
        probabilities: [N, K] the probability that each policy is the best; policies that are equal
            count as the best together, so that a row may sum to more than 1.
        least_probability: [N] the probability that the best one earns the least that was asked for;
            NaN if no least was.
    """

    users: tuple[str, ...]
    policy: NDArray[Any]
    best: NDArray[Any]
    confidence: NDArray[Any]
    value: NDArray[Any]
    stderr: NDArray[Any]
    second: NDArray[Any]
    margin: NDArray[Any]
    margin_stderr: NDArray[Any]
    probabilities: NDArray[Any]
    least_probability: NDArray[Any]

    @property
    def unserved(self) -> tuple[str, ...]:
        """The names of the users whom no policy fits."""
        return tuple(self.users[row] for row in np.flatnonzero(self.policy == NONE).tolist())

    def rows(self) -> Iterator[list[Any]]:
        """Yield a row of :data:`HEADER` for each user; what does not exist is None."""
        columns = (
            _or_none(self.policy),
            self.confidence.tolist(),
            self.value.tolist(),
            self.stderr.tolist(),
            _or_none(self.second),
            self.margin.tolist(),
            self.margin_stderr.tolist(),
            self.least_probability.tolist(),
        )
        for row in zip(self.users, *columns, strict=True):
            yield [None if isinstance(v, float) and np.isnan(v) else v for v in row]


def route(
    returns: Returns,
    weights: Any,
    users: Sequence[str] | None = None,
    least: float | Sequence[Any] | NDArray[Any] | None = None,
) -> Routes:
    """Give new users, whose weights are known, the policy that earns them most.

    Args:
        returns: the returns of the policies in reward features.
        weights: the weight of each user on each feature, [N, D]; [D] for one user.
        users: the users' distinct names [N]; by default their numbers.
        least: the return of an episode below which a policy does not fit, in the environment's
            units: one for all, or one for each user [N].

    Raises:
        HandfulError: if the weights, the names or the least do not fit.
    """
    rows = returns.rows(weights)
    number = len(rows)
    names = tuple(str(n) for n in range(number)) if users is None else tuple(map(str, users))
    if len(names) != number or len(set(names)) != number:
        raise HandfulError(
            f"users must be {count(number, 'distinct name')}, one for each row of weights."
        )
    bound = None if least is None else np.asarray(least, np.float64)
    if bound is not None and (bound.shape not in ((), (number,)) or not np.isfinite(bound).all()):
        raise HandfulError("least must be a finite number, or one for each user.")
    known = posterior(returns)
    service = _service(returns, known, names, rows)
    best = service.assignment
    margin, margin_stderr = service.margins()
    is_only = returns.num_policies == 1
    second = np.full(number, NONE) if is_only else service.second_policies()
    expected, covariance = known.of_users(rows)
    probabilities = best_probabilities(expected, covariance)
    value, each = service.utilities, np.arange(number)
    stderr = np.sqrt(np.maximum(covariance[each, best, best], 0.0))
    enough, policy = np.full(number, np.nan), best
    if bound is not None:
        policy = np.where(value < bound, NONE, best)
        enough = _above(value - bound, stderr)
    return Routes(
        names,
        policy,
        best,
        probabilities[each, best],
        value,
        stderr,
        second,
        margin,
        margin_stderr,
        probabilities,
        enough,
    )


def _or_none(policies: NDArray[Any]) -> list[int | None]:
    """Return policies' numbers, with None in the place of no policy."""
    return [None if k == NONE else k for k in policies.tolist()]


def _service(
    returns: Returns, known: Posterior, users: tuple[str, ...], weights: NDArray[Any]
) -> Service:
    """Return the policies in service of users, each with the one that earns them most."""
    nobody = Service(
        returns.source,
        tuple(str(k) for k in range(returns.num_policies)),
        known.mean,
        known.covariance,
        (),
        np.zeros((0, returns.num_features)),
        np.zeros(0, np.int64),
        returns.names,
        joint_covariance=known.joint_covariance,
    )
    return nobody.for_users(users, weights)


def _above(difference: NDArray[Any], stderr: NDArray[Any]) -> NDArray[Any]:
    """Return the probability that a difference, measured with an error, is not below 0."""
    certain = (difference >= 0).astype(np.float64)
    ratio = np.divide(difference, stderr, out=np.zeros(len(stderr)), where=stderr > 0)
    return np.where(stderr > 0, normal_cdf(ratio), certain)


def normal_cdf(values: NDArray[Any]) -> NDArray[Any]:
    """Return the standard normal distribution function.

    NumPy has no error function. This is the approximation 26.2.17 of Abramowitz and Stegun
    (Handbook of Mathematical Functions, 1964), whose error is below 7.5e-8.
    """
    size = np.abs(values)
    t = 1.0 / (1.0 + 0.2316419 * size)
    series = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    tail = np.exp(-(size**2) / 2) / np.sqrt(2 * np.pi) * np.polyval([*series[::-1], 0.0], t)
    return np.where(values >= 0, 1.0 - tail, tail)
