"""How two services differ: which policies, for whom, by how much, and whether it can be released.

A user's difference is what their policy of the second service earns them more than that of the
first, by the wishes that they have in the second. Where both policies are the same, to the last
bit, the difference is nothing at all, whatever two measurements say. Elsewhere it has a standard
error: by pairs of episodes if both were measured with the same chance, and else as if the
measurements knew nothing of each other. Intervals are normal ones.
"""

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from handful.errors import HandfulError
from handful.service.served import Numbers, Service

SAME, MOVED, REPLACED = "same", "moved", "replaced"
"""What became of a user: the very same policy serves them; another one, although theirs is still
there; or another one, as theirs is no longer there."""

NON_INFERIOR, INFERIOR, UNDECIDED = "non-inferior", "inferior", "undecided"

USUAL_MARGIN = 0.01
"""The share of the first service's welfare that may be lost, unless the caller names a margin."""

MOST_LISTED = 10_000
"""The most users in a record; of more, those who lose or gain most are named."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a second service changes for the users of both.

    Attributes:
        before, after: the two services.
        users: the names of the users of both [n]; the arrays below are in their order.
        new_users, gone_users: the names of the users of one service only.
        old_policy, new_policy: int [n] the numbers of each user's policies.
        fate: what became of each user [n]: ``same``, ``moved`` or ``replaced``.
        difference: [n] what each user earns more in the second service.
        stderr: [n] its standard errors.
        welfare_before, welfare_after: the mean of what these users earn.
        welfare_difference: the difference, in which policies that are the same count nothing.
        welfare_stderr: its standard error.
        sources: for each policy of the second service the number of the same policy in the first,
            or None if it is not there.
        is_paired: whether the services are compared episode by episode.
        num_changed_wishes: how many of the users want something else than before.
        margin: the loss of welfare that is accepted.
        confidence: the confidence of the intervals.
    """

    before: Service
    after: Service
    users: tuple[str, ...] = field(repr=False)
    new_users: tuple[str, ...] = field(repr=False)
    gone_users: tuple[str, ...] = field(repr=False)
    old_policy: Numbers = field(repr=False)
    new_policy: Numbers = field(repr=False)
    fate: Numbers = field(repr=False)
    difference: Numbers = field(repr=False)
    stderr: Numbers = field(repr=False)
    welfare_before: float
    welfare_after: float
    welfare_difference: float
    welfare_stderr: float
    sources: tuple[int | None, ...]
    is_paired: bool
    num_changed_wishes: int
    margin: float
    confidence: float

    @property
    def _width(self) -> float:
        return NormalDist().inv_cdf(0.5 + self.confidence / 2.0)

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the difference of welfare."""
        reach = self._width * self.welfare_stderr
        return self.welfare_difference - reach, self.welfare_difference + reach

    @property
    def intervals(self) -> Numbers:
        """[n, 2] the interval of each user's difference, each for itself."""
        reach = self._width * self.stderr
        return np.stack([self.difference - reach, self.difference + reach], axis=1)

    @property
    def verdict(self) -> str:
        """Whether the second service is as good as the first, but for the margin.

        Returns:
            ``non-inferior`` if the whole interval of the welfare's difference lies above minus the
            margin, ``inferior`` if the whole of it lies below, and else ``undecided``: more
            evaluation episodes may decide it.
        """
        low, high = self.interval
        if low >= -self.margin:
            return NON_INFERIOR
        return INFERIOR if high < -self.margin else UNDECIDED

    @property
    def losers(self) -> Numbers:
        """The positions of the users who lose beyond chance, who lose most first."""
        return self._beyond_chance(self.intervals[:, 1] < 0.0, self.difference)

    @property
    def gainers(self) -> Numbers:
        """The positions of the users who gain beyond chance, who gain most first."""
        return self._beyond_chance(self.intervals[:, 0] > 0.0, -self.difference)

    @staticmethod
    def _beyond_chance(chosen: Numbers, order: Numbers) -> Numbers:
        positions = np.flatnonzero(chosen)
        return positions[np.argsort(order[positions], kind="stable")]

    def record(self) -> dict[str, Any]:
        """Return the comparison in the types of JSON; users are left out beyond some thousands."""
        shown = np.arange(len(self.users))
        if len(shown) > MOST_LISTED:
            most = np.argsort(self.difference, kind="stable")
            half = MOST_LISTED // 2
            shown = np.sort(np.concatenate([most[:half], most[-half:]]))
        intervals = self.intervals
        return {
            "before": self.before.label,
            "after": self.after.label,
            "policies": [
                {"policy": number, "digest": digest, "same_as": source}
                for number, (digest, source) in enumerate(
                    zip(self.after.policies, self.sources, strict=True)
                )
            ],
            "welfare": {
                "before": self.welfare_before,
                "after": self.welfare_after,
                "difference": self.welfare_difference,
                "stderr": self.welfare_stderr,
                "interval": list(self.interval),
            },
            "verdict": self.verdict,
            "margin": self.margin,
            "confidence": self.confidence,
            "paired_episodes": self.is_paired,
            "num_users": len(self.users),
            "num_moved": int((self.fate == MOVED).sum()),
            "num_replaced": int((self.fate == REPLACED).sum()),
            "num_losers": len(self.losers),
            "num_gainers": len(self.gainers),
            "num_changed_wishes": self.num_changed_wishes,
            "new_users": len(self.new_users),
            "gone_users": len(self.gone_users),
            "users": [
                {
                    "user": self.users[i],
                    "policy_before": int(self.old_policy[i]),
                    "policy_after": int(self.new_policy[i]),
                    "fate": str(self.fate[i]),
                    "difference": float(self.difference[i]),
                    "stderr": float(self.stderr[i]),
                    "interval": intervals[i].tolist(),
                }
                for i in shown
            ],
            "losers": [self.users[i] for i in self.losers[:MOST_LISTED]],
        }


def compare_services(
    before: Service,
    after: Service,
    *,
    margin: float | None = None,
    confidence: float = 0.95,
    may_share_nobody: bool = False,
) -> Comparison:
    """Compare two services for the users whom both serve.

    Args:
        before: the first service.
        after: the second.
        margin: the loss of welfare, in the unit of returns, that counts as none; None takes
            :data:`USUAL_MARGIN` of the first service's welfare.
        confidence: the confidence of the intervals, above 0 and below 1.
        may_share_nobody: whether there may be no user of both; then all differences are 0.

    Returns:
        What changes, for whom, and the verdict.

    Raises:
        HandfulError: if the services have other reward features, no user in common, or the margin
            or the confidence is out of its range.
    """
    _check(before, after, margin, confidence)
    place = {user: row for row, user in enumerate(before.user_ids)}
    rows = [(place[user], row) for row, user in enumerate(after.user_ids) if user in place]
    if not rows and not may_share_nobody:
        raise HandfulError(
            f"'{before.label}' and '{after.label}' have no user in common, so that nothing can be "
            f"compared."
        )
    first, second = np.array(rows, np.int64).reshape(-1, 2).T
    wishes = np.asarray(after.coefficients, np.float64)[second]
    changed = (np.asarray(before.coefficients, np.float64)[first] != wishes).any(axis=1)
    old, new = before.assignment[first], after.assignment[second]
    known = {digest: number for number, digest in reversed(list(enumerate(before.policies)))}
    still_there = np.array([digest in after.policies for digest in before.policies])
    digests = np.array([*before.policies, *after.policies])
    is_same = digests[old] == digests[before.num_policies + new]
    fate = np.where(is_same, SAME, np.where(still_there[old], MOVED, REPLACED))
    paired = _is_paired(before, after)
    difference, variance = np.zeros((2, len(rows)))
    masses = []
    for a, b in np.unique(np.stack([old, new], axis=1)[~is_same], axis=0).tolist():
        users = (old == a) & (new == b)
        weights = wishes[users]
        difference[users] = weights @ (after.returns[b] - before.returns[a])
        spread = _spread(before, after, a, b, paired)
        variance[users] = np.einsum("nd,df,nf->n", weights, spread, weights)
        masses.append((a, b, weights.sum(axis=0) / len(rows)))
    earned = np.einsum("nd,nd->n", wishes, before.returns[old])
    welfare, gain = (float(one.mean()) if rows else 0.0 for one in (earned, difference))
    usual = USUAL_MARGIN * abs(welfare)
    return Comparison(
        before=before,
        after=after,
        users=tuple(after.user_ids[row] for row in second),
        new_users=tuple(user for user in after.user_ids if user not in place),
        gone_users=tuple(sorted(set(before.user_ids) - set(after.user_ids))),
        old_policy=old,
        new_policy=new,
        fate=fate,
        difference=difference,
        stderr=np.sqrt(np.maximum(variance, 0.0)),
        welfare_before=welfare,
        welfare_after=welfare + gain,
        welfare_difference=gain,
        welfare_stderr=_error_of_mean(before, after, masses, paired),
        sources=tuple(known.get(digest) for digest in after.policies),
        is_paired=paired,
        num_changed_wishes=int(changed.sum()),
        margin=usual if margin is None else float(margin),
        confidence=confidence,
    )


def _check(before: Service, after: Service, margin: float | None, confidence: float) -> None:
    there, here = before.returns.shape[1], after.returns.shape[1]
    names = before.feature_names, after.feature_names
    if there != here or (all(names) and names[0] != names[1]):
        raise HandfulError(
            f"'{before.label}' and '{after.label}' pay in other reward features, so that their "
            f"returns cannot be compared: compare releases for the same users' wishes."
        )
    if margin is not None and not margin >= 0.0:
        raise HandfulError(f"The margin must be 0 or more, not {margin}.")
    if not 0.0 < confidence < 1.0:
        raise HandfulError(f"The confidence must be above 0 and below 1, not {confidence}.")


def _is_paired(before: Service, after: Service) -> bool:
    if before.episodes is None or after.episodes is None:
        return False
    alike = before.chance == after.chance and bool(before.chance)
    return alike and len(before.episodes) == len(after.episodes)


def _spread(before: Service, after: Service, a: int, b: int, paired: bool) -> Numbers:
    """Return the covariance [D, D] of the difference between a policy of each service."""
    if not paired:
        return before.covariance[a] + after.covariance[b]
    assert before.episodes is not None
    assert after.episodes is not None
    return np.atleast_2d(np.cov(after.episodes[:, b] - before.episodes[:, a], rowvar=False)) / len(
        before.episodes
    )


def _error_of_mean(
    before: Service, after: Service, masses: list[tuple[int, int, Numbers]], paired: bool
) -> float:
    """Return the standard error of the mean difference over users.

    Args:
        before, after: the services.
        masses: for each pair of policies that users change between, the sum of their coefficients
            [D] as a share of all users.
        paired: whether episodes are compared one by one.
    """
    if not masses:
        return 0.0
    sides = []
    for service, position in ((before, 0), (after, 1)):
        weights = np.zeros_like(service.returns)
        for one in masses:
            weights[one[position]] += one[2]
        sides.append((service, weights))
    if paired:
        series = [np.einsum("ekd,kd->e", s.episodes, w) for s, w in sides]
        difference = series[1] - series[0]
        return float(np.std(difference, ddof=1) / np.sqrt(len(difference)))
    return float(np.sqrt(sum(_variance_of(service, weights) for service, weights in sides)))


def _variance_of(service: Service, weights: Numbers) -> float:
    """Return the variance of what all users together earn, for weights [K, D] on the returns."""
    if service.episodes is None:  # as if no two policies met the same chance
        return float(np.einsum("kd,kdf,kf->", weights, service.covariance, weights))
    series = np.einsum("ekd,kd->e", service.episodes, weights)
    return float(np.var(series, ddof=1) / len(series))
