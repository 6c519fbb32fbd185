"""A universal policy for all users first, then the best k of what it can do, then EM (ours).

EM learns k policies from nothing, and stops in a poor optimum where policies crowd at what is easy
to find. Here one policy is trained for everybody at first, with the user's preference as an input
(:mod:`handful.learner.universal`): what it finds for one user it also knows for the neighbours.
Then some hundred preferences, of users and of neighbourhoods of users, are tried: each is a
*candidate*, an ordinary policy that plays a few episodes. The best k of them for all users are
chosen (:mod:`handful.training.universal.chooser`), for any number of budgets k from the same
episodes. Copies of these go on as k policies of their own, by EM.

The welfare decides which candidates are chosen, and what users count in the EM after that. The
universal policy is trained for all users alike under every welfare: one that is trained more for
those who get little learns less of what is good for all others too, and they share policies.

Where rewards are rare, the universal policy explores on purpose (:mod:`handful.learner.exploring`).
Where episodes end before anybody wants them to, as a robot's that falls, it learns what everybody
wants first, and then what single users want (:mod:`handful.learner.curriculum`).
Where a problem shows few different observations, none of this is needed: transitions are
counted, and policies for any group of users are computed from the counts
(:mod:`handful.training.universal.counted`).

So the first two stages do not depend on k, and they get most of the transitions.
:mod:`handful.training.universal.beginning` runs them; this method is what follows.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp

from handful._support.checks import require
from handful.methods.base import AssignmentMethod, Feedback, MethodInfo
from handful.methods.em import EMState, ExpectationMaximization
from handful.types import Array, Int, PRNGKey


@dataclass(frozen=True)
class Universal(ExpectationMaximization):
    """EM from the best candidates of a universal policy.

    Attributes:
        own_share: the share of the transitions in which the k policies are trained by EM; at least
            one update.
        candidate_share: the share of the transitions in which candidates play episodes. Where that
            is enough for fewer than four candidates a policy, as episodes are long, they get more,
            up to a fifth.
        context_size: the number of entries of the context of the universal policy.
        group_share: the probability with which the universal policy is trained for a neighbourhood
            of users, not for one user.
        model: whether a problem that shows few different observations is explored first, and its
            policies are computed from counts of transitions if these prove to be a model of it.
        explore: whether the universal policy explores on purpose where rewards are rare; the
            learner ``ppo`` alone does.
        curriculum: whether the universal policy begins with what everybody wants alike where users
            lose by the ends of episodes.
        starts: how often a long training of the universal policy begins with new networks; it goes
            on with the best of them. With the learner ``sac`` it begins once.

    Raises:
        HandfulError: if a share or a size is out of its range.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "one policy learns what every user might want, the best of what it can do are chosen, "
            "and EM goes on from copies of these"
        ),
        assigns_best=True,
        begins_anew=True,
        revision=4,
        learner_settings={
            "share_hidden": False,
            "hidden_sizes": (64, 64),
            "learning_rate": 3e-4,
            "final_learning_rate": 3e-5,
        },
    )

    warm_up: int = 0
    own_share: float = 0.1
    candidate_share: float = 0.08
    context_size: int = 8
    group_share: float = 0.5
    model: bool = True
    explore: bool = True
    curriculum: bool = True
    starts: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("own_share", "candidate_share"):
            share = getattr(self, name)
            require(0 < share < 1, name, "above 0 and below 1", share)
        together = self.own_share + self.candidate_share
        require(together < 1, "own_share plus candidate_share", "below 1", together)
        require(self.context_size >= 1, "context_size", "at least 1", self.context_size)
        require(0 <= self.group_share <= 1, "group_share", "from 0 to 1", self.group_share)
        require(self.starts >= 1, "starts", "at least 1", self.starts)

    def started(self, policy: Int[Array, " N"], num_policies: int) -> EMState:
        """Return the first state for users who have policies already.

        Args:
            policy: each user's policy.
            num_policies: ``K``.
        """
        return EMState.of(policy, num_policies)


@dataclass(frozen=True)
class Trials(AssignmentMethod):
    """The users of a universal policy while it is trained: each has the best of the latest trials.

    What the policies of such a run are trained for, the learner draws itself.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary="a universal policy is trained for preferences that are drawn at random",
    )

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Int[Array, " N"]:
        """Return the first policy for everybody."""
        del key, num_policies
        return jnp.zeros(num_users, jnp.int32)

    def weights(self, state: Int[Array, " N"]) -> Int[Array, " N"]:
        """Return each user's policy."""
        return state

    def reassign(
        self, key: PRNGKey, state: Int[Array, " N"], feedback: Feedback
    ) -> Int[Array, " N"]:
        """Return the policy whose latest episodes earned each user most."""
        del key, state
        return jnp.argmax(feedback.returns, axis=1).astype(jnp.int32)
