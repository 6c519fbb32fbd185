"""``K`` policies that serve ``N`` users, as far as measured returns tell."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.text import count
from handful.errors import HandfulError

Numbers = NDArray[Any]

TIE = 1e-9
"""Returns that differ by less than this share of the larger are equal: sums are rounded."""

FLOATS_AT_ONCE = 2**22
"""The most numbers of a table of users and policies that are computed at once."""


@dataclass(frozen=True, eq=False)
class Service:
    """Who is served by which policy, and the returns from which it follows what users earn.

    Attributes:
        label: a name for people, such as the path of a run folder or a bundle.
        policies: the digest of each policy's weights [K]. Policies with equal digests are the same.
        returns: [K, D] the mean return of an episode of each policy in reward features, in the
            environment's units.
        covariance: [K, D, D] the covariance of these means; its diagonal has the squares of their
            standard errors.
        user_ids: the users' distinct names [N].
        coefficients: [N, D] the weight of each user on each feature.
        assignment: int [N] each user's policy.
        feature_names: the names of the features [D]; empty if they have none.
        episodes: [E, K, D] the returns of the episodes themselves, if they are kept.
        chance: a name for the chance in the episodes. Two services whose episodes have the same
            chance and number are compared episode by episode, which takes most of the chance out
            of the difference. Empty if that cannot be said.
        joint_covariance: [K, D, K, D] the covariance of all means, if there are no episodes but it
            is known how the policies' errors go together.

    Raises:
        HandfulError: if a table does not have its shape, or a user has no policy.
    """

    label: str
    policies: tuple[str, ...]
    returns: Numbers
    covariance: Numbers
    user_ids: tuple[str, ...]
    coefficients: Numbers
    assignment: Numbers
    feature_names: tuple[str, ...] = ()
    episodes: Numbers | None = field(default=None, repr=False)
    chance: str = ""
    joint_covariance: Numbers | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        num_policies, num_features = self.returns.shape
        num_users = len(self.user_ids)
        shapes = {
            "covariance": (num_policies, num_features, num_features),
            "coefficients": (num_users, num_features),
            "assignment": (num_users,),
        }
        if self.joint_covariance is not None:
            shapes["joint_covariance"] = (num_policies, num_features) * 2
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            if found != shape:
                raise HandfulError(
                    f"The {name} of '{self.label}' have the shape {list(found)}: with "
                    f"{count(num_policies, 'policy')}, {count(num_users, 'user')} and "
                    f"{count(num_features, 'reward feature')} it must be {list(shape)}."
                )
        if len(self.policies) != num_policies:
            raise HandfulError(f"'{self.label}' needs one digest for each of its policies.")
        policy = self.assignment
        if num_users and not (policy.min() >= 0 and policy.max() < num_policies):
            raise HandfulError(f"'{self.label}' gives users policies that it does not have.")

    @classmethod
    def of_episodes(cls, label: str, episodes: Numbers, **others: Any) -> "Service":
        """Make a service from the returns of episodes [E, K, D], of which there are at least two.

        Args:
            label: the same as in :class:`Service`.
            episodes: the returns of each policy's episodes in features.
            others: the other attributes, without those that follow from the episodes.
        """
        episodes = np.asarray(episodes, np.float64)
        means = episodes.mean(axis=0)
        return cls(
            label, returns=means, covariance=_covariances(episodes), episodes=episodes, **others
        )

    @property
    def num_policies(self) -> int:
        """``K``."""
        return len(self.policies)

    @property
    def num_users(self) -> int:
        """``N``."""
        return len(self.user_ids)

    @property
    def utilities(self) -> Numbers:
        """[N] what each user earns from their policy in the mean."""
        return np.einsum("nd,nd->n", self.coefficients, self.returns[self.assignment])

    def best_policies(self, current: Numbers | None = None) -> Numbers:
        """Return the policy that earns each user most, int [N].

        Args:
            current: int [N] each user's policy so far, -1 for users who have none. A user whom
                another policy serves no better keeps it.
        """
        stays = np.full(self.num_users, -1) if current is None else current
        found = np.empty(self.num_users, np.int64)
        step = max(FLOATS_AT_ONCE // self.num_policies, 1)
        for first in range(0, self.num_users, step):
            users = slice(first, first + step)
            earned = self.coefficients[users] @ self.returns.T
            best, rows = earned.argmax(axis=1), np.arange(len(earned))
            own = np.where(stays[users] >= 0, earned[rows, stays[users]], -np.inf)
            highest = earned[rows, best]
            larger = np.maximum(abs(highest), np.where(np.isfinite(own), abs(own), 0.0))
            keeps = np.isfinite(own) & (highest - own <= TIE * larger)
            found[users] = np.where(keeps, stays[users], best)
        return found

    def second_policies(self) -> Numbers:
        """Return the best of the other policies for each user, int [N]; there must be another."""
        second = np.empty(self.num_users, np.int64)
        step = max(FLOATS_AT_ONCE // self.num_policies, 1)
        for first in range(0, self.num_users, step):
            users = slice(first, first + step)
            earned = self.coefficients[users] @ self.returns.T
            earned[np.arange(len(earned)), self.assignment[users]] = -np.inf
            second[users] = earned.argmax(axis=1)
        return second

    def margins(self) -> tuple[Numbers, Numbers]:
        """Return by how much each user's policy earns them more than the best of the others.

        Returns:
            The margins [N], negative where another policy is better, and their standard errors [N].
            With one policy there is no other, and both are NaN.
        """
        margins, errors = np.full((2, self.num_users), np.nan)
        if self.num_policies == 1:
            return margins, errors
        second = self.second_policies()
        margins = self.utilities - np.einsum("nd,nd->n", self.coefficients, self.returns[second])
        for own, other in np.unique(np.stack([self.assignment, second], axis=1), axis=0).tolist():
            alike = (self.assignment == own) & (second == other)
            weights, spread = self.coefficients[alike], self._between(own, other)
            variance = np.einsum("nd,df,nf->n", weights, spread, weights)
            errors[alike] = np.sqrt(np.maximum(variance, 0.0))
        return margins, errors

    def _between(self, one: int, other: int) -> Numbers:
        """Return the covariance [D, D] of the difference between two policies' mean returns."""
        if self.episodes is None and self.joint_covariance is not None:
            joint = self.joint_covariance
            crossed = joint[one, :, other] + joint[other, :, one]
            return joint[one, :, one] + joint[other, :, other] - crossed
        if self.episodes is None:
            return self.covariance[one] + self.covariance[other]
        return _covariances((self.episodes[:, one] - self.episodes[:, other])[:, None])[0]

    def for_users(
        self, user_ids: tuple[str, ...], coefficients: Numbers, label: str = ""
    ) -> "Service":
        """Return the same policies in service of other users, each with the best for them.

        Users who were there before keep their policy where no other earns them more.

        Args:
            user_ids: the names of the users [N'].
            coefficients: [N', D] their weights.
            label: a name for the new service; by default the same.
        """
        before = dict(zip(self.user_ids, self.assignment.tolist(), strict=True))
        current = np.array([before.get(user, -1) for user in user_ids], np.int64)
        weights = np.asarray(coefficients, np.float64)
        unassigned = replace(
            self,
            label=label or self.label,
            user_ids=tuple(user_ids),
            coefficients=weights,
            assignment=np.zeros(len(user_ids), np.int64),
        )
        return replace(unassigned, assignment=unassigned.best_policies(current))


def _covariances(episodes: Numbers) -> Numbers:
    """Return the covariances [K, D, D] of the means of episodes [E, K, D]."""
    spread = episodes - episodes.mean(axis=0)
    num_episodes = len(episodes)
    return np.einsum("ekd,ekf->kdf", spread, spread) / (num_episodes * (num_episodes - 1))
