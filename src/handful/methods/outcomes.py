"""Plans of which outcomes to aim at, and how far users are from them, made before any training.

Some problems can name the outcomes that a policy might keep up throughout an episode: the
velocities of a robot, say. What users earn from each of them is a table of payoffs, and the best k
of its rows are a plan for k policies.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from handful.methods.choice import choose_policies
from handful.types import Array, Float, NumpyArray

OVERLAP = 0.5
"""Two outcomes are linked if the cosine of what users earn from them is at least this."""


@dataclass(frozen=True, eq=False)
class OutcomeSpace:
    """The outcomes that policies might keep up, described by what the users earn from them.

    The distance of two outcomes is the length of the shortest chain of linked outcomes between
    them; a link is as long as the two normalised rows of gains are apart. Distances along the
    chain, as in Isomap (Tenenbaum, de Silva and Langford, 2000), also tell outcomes apart that
    have no user in common, and need no coordinates. Where no chain leads, an outcome is one step
    between strangers farther than the farthest that a chain leads to.

    Attributes:
        gains: [M, N] what each outcome earns each user, above the outcome that is worst for them.
    """

    gains: NumpyArray

    @classmethod
    def of(cls, payoffs: NumpyArray) -> "OutcomeSpace":
        """Make the space of M outcomes from what they pay N users, [M, N]."""
        return cls(payoffs - payoffs.min(axis=0))

    @property
    def first(self) -> int:
        """The number of the first outcome that any user wants."""
        return int(self.gains.any(axis=1).argmax())

    @property
    def best(self) -> NumpyArray:
        """The number of the outcome that suits each user best, [N]."""
        return self.gains.argmax(axis=0)

    @property
    def share(self) -> NumpyArray:
        """What each user counts for, [N].

        It is the highest gain of any user, divided by the total gain of all users at the outcome
        that suits this user best. So outcomes that many users want count no more than others.
        """
        total = self.gains.sum(axis=1)[self.best]
        return np.divide(self.gains.max(), total, out=np.zeros_like(total), where=total > 0.0)

    def distances(self, chosen: NumpyArray) -> NumpyArray:
        """Measure the distances from some outcomes to every outcome.

        Args:
            chosen: the numbers of the outcomes that distances are measured from.

        Returns:
            A table [len(chosen), M].
        """
        norms = np.linalg.norm(self.gains, axis=1, keepdims=True)
        directions = np.divide(self.gains, norms, out=np.zeros_like(self.gains), where=norms > 0.0)
        cosines = directions @ directions.T
        # A length of exactly zero would be read as no link.
        lengths = np.sqrt(np.maximum(2.0 - 2.0 * cosines, 1e-12))
        links = csr_array(np.where(cosines >= OVERLAP, lengths, 0.0))
        distances = dijkstra(links, directed=False, indices=chosen)
        farthest = distances.max(where=np.isfinite(distances), initial=0.0)
        return np.where(np.isfinite(distances), distances, farthest + np.sqrt(2.0))


class Plan(NamedTuple):
    """The outcomes that policies are to head for, as the users see them.

    Attributes:
        policy: [N] the policy that is to serve each user.
        distance: [N, K] the distance from the outcome that suits a user best to the one planned for
            each policy.
        share: [N] the weight of each user (:attr:`OutcomeSpace.share`).
    """

    policy: NumpyArray
    distance: NumpyArray
    share: NumpyArray


def plan_outcomes(payoffs: NumpyArray, num_policies: int, caution: float = 0.0) -> Plan:
    """Choose the outcomes that serve the users best, one for each policy.

    Args:
        payoffs: the payoffs of M outcomes to N users, [M, N]; if there are fewer outcomes than
            policies, several policies get the same.
        num_policies: ``K``.
        caution: how much less the outcome farthest from the first is taken to earn than it would if
            it were kept up perfectly, as a share; in between in proportion to the distance.
    """
    if len(payoffs) < num_policies:
        payoffs = np.resize(payoffs, (num_policies, payoffs.shape[1]))
    space = OutcomeSpace.of(payoffs)
    from_first = space.distances(np.array([space.first]))[0]
    expected = space.gains * (1.0 - caution * from_first / max(from_first.max(), 1e-9))[:, None]
    chosen, policy = choose_policies(expected, num_policies)
    return Plan(policy, space.distances(chosen)[:, space.best].T, space.share)


LAST_WIDTH = 1.0
"""The last width of a way, in the unit of distances: outcomes so far apart have half of their
direction in common."""


def on_the_way(
    share: Float[Array, " N"],
    distance: Float[Array, "N K"],
    first_width: Float[Array, ""],
    progress: Float[Array, " K"],
) -> Float[Array, "N K"]:
    """Weigh the users on the way: each counts the less, the farther they are from the goal.

    Args:
        share: the weight of each user at the goal.
        distance: the distance from the outcome that suits each user best to each policy's goal.
        first_width: the distance in which weights fall by the factor e at first; it shrinks
            geometrically to :data:`LAST_WIDTH`.
        progress: how much of the way each policy has behind it, clipped to 0 to 1.
    """
    progress = jnp.clip(progress, 0.0, 1.0)
    width = first_width ** (1.0 - progress) * LAST_WIDTH**progress
    return share[:, None] * jnp.exp(-distance / width[None])
