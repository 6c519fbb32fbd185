"""How a universal policy explores where rewards are rare: novelty as one more reward, and recall.

The policies that act at once want novelty (:mod:`handful.learner.novelty`) besides the rewards of
their mix, each by another weight from 0 on. The weight is a further entry of the
context, and novelty a further value of the critic (a family of exploring contexts: Badia et al.
2020). It falls to zero as training goes on. What exploring policies meet, the others learn from
(:mod:`handful.learner.recall`), for any preference.

Nothing of it is done where rewards are not rare: novelty is noise to a policy that need not look
for anything, and luck is mistaken for skill where much is left to chance.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.environment import ActionSpace
from handful.learner.novelty import Novelty
from handful.learner.recall import Recall
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, PRNGKey

RARE = 0.95
"""Rewards are rare if in as large a share of the first transitions a feature is the same, and users
are paid nothing."""

LARGEST_INTEREST = 1.0
"""The largest weight of novelty at first. All novelty that is usual within the discount's horizon
is worth as much as the reward of an episode that suits a user."""

END = 0.6
"""The share of training after which no policy is interested in novelty."""


class Exploration(eqx.Module):
    """What exploring keeps.

    Attributes:
        novelty: the counts of observations.
        recall: the experience that is learnt from again.
        interest: the weight of novelty for each policy.
        is_due: whether the problem has shown that rewards are rare; false before the first batch.
    """

    novelty: Novelty
    recall: Recall
    interest: Float[Array, " K"]
    is_due: Bool[Array, ""]

    @classmethod
    def begin(
        cls,
        num_policies: int,
        stretch: int,
        observation_size: int,
        space: ActionSpace,
        num_features: int,
    ) -> "Exploration":
        """Return the state before the first batch, in which nobody is interested in novelty.

        Args:
            num_policies: the number ``K`` of policies, of one environment each.
            stretch: the number of steps between two updates.
            observation_size: the number of entries of an observation.
            space: the actions.
            num_features: the number of reward features.
        """
        return cls(
            novelty=Novelty.empty(num_policies, 1, observation_size),
            recall=Recall.empty(stretch, observation_size, space, num_features),
            interest=jnp.zeros(num_policies),
            is_due=jnp.zeros((), bool),
        )

    def meet(
        self, batch: Transitions, horizon: float
    ) -> tuple["Exploration", Float[Array, "K T B"]]:
        """Count and keep a batch.

        Args:
            batch: the batch.
            horizon: the number of steps within the discount's horizon.

        Returns:
            The state after it, and the novelty of each transition as a reward; 0 where rewards are
            not rare.
        """

        def met(one: Exploration) -> tuple[Exploration, Float[Array, "K T B"]]:
            novelty, found = one.novelty.meet(batch)
            recall = one.recall.keep(batch)
            return Exploration(novelty, recall, one.interest, one.is_due), found / horizon

        # The first batch shows what is rare, and belongs to what is learnt from.
        is_first = self.recall.number == 0
        return jax.lax.cond(
            self.is_due | is_first,
            met,
            lambda one: (one, jnp.zeros(batch.terminated.shape)),
            self,
        )

    def decided(
        self, features: Float[Array, "K T B D"], users: Float[Array, "N D"]
    ) -> "Exploration":
        """Return the state once the first batch has shown whether rewards are rare.

        Args:
            features: the reward features of the batch.
            users: the users' coefficients.
        """
        return eqx.tree_at(lambda one: one.is_due, self, has_rare_rewards(features, users))

    def interested(
        self,
        key: PRNGKey,
        is_new: Bool[Array, " K"],
        is_binned: Bool[Array, ""] | bool,
        progress: Float[Array, ""],
    ) -> "Exploration":
        """Return the state for the next batch, with other interests for some policies.

        Args:
            key: the random key.
            is_new: which policies get another interest; those of others only fall.
            is_binned: whether novelty is counted anew, in bins that suit all observations so far.
            progress: how far training has come, from 0 to 1.
        """
        most = LARGEST_INTEREST * jnp.maximum(1.0 - progress / END, 0.0) * self.is_due
        weights = most * jax.random.uniform(key, is_new.shape)
        interest = jnp.where(is_new, weights, jnp.minimum(self.interest, most))
        novelty = jax.lax.cond(is_binned, Novelty.binned_anew, lambda same: same, self.novelty)
        return Exploration(novelty, self.recall, interest, self.is_due)


def has_rare_rewards(features: Float[Array, "*M D"], users: Float[Array, "N D"]) -> Bool[Array, ""]:
    """Return whether rewards are rare: nearly nothing but costs was met.

    It is so if some reward feature is nearly always the same, and the users are hardly ever paid
    more than nothing. Where they are, or where all features vary, there is something to follow.

    Args:
        features: the reward features of transitions.
        users: the users' coefficients.
    """
    rows = features.reshape(-1, features.shape[-1])
    usual = jnp.median(rows, axis=0)
    is_stale = jnp.any(jnp.mean(jnp.isclose(rows, usual[None]), axis=0) >= RARE)
    return is_stale & (jnp.mean(rows @ users.T <= 0.0) >= RARE)


def with_interest(
    mixes: Float[Array, "M Z"], interest: Float[Array, " M"]
) -> Float[Array, "M Z_plus_1"]:
    """Return mixes, or contexts of mixes, with the weight of novelty as one more entry."""
    return jnp.concatenate([mixes, interest[:, None]], axis=1)


def with_explorer(contexts: Float[Array, "N Z"]) -> Float[Array, "N_plus_1 Z_plus_1"]:
    """Return contexts of users, and of one who wants nothing but novelty, which is like no other.

    So a new embedding leaves alone what the networks make of the weight of novelty.
    """
    number, size = contexts.shape
    return jnp.pad(contexts, ((0, 1), (0, 1))).at[number, size].set(number**0.5)
