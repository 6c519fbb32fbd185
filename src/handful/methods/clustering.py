"""Cluster users by what a universal policy earns them, then train a policy a cluster.

The baseline of the paper (section 4), common in healthcare: pre-train one policy for everybody,
sample its trajectories, group users by K-means on their rewards along them, and train a policy for
each group from fresh networks.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_numbers
from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.methods.base import Intervention, MethodInfo, Scene
from handful.methods.fixed import Dealt, Unchanging
from handful.methods.schedule import Package, RateRound, Schedule, missing_package
from handful.types import NumpyArray, PRNGKey


@dataclass(frozen=True)
class Clustering(Unchanging):
    """K-means groups the users by their rewards along a universal policy's episodes.

    Attributes:
        pretraining: the share of the updates that go to the universal policy. Until then every
            policy is trained for everybody, and the first of them is the universal one; the
            transitions of both stages count against the budget. By default policies of clusters
            have twice as many as the universal one.
        num_episodes: the number of the universal policy's episodes, with sampled actions, that
            users are compared on.

    The learner's rates fall in each of the two stages from the first value to the last, as either
    is a training of its own.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "clustering: one policy is trained for everybody, users whose rewards along its "
            "episodes are alike form a group, and each group gets a policy of its own"
        ),
        revision=1,
        begins_anew=True,
    )

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
        """Let every policy serve everybody."""
        del key
        return Dealt.of(jnp.full(num_users, -1), num_policies)

    def schedule(self, num_updates: int, num_policies: int) -> Schedule:
        """Plan the two stages; a single policy is universal already and has only the first."""
        if num_policies == 1:
            return Schedule(num_updates)
        first = min(round(self.pretraining * num_updates), num_updates - 1)
        return Schedule(
            num_updates,
            interventions=(first,),
            rate_rounds=(RateRound(first),),
            packages=(scikit_learn(),),
        )

    def intervene(self, key: PRNGKey, state: Dealt, scene: Scene) -> Intervention:
        """Group the users and start a fresh policy for each group."""
        num_policies = len(state.sizes)
        seed = int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max))
        rewards = scene.trajectories(0, self.num_episodes)
        groups = jnp.asarray(kmeans_groups(rewards, num_policies, seed))
        return Intervention(Dealt.of(groups, num_policies))


def kmeans_groups(rewards: NumpyArray, num_groups: int, seed: int) -> NumpyArray:
    """Group the users by K-means on their rewards.

    Users whose rewards never differ cannot be told apart: there may be fewer groups than asked
    for, and the policies left over serve nobody.

    Args:
        rewards: the rewards of each user along the same episodes, [N, steps].
        num_groups: how many groups are asked for.
        seed: the seed of the starts of K-means.

    Returns:
        The group of each user, [N].

    Raises:
        HandfulError: if scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        raise missing_package("cluster", scikit_learn()) from None
    num_groups = min(num_groups, len(np.unique(rewards, axis=0)))
    kmeans = KMeans(n_clusters=num_groups, n_init=10, random_state=seed)
    return kmeans.fit_predict(rewards.astype(np.float64))


def scikit_learn() -> Package:
    """Name the package that finds the groups, when a third of the run is over."""
    return Package("sklearn", "scikit-learn", install_command("cluster"))
