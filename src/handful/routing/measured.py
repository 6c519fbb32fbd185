"""What policies earn in reward features, with what is not known of it: ``features.json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.checks import number_array
from handful._support.text import count
from handful.errors import HandfulError


@dataclass(frozen=True, eq=False)
class Returns:
    """The returns of ``K`` policies in ``D`` reward features, as they were measured.

    Attributes:
        source: the place where they come from, for error messages.
        names: the names of the features [D].
        mean: [K, D] the mean return of an episode in each feature, in the environment's units.
        covariance: [K, D, D] the covariance of each policy's means.
        joint_covariance: [K, D, K, D] the covariance of all means, which policies that were
            measured with the same chance share; None if only ``covariance`` is known.
        episodes: the number of episodes of each policy.
    """

    source: str
    names: tuple[str, ...]
    mean: NDArray[Any]
    covariance: NDArray[Any]
    joint_covariance: NDArray[Any] | None
    episodes: int

    @classmethod
    def read(cls, features: Mapping[str, Any], source: str) -> "Returns":
        """Return the returns that the content of ``features.json`` tells.

        Args:
            features: the content, in which each policy has as many means as features have names.
            source: the path of the bundle, for error messages.

        Raises:
            HandfulError: if it has no returns of policies, or a covariance that can be none.
        """
        policies = features["policies"]
        if not policies:
            raise HandfulError(
                f"'{source}' does not tell what its policies earn in reward features, so that "
                f"nobody new can be given one: {features.get('why_no_policies') or 'it is empty.'}"
            )
        mean = np.array([one["mean"] for one in policies], np.float64)
        num_policies, size = mean.shape
        if any(one["covariance"] is None for one in policies):
            stderr = np.array([one["stderr"] for one in policies], np.float64)
            covariance = np.einsum("kd,df->kdf", stderr**2, np.eye(size))
        else:
            covariance = np.array([one["covariance"] for one in policies], np.float64)
        joint, total = features.get("joint_covariance"), num_policies * size
        if joint is not None:
            joint = _numbers(joint)
            if joint is None or joint.shape != (total, total):
                raise HandfulError(
                    f"'{source}/features.json' is damaged: joint_covariance must have "
                    f"{total} x {total} numbers."
                )
            joint = joint.reshape(num_policies, size, num_policies, size).astype(np.float64)
        found = cls(
            source, tuple(features["names"]), mean, covariance, joint, int(features["episodes"])
        )
        if not all(np.isfinite(one).all() for one in (mean, found.joint)):
            raise HandfulError(f"'{source}/features.json' is damaged: a return is not finite.")
        return found

    @property
    def num_policies(self) -> int:
        """``K``."""
        return len(self.mean)

    @property
    def num_features(self) -> int:
        """``D``."""
        return self.mean.shape[1]

    @property
    def joint(self) -> NDArray[Any]:
        """The covariance of all means, [K, D, K, D]; policies are independent if it is unknown."""
        if self.joint_covariance is not None:
            return self.joint_covariance
        number, size = self.mean.shape
        found = np.zeros((number, size, number, size))
        for k, own in enumerate(self.covariance):
            found[k, :, k] = own
        return found

    @property
    def of_an_episode(self) -> NDArray[Any]:
        """The covariance [K, D, D] of the return of a single episode of each policy."""
        return self.covariance * self.episodes

    def rows(self, values: Any, name: str = "weights") -> NDArray[Any]:
        """Return users' weights, or episodes' returns in features, as an array [N, D].

        Args:
            values: the numbers, [N, D]; those of one user or episode may be [D].
            name: a name for them in error messages.

        Raises:
            HandfulError: if they have another shape or are not finite numbers.
        """
        array = _numbers(values)
        rows = None if array is None or array.ndim == 0 else np.atleast_2d(array)
        if rows is None or rows.ndim != 2 or rows.shape[1] != self.num_features:
            raise HandfulError(
                f"{name} must have a number for each of the "
                f"{count(self.num_features, 'reward feature')} of '{self.source}' "
                f"({', '.join(self.names[:8])}), in one row or several."
            )
        if not np.isfinite(rows).all():
            raise HandfulError(f"{name} must be finite numbers.")
        return rows.astype(np.float64)


def _numbers(values: Any) -> NDArray[Any] | None:
    """Return an array of numbers; None if the values are none."""
    try:
        return number_array(values)
    except (TypeError, ValueError):
        return None
