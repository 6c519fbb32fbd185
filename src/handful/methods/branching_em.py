"""EM in which the least useful policies become copies of better ones, led to users nearby (ours).

EM leaves policies where nothing can be learnt. A robot that may fall shows this: some policies find
out how to stand or to go slowly, and serve their users ever better; others head for fast users
before they can keep their feet, fall after a hundred steps, and earn their many users next to
nothing for the rest of the run. A plan made before training does not help
(:mod:`~handful.methods.planned_em`), as nobody knows then how fast a robot can go.

So EM is interrupted a few times. The best ``k`` of all policies so far are chosen, as in
:mod:`~handful.methods.pooled_em`, and if it promises more welfare, the policy that users need
least becomes a copy of another, which is led to an outcome that the other can reach. A copy knows
how to stand already. It is trained for the users along the way: each counts the less, the farther
the outcome that suits them is from the copy's goal, in a width that shrinks. Meanwhile the others
are trained for the users that they keep. Then EM goes on, and copies that did well are copied in
turn. What did not work is given up at the next interruption, since the pool still holds what was
there before; the final policies come from the pool, too.

:func:`branch_out` decides which policies are given up. A policy that serves somebody well can be
led from there to somebody else, the more surely the nearer they are. So what its copy would earn
the users at any outcome is guessed from what the policy earns now, and the best of these guesses
competes with the policies that there are.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_numbers, check_shares
from handful.errors import HandfulError
from handful.methods.base import (
    AssignmentMethod,
    Feedback,
    Intervention,
    MethodInfo,
    Scene,
)
from handful.methods.choice import choose_policies
from handful.methods.em import EMState, ExpectationMaximization, best_of_pool, revive
from handful.methods.outcomes import LAST_WIDTH, OutcomeSpace, on_the_way
from handful.methods.schedule import Schedule, warm_up_within
from handful.methods.weights import one_hot_assignment
from handful.types import Array, Bool, Float, Int, NumpyArray, PRNGKey

KEPT = -1
"""An outcome that is none: the policy goes on as it is."""


class Branches(NamedTuple):
    """What becomes of ``K`` policies.

    Attributes:
        source: [K] the policy that each goes on from: itself, or the one it becomes a copy of.
        start: [K] the outcome that the source is nearest to keeping up.
        outcome: [K] where a copy is led; :data:`KEPT` for a policy that is no copy.
        policy: [N] the policy that is to serve each user.
        hoped: [K, N] what each user gets from those that are kept, and is guessed to get from
            copies.
    """

    source: NumpyArray
    start: NumpyArray
    outcome: NumpyArray
    policy: NumpyArray
    hoped: NumpyArray


def branch_out(returns: NumpyArray, space: OutcomeSpace, reach: float, margin: float) -> Branches:
    """Replace the policies that the users need least, one by one, while it promises enough.

    A copy of policy j, led to outcome m, is guessed to earn ``kept_j exp(-(distance / reach)^2)``
    times the gain of m: ``kept_j`` is how much of its own nearest outcome the policy keeps up, in
    steps. So short ways are thought to cost little, and long ones not to be worth trying. The best
    guess for each outcome is tried in place of each policy that nobody else was copied from and
    that is no copy itself.

    Args:
        returns: the returns of the K policies to N users, [K, N].
        space: the outcomes, as the same users see them.
        reach: the distance at which guesses have fallen by the factor e.
        margin: the least gain in welfare that a copy must promise, as a share of welfare above the
            worst returns.
    """
    num_policies = len(returns)
    served = returns - returns.min(axis=0)
    squares = np.maximum((space.gains**2).sum(axis=1), 1e-12)
    start = (served @ space.gains.T / np.sqrt(squares)).argmax(axis=1)
    kept_up = (served * space.gains[start]).sum(axis=1) / squares[start]
    guesses = kept_up[:, None] * np.exp(-((space.distances(start) / reach) ** 2))  # [K, M]

    source, outcome = np.arange(num_policies), np.full(num_policies, KEPT)
    hoped = served.copy()
    while True:
        is_copy = outcome != KEPT
        is_needed = is_copy | np.isin(np.arange(num_policies), source[is_copy])
        own = np.where(is_copy[:, None], -1.0, guesses)  # a copy has nothing to be copied yet
        origin = own.argmax(axis=0)
        promised = own.max(axis=0)[:, None] * space.gains
        welfare = hoped.max(axis=0).sum()
        best, swap = welfare * (1.0 + margin), None
        for place in np.flatnonzero(~is_needed):
            rest = np.delete(hoped, place, axis=0).max(axis=0, initial=0.0)
            totals = np.where(origin == place, -np.inf, np.maximum(promised, rest).sum(axis=1))
            if totals.max() > best:
                best, swap = totals.max(), (place, int(totals.argmax()))
        if swap is None:
            break
        place, goal = swap
        source[place], outcome[place], hoped[place] = origin[goal], goal, promised[goal]
    hoped += returns.min(axis=0)
    return Branches(source, start[source], outcome, hoped.argmax(axis=0), hoped)


class BranchingEMState(NamedTuple):
    """EM's state, and where copies are led.

    Attributes:
        em: the assignment, and what each policy is trained for.
        planned: [N, K] what the policies were to be trained for by the latest branching, copies
            apart: for the users they were to serve.
        is_led: [K] whether the policy is a copy that is led somewhere.
        distance: [N, K] the distance from the outcome that suits each user best to each copy's
            goal.
        first_width: [K] the width of each copy's way at first.
        share: [N] the weight of each user on the way.
        since, until: the updates before which the way begins and ends.
    """

    em: EMState
    planned: Float[Array, "N K"]
    is_led: Bool[Array, " K"]
    distance: Float[Array, "N K"]
    first_width: Float[Array, " K"]
    share: Float[Array, " N"]
    since: Int[Array, ""]
    until: Int[Array, ""]


@dataclass(frozen=True)
class BranchingEM(AssignmentMethod):
    """EM is interrupted a few times, to put copies of good policies in place of useless ones.

    Attributes:
        warm_up: updates on the first, random assignment before the first E-step; at most half of
            the run's.
        branchings: how often policies are given up for copies.
        first, last: the shares of the updates after which that is done for the first and the last
            time; in between at even distances.
        leading: the share of the updates until the next branching in which copies are led.
        reach: how far, in the unit of distances between outcomes, a copy can be led so that it is
            guessed to keep up 1/e of what its source does. (Outcomes 1 apart have half of their
            direction in common.)
        margin: the share by which a copy must promise to raise welfare.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "branching expectation–maximisation: expectation–maximisation in which, a few times, "
            "policies that users hardly need become copies of good ones, led to users within reach"
        ),
        assigns_best=True,
        keeps_pool=True,
        only_utilitarian=True,
        needs_outcomes=True,
        begins_anew=True,
        learner_settings={"share_hidden": False},
    )

    warm_up: int = 15
    branchings: int = 5
    first: float = 0.25
    last: float = 0.75
    leading: float = 0.6
    reach: float = 5.0
    margin: float = 0.02

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.branchings < 1:
            raise HandfulError(f"Branching EM branches at least once, not {self.branchings} times.")
        if not 0.0 < self.first <= self.last < 1.0:
            raise HandfulError(
                f"Branchings must lie within the run, the first before the last: shares above 0 "
                f"and below 1, not {self.first} and {self.last}."
            )
        check_shares(self, "leading")
        if self.reach <= 0.0 or self.margin < 0.0:
            raise HandfulError(
                f"reach must be above 0, and margin 0 or more, not {self.reach} and {self.margin}."
            )
        ExpectationMaximization(self.warm_up)  # checks it

    @property
    def _em(self) -> ExpectationMaximization:
        """The EM that is interrupted."""
        return ExpectationMaximization(self.warm_up)

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> BranchingEMState:
        """Deal the users out to the policies, at random and evenly."""
        em = self._em.init(key, num_users, num_policies).with_table()
        return BranchingEMState(
            em,
            planned=em.training_weights,
            is_led=jnp.zeros(num_policies, bool),
            distance=jnp.zeros((num_users, num_policies)),
            first_width=jnp.ones(num_policies),
            share=jnp.ones(num_users),
            since=jnp.zeros((), jnp.int32),
            until=jnp.zeros((), jnp.int32),
        )

    def weights(self, state: BranchingEMState) -> Int[Array, " N"]:
        """Give each user's policy."""
        return state.em.served

    def training_weights(self, state: BranchingEMState) -> Float[Array, "N K"]:
        """Give how much each user counts on the way of a copy, in the plan, or for EM."""
        return state.em.training_weights

    def schedule(self, num_updates: int, num_policies: int) -> Schedule:
        """Branch at even distances, after the warm-up of EM."""
        return Schedule(
            num_updates,
            interventions=self._branchings(num_updates, num_policies),
            warm_up=warm_up_within(num_updates, "warm_up", self.warm_up),
        )

    def _branchings(self, num_updates: int, num_policies: int) -> tuple[int, ...]:
        """Name the updates of the branchings; a single policy has no other to be a copy of."""
        if num_policies == 1:
            return ()
        shares = np.linspace(self.first, self.last, self.branchings)
        updates = {round(float(share) * num_updates) for share in shares}
        return tuple(sorted(update for update in updates if 0 < update < num_updates))

    def intervene(self, key: PRNGKey, state: BranchingEMState, scene: Scene) -> Intervention:
        """Go on from the best of the pool, with copies in place of the least useful of them.

        At the end of the run the best of all policies become the final ones.
        """
        del key
        num_policies = state.em.num_policies
        if scene.is_end:
            sources, em = best_of_pool(scene.pooled, num_policies)
            return Intervention(state._replace(em=em), sources)
        chosen, _ = choose_policies(scene.pooled, num_policies)
        space = OutcomeSpace.of(scene.payoffs)
        branches = branch_out(scene.pooled[chosen], space, self.reach, self.margin)
        policy = jnp.asarray(branches.policy, jnp.int32)
        # Who was chosen for nobody, as there was nothing better, still learns from somebody.
        sizes = jnp.sum(one_hot_assignment(policy, num_policies), axis=0)
        em = EMState(policy, revive(policy, jnp.asarray(branches.hoped.T), sizes)).with_table()
        planned = em.training_weights
        is_led = branches.outcome != KEPT
        from_goals = space.distances(np.where(is_led, branches.outcome, branches.start))
        way = from_goals[np.arange(num_policies), branches.start]
        until = self._next_branching(scene, num_policies) - scene.update
        new_state = BranchingEMState(
            em,
            planned=planned,
            is_led=jnp.asarray(is_led),
            distance=jnp.asarray(from_goals[:, space.best].T, jnp.float32),
            first_width=jnp.asarray(np.maximum(way, LAST_WIDTH), jnp.float32),
            share=jnp.asarray(space.share, jnp.float32),
            since=jnp.asarray(scene.update, jnp.int32),
            until=jnp.asarray(scene.update + round(self.leading * until), jnp.int32),
        )
        return Intervention(new_state, chosen[branches.source])

    def _next_branching(self, scene: Scene, num_policies: int) -> int:
        """Name the update before which copies are judged; the run's end is the last."""
        later = self._branchings(scene.num_updates, num_policies)
        return min((update for update in later if update > scene.update), default=scene.num_updates)

    def reassign(
        self, key: PRNGKey, state: BranchingEMState, feedback: Feedback
    ) -> BranchingEMState:
        """Move users to who serves them best; until copies have been led, keep to their plan."""
        em = self._em.reassign(key, state.em, feedback)
        progress = (feedback.update - state.since) / jnp.maximum(state.until - state.since, 1)
        leading = on_the_way(state.share, state.distance, state.first_width, progress)
        planned = jnp.where(state.is_led[None], leading, state.planned)
        is_led = feedback.update < state.until
        return state._replace(
            em=em._replace(trained=jnp.where(is_led, planned, em.training_weights))
        )
