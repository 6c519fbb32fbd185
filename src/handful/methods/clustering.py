"""Cluster users by what a universal policy earns them, then train a policy a cluster.

The baseline of the paper (section 4), common in healthcare: pre-train one policy for everybody,
sample its trajectories, group users by K-means on their rewards along them, and train a policy for
each group from fresh networks.
"""

import importlib.util
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_numbers
from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.methods.base import FRESH, Intervention, Scene, place_in_rounds
from handful.methods.fixed import Dealt, Unchanging
from handful.types import Array, Float, Int, NumpyArray, PRNGKey


@dataclass(frozen=True)
class Clustering(Unchanging):
    """Universal policy, K-means on users' reward trajectories, a policy a cluster.

    Attributes:
        pretraining: the share of the updates that go to the universal policy. Until then every
            policy is trained for everybody, and the first of them is the universal one; the
            transitions of both stages count against the budget. By default policies of clusters
            have twice as many as the universal one.
        num_episodes: of the universal policy, with sampled actions, that users are compared on.

    The learner's rates fall in each of the two stages from the first value to the last, as either
    is a training of its own.
    """

    revision: ClassVar[int] = 1
    is_hard: ClassVar[bool] = False

    pretraining: float = 1 / 3
    num_episodes: int = 20

    def __post_init__(self) -> None:
        check_numbers(self)
        if not 0.0 < self.pretraining < 1.0:
            raise HandfulError(
                f"The pre-training share must be above 0 and below 1, not {self.pretraining}."
            )
        if self.num_episodes < 1:
            raise HandfulError(
                f"Clustering needs at least 1 episode to compare users on, not {self.num_episodes}."
            )

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Dealt:
        """Every policy serves everybody."""
        del key
        return Dealt.of(jnp.full(num_users, -1), num_policies)

    def handed_out(self, state: Dealt) -> Int[Array, " N"] | Float[Array, "N K"]:
        """Even shares at first, a policy each by cluster later."""
        return self.weights(state) if bool(jnp.any(state.policy < 0)) else self.assigned(state)

    def interventions(self, num_updates: int, num_policies: int) -> tuple[int, ...]:
        """When the pre-training is over; never for one policy, which is universal already."""
        if num_policies == 1:
            return ()
        return (min(round(self.pretraining * num_updates), num_updates - 1),)

    def check_installed(self, num_updates: int, num_policies: int) -> None:
        """Clusters are found by scikit-learn, after a third of the run."""
        is_there = importlib.util.find_spec("sklearn") is not None
        if not is_there and self.interventions(num_updates, num_policies):
            raise missing()

    def intervene(self, key: PRNGKey, state: Dealt, scene: Scene) -> Intervention:
        """Group the users and start a fresh policy for each group."""
        num_policies = len(state.sizes)
        seed = int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max))
        rewards = scene.trajectories(0, self.num_episodes)
        groups = jnp.asarray(kmeans_groups(rewards, num_policies, seed))
        fresh = np.full(num_policies, FRESH)
        return Intervention(Dealt.of(groups, num_policies), fresh)

    def progress(
        self, update: Int[Array, ""], num_updates: int, num_policies: int
    ) -> Float[Array, ""]:
        """All the way in each of the two stages."""
        starts = self.interventions(num_updates, num_policies)
        if not starts:  # then to the last digit as other methods
            return super().progress(update, num_updates, num_policies)
        return place_in_rounds(update, starts, num_updates)[1]


def kmeans_groups(rewards: NumpyArray, num_groups: int, seed: int) -> NumpyArray:
    """The group of each user [N] by K-means on their rewards [N, steps].

    Users whose rewards never differ cannot be told apart: there may be fewer groups than asked
    for, and the policies left over serve nobody.

    Raises:
        HandfulError: if scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        raise missing() from None
    num_groups = min(num_groups, len(np.unique(rewards, axis=0)))
    kmeans = KMeans(n_clusters=num_groups, n_init=10, random_state=seed)
    return kmeans.fit_predict(rewards.astype(np.float64))


def missing() -> HandfulError:
    """What is said where scikit-learn is not installed."""
    return HandfulError(f"The method 'cluster' needs scikit-learn: {install_command('cluster')}.")
