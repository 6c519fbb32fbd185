"""Other ways to assign the same policies, on the same evaluation episodes.

A run says with them what its own assignment is worth: beside what its method left, beside what
validation would assign, beside one policy for everybody, and beside the best policy of each user.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from handful.evaluation.played import FeatureReturns, Played
from handful.evaluation.returns import Measurement, mean_and_stderr
from handful.types import NumpyArray


@dataclass(frozen=True)
class Alternative:
    """An assignment beside the one that is handed out, on the same episodes.

    Attributes:
        welfare: of it: the welfare as handed out, and the gain.
        gain: by how much that is above the welfare as handed out, on the same episodes.
        gain_stderr: of the gain, over episodes.
        users_moved: users who have another policy in it.
    """

    welfare: float
    gain: float
    gain_stderr: float
    users_moved: int

    @property
    def is_better(self) -> bool:
        """Whether it is better beyond chance: by more than two standard errors of the gain."""
        rounding = 1e-6 * abs(self.welfare)
        return self.gain > 2.0 * self.gain_stderr + rounding


def compare_assignments(
    measurement: Measurement, assignment: NumpyArray, others: Mapping[str, NumpyArray]
) -> dict[str, Alternative]:
    """Set an assignment beside others, beside the best single policy, and beside reassignment.

    Args:
        measurement: of the policies, on the episodes that are to judge.
        assignment: [N] the policy of each user, as it is handed out.
        others: more assignments [N], by name.

    Returns:
        ``others``, measured on all episodes. Beside them ``one_policy`` (everybody with the policy
        that is best for all together) and ``reassigned`` (everybody with the policy that is best
        for them): both chosen on one half of the episodes and measured on the other.
    """
    played, reassigned = measurement.played, measurement.reassigned
    half = played.shape[0] // 2
    alone = _alone(played)
    one = int(np.argmax(alone[:half].mean(axis=0)))
    named = {**others, "reassigned": reassigned}
    own, *totals = _by_episode(played, [assignment, *named.values()])
    welfare = float(own.mean())
    found = {
        name: _alternative(total, own, int(np.sum(policy != assignment)), welfare)
        for (name, policy), total in zip(others.items(), totals[:-1], strict=True)
    }
    moved = int(np.sum(assignment != one))
    found["one_policy"] = _alternative(alone[half:, one], own[half:], moved, welfare)
    moved = int(np.sum(reassigned != assignment))
    found["reassigned"] = _alternative(totals[-1][half:], own[half:], moved, welfare)
    return found


def _alternative(total: NumpyArray, own: NumpyArray, moved: int, handed_out: float) -> Alternative:
    gain, stderr = mean_and_stderr(total - own)
    return Alternative(handed_out + float(gain), float(gain), float(stderr), moved)


def _alone(played: Played) -> NumpyArray:
    """The welfare of every episode if its policy served everybody: [E, K]."""
    if isinstance(played, FeatureReturns):
        everybody = played.population.coefficients.mean(axis=0, dtype=np.float64)
        return played.features @ everybody
    total = sum(returns.sum(axis=2) for _, returns in played.chunks())
    return np.asarray(total) / played.shape[2]


def _by_episode(played: Played, assignments: list[NumpyArray]) -> list[NumpyArray]:
    """The welfare [E] of every assignment in every episode."""
    num_episodes, num_policies, num_users = played.shape
    if isinstance(played, FeatureReturns):
        mixes = [played.population.mix(policy, num_policies) for policy in assignments]
        return [np.einsum("kd,ekd->e", mix, played.features) for mix in mixes]
    totals = np.zeros((len(assignments), num_episodes))
    for users, returns in played.chunks():
        everyone = np.arange(returns.shape[2])
        for total, policy in zip(totals, assignments, strict=True):
            total += returns[:, policy[users], everyone].sum(axis=1)
    return list(totals / num_users)
