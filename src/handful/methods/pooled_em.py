"""EM from several starts, and on from the best policies of all of them (ours).

Where EM ends depends on where it starts: it never leaves a local optimum, and most starts lead to a
poor one. Yet the policies that different starts find are good in different ways. So a part of the
budget goes to short rounds of EM, and the best policies of every round go into one pool. The best
``k`` of the pool, whichever rounds they come from, are chosen by what every user gets from every
one of them (:func:`~handful.methods.choice.choose_policies`), and EM goes on from these.

There are two kinds of round:

* A *fresh* round starts with new networks and users dealt out at random. With ``solo`` there is no
  EM in it: each policy is trained for a single user, drawn by chance. Policies that EM makes are
  compromises of the users who happened to share them. The best choice more often consists of
  policies of single users, and EM goes on from them afterwards.
* A *frontier* round starts with copies of pooled policies, and a user counts in it the more, the
  less anybody in the pool serves them. A reward that is zero but in a narrow range teaches nothing
  from afar; a policy that serves a neighbour's user a little is led on from there.

The second round is a frontier round, the third a fresh one; after that, each is of the kind whose
latest round added more to the welfare of the pool's best choice.

The pool holds the policies of several moments of every round, and of the time after the rounds.
Validation episodes show what they are worth, and the best ``k`` of all become the final policies.
With exact M-steps the same idea is :func:`handful.exact.em.pooled_em`.
"""

import itertools
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_numbers, check_shares
from handful.errors import HandfulError
from handful.methods.base import (
    FRESH,
    AssignmentMethod,
    Feedback,
    Intervention,
    MethodInfo,
    Scene,
)
from handful.methods.choice import choose_policies
from handful.methods.em import EMState, EStepMethod, ExpectationMaximization, SoftEM, best_of_pool
from handful.methods.schedule import RateRound, Schedule, WarmUp, warm_up_within
from handful.methods.weights import one_hot_assignment
from handful.types import Array, Bool, Float, Int, NumpyArray, PRNGKey

NEVER = 2**30
"""An update that no run comes to."""


MOST_OF_ROUND = 0.8
"""The share of a round that its warm-up takes at most. A round's policies are judged in the pool
anew, so that a few E-steps are enough."""


class PooledEMState(NamedTuple):
    """EM's state, and what is known of the rounds.

    Attributes:
        em: the assignment of the present round.
        first_e_step: the update before which the round's warm-up is over.
        importance: how much each user counts in what the policies are trained for, [N].
        is_frontier: whether the present round is one.
        gains: the welfare that the latest fresh round and the latest frontier round added to the
            pool's best choice; infinite before the first round of a kind.
        pool_welfare: the welfare of the pool's best choice before the present round.
    """

    em: EMState
    first_e_step: Int[Array, ""]
    importance: Float[Array, " N"]
    is_frontier: Bool[Array, ""]
    gains: Float[Array, " 2"]
    pool_welfare: Float[Array, ""]


@dataclass(frozen=True)
class PooledEM(AssignmentMethod):
    """EM goes on from the best policies in a pool, which short rounds of EM have filled.

    Attributes:
        rounds: before the pool is chosen from for the last time.
        exploring: the share of the updates that goes to the rounds.
        frontier: whether there are frontier rounds; without them every round is fresh.
        solo: whether policies of fresh rounds are each trained for a single user.
        temperature: the temperature of the soft E-step (:class:`~handful.methods.em.SoftEM`); 0 for
            a hard one.
        warm_up: updates of each fresh round on its random assignment; at most
            :data:`MOST_OF_ROUND` of them.
        final_progress: the progress at which the learner's rates go on after the last choice: 0 as
            at the start of a run, 1 as at its end. In each round they fall all the way.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "pooled expectation–maximisation: expectation–maximisation from several starts, and on "
            "from the best policies of all of them"
        ),
        revision=1,
        assigns_best=True,
        keeps_pool=True,
        only_utilitarian=True,
        begins_anew=True,
        learner_settings={"share_hidden": False},
    )

    rounds: int = 5
    exploring: float = 0.5
    frontier: bool = True
    solo: bool = False
    temperature: float = 0.0
    warm_up: int = 15
    final_progress: float = 0.5

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.temperature < 0.0:
            raise HandfulError(f"The temperature must be 0 or more, not {self.temperature}.")
        if self.warm_up < 0:
            raise HandfulError(f"warm_up must be 0 or more updates, not {self.warm_up}.")
        if self.rounds < 1:
            raise HandfulError(f"Pooled EM needs at least 1 round, not {self.rounds}.")
        if not 0.0 < self.exploring < 1.0:
            raise HandfulError(
                f"The share of the rounds must be above 0 and below 1, not {self.exploring}."
            )
        check_shares(self, "final_progress")

    @property
    def _em(self) -> EStepMethod:
        """The EM of one round, once its warm-up is over."""
        if self.temperature == 0.0:
            return ExpectationMaximization(warm_up=0)
        return SoftEM(warm_up=0, temperature=self.temperature)

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> PooledEMState:
        """Deal the users out to the policies, at random and evenly."""
        return PooledEMState(
            em=self._fresh(key, num_users, num_policies),
            first_e_step=jnp.asarray(NEVER if self.solo else self.warm_up, jnp.int32),
            importance=jnp.ones(num_users),
            is_frontier=jnp.zeros((), bool),
            gains=jnp.full(2, jnp.inf),
            pool_welfare=jnp.asarray(-jnp.inf),  # of no policies
        )

    def _fresh(self, key: PRNGKey, num_users: int, num_policies: int) -> EMState:
        """Make the assignment that a fresh round starts with."""
        em = self._em.init(key, num_users, num_policies).with_table()
        if not self.solo:
            return em
        alone = jax.random.choice(key, num_users, (num_policies,), replace=False)
        return em._replace(trained=one_hot_assignment(alone, num_users).T)

    def weights(self, state: PooledEMState) -> Int[Array, " N"]:
        """Give each user's policy."""
        return state.em.served

    def training_weights(self, state: PooledEMState) -> Float[Array, "N K"]:
        """Give EM's weights, times how much each user counts."""
        return self._em.training_weights(state.em) * state.importance[:, None]

    def reassign(self, key: PRNGKey, state: PooledEMState, feedback: Feedback) -> PooledEMState:
        """Take EM's E-step, once the round's warm-up is over."""
        num_updates = feedback.num_updates
        cut = self.warm_up - self._warm_up(num_updates, self._ends(num_updates)).updates
        since = feedback.update - (state.first_e_step - cut)
        return state._replace(em=self._em.reassign(key, state.em, feedback._replace(update=since)))

    def schedule(self, num_updates: int, num_policies: int) -> Schedule:
        """Intervene at the end of every round; the rates fall all the way in each of them.

        After the last round they fall from :attr:`final_progress` to the end.
        """
        del num_policies
        ends = self._ends(num_updates)
        progress = [0.0] * len(ends[:-1]) + [self.final_progress] * len(ends[-1:])
        return Schedule(
            num_updates,
            interventions=ends,
            warm_up=self._warm_up(num_updates, ends),
            rate_rounds=tuple(map(RateRound, ends, progress)),
        )

    def _warm_up(self, num_updates: int, ends: tuple[int, ...]) -> WarmUp:
        """Fit the warm-up of each fresh round into the shortest of the rounds."""
        if not ends:  # the run is too short for rounds
            return warm_up_within(num_updates, "warm_up", self.warm_up)
        shortest = min(end - start for start, end in itertools.pairwise((0, *ends)))
        return warm_up_within(shortest, "warm_up", self.warm_up, MOST_OF_ROUND)

    def _ends(self, num_updates: int) -> tuple[int, ...]:
        """Name the end of every round; a run that is too short for all of them has fewer."""
        ends = {
            round(self.exploring * num_updates * i / self.rounds) for i in range(1, self.rounds + 1)
        }
        return tuple(sorted(end for end in ends if 0 < end < num_updates))

    def intervene(self, key: PRNGKey, state: PooledEMState, scene: Scene) -> Intervention:
        """Start another round, or after the last one go on from the best of the pool.

        At the end of the run the best policies of all rounds, and of the time after them, become
        the final ones.
        """
        num_users, num_policies = len(state.em.served), state.em.num_policies
        if scene.is_end:
            sources, em = best_of_pool(scene.pooled, num_policies)
            return Intervention(state._replace(em=em), sources)
        chosen, _ = choose_policies(scene.pooled, num_policies)
        welfare = scene.pooled[chosen].max(axis=0).mean()
        gains = state.gains.at[state.is_frontier.astype(int)].set(welfare - state.pool_welfare)
        neglect = _neglect(scene.pooled)
        is_frontier = self.frontier and not scene.is_last and bool(neglect.any())
        is_frontier = is_frontier and bool(gains[1] >= gains[0])
        first_e_step, importance = scene.update, np.ones(num_users)
        if scene.is_last or is_frontier:
            importance = neglect if is_frontier else importance
            sources, em = best_of_pool(scene.pooled * importance, num_policies)
        else:
            sources = np.full(num_policies, FRESH)
            em = self._fresh(key, num_users, num_policies)
            first_e_step = NEVER if self.solo else first_e_step + self.warm_up
        new_state = PooledEMState(
            em=em,
            first_e_step=jnp.asarray(first_e_step, jnp.int32),
            importance=jnp.asarray(importance, jnp.float32),
            is_frontier=jnp.asarray(is_frontier),
            gains=gains,
            pool_welfare=jnp.asarray(welfare, jnp.float32),
        )
        return Intervention(new_state, sources, explores=is_frontier)


def _neglect(pooled: NumpyArray) -> NumpyArray:
    """Say how far each user is from as good a service as anybody gets from the pool.

    Returns:
        For each user a number from 0, which is the best service, to 1, which is the worst return
        that anybody gets from any policy. Where all are served alike, all numbers are 0.
    """
    best = pooled.max(axis=0)
    spread = best.max() - pooled.min()
    return (best.max() - best) / spread if spread > 0.0 else np.zeros(len(best))
