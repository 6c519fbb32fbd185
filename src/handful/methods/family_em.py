"""EM of policies that learn together and are led to the outcomes of a plan (ours).

EM from a random start serves the users whom new policies happen to reach first, often with several
policies. Nothing leads a policy to users whose reward is zero all the way to them. Some problems
name the outcomes that a policy might keep up (``RMDP.constant_outcomes``). There the best ``k``
outcomes are known before any training (:mod:`~handful.methods.outcomes`), and each policy is given
one of them as its goal.

The users themselves lead a policy to its goal. Policy ``j`` is trained for all of them. User ``i``
counts the less, the farther the outcome that suits them is from the policy's goal:

    w_ij = share_i * exp(-distance_ij / width)

So what the policy earns rises steadily on the way to its goal, however many users want what lies
between. The width shrinks from a large part of the whole range to about that of one user's reward.
After the way, each policy is trained for the users that it is meant to serve. At last EM takes
over. It gives up what turned out not to be reachable, and moves users to the policy that serves
them best. Where no user wants anything of what lies on the way, nothing leads across the gap.

The method is for outcomes that are hard to reach. A robot that may fall learns to stand, then to
creep, then to walk, and each of these takes hundreds of thousands of transitions. Policies with
networks of their own learn all of that ``k`` times. Those that head for fast users before they can
keep their feet never learn it. What they have to learn is nearly the same, though, since one gait
is the beginning of the next one.

So the policies are a *family* (:attr:`~handful.learner.networks.Sharing.FAMILY`). One actor learns
from the transitions of all policies. A bias vector and the spread of its actions are all that a
member has to itself. Members that head for near outcomes find out how to stay on their feet, and
those that head for far outcomes profit from it. The critics stay apart, because policies with
similar gaits are not worth the same.

The way is long, and a policy goes on only while it keeps its footing. To fall costs nothing where
nothing is earned. So a policy that cannot keep up anything any more goes back to where there was
more to earn, and no policy is asked for what none can nearly do. (To pace a curriculum by what has
been mastered is the idea of automatic domain randomisation; Akkaya et al., 2019, "Solving Rubik's
Cube with a Robot Hand".) The width is moderate from the start. In a very wide way standing pays
about as much as walking, and then all members of some families stand until nothing else is tried
any more. ``docs/development.md`` has the measurements.

Each final policy is a network like any other, with its own bias put in.
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
from handful.methods.em import EMState, ExpectationMaximization
from handful.methods.outcomes import LAST_WIDTH, on_the_way, plan_outcomes
from handful.methods.schedule import Schedule
from handful.methods.weights import one_hot_assignment
from handful.types import Array, Float, Int, PRNGKey


class FamilyEMState(NamedTuple):
    """EM's state, and the plan.

    Attributes:
        em: the assignment, and what each policy is trained for.
        policy: [N] the policy that is to serve each user.
        distance: [N, K] the distance from the outcome that suits each user best to each policy's.
        share: [N] the weight of each user on the way.
        floor: [N] what each user earns from the outcome that is worst for them.
        highest: the most that any outcome earns any user above that.
        first_width: the width of the way at first.
        arrival: how many steps the way has.
        steps: [K] how many of them each policy has behind it.
        release: the update before which EM takes over.
    """

    em: EMState
    policy: Int[Array, " N"]
    distance: Float[Array, "N K"]
    share: Float[Array, " N"]
    floor: Float[Array, " N"]
    highest: Float[Array, ""]
    first_width: Float[Array, ""]
    arrival: Int[Array, ""]
    steps: Int[Array, " K"]
    release: Int[Array, ""]


@dataclass(frozen=True)
class FamilyEM(AssignmentMethod):
    """A family of policies is led to the outcomes of a plan, trained for its users, and by EM.

    Users are always served by the policy that serves them best.

    Attributes:
        leading: the share of the updates that leads policies to their outcomes, if they go on at
            every one.
        holding: the share after that in which they are trained for the users of the plan, or on
            their way still.
        caution: how much less than perfectly the plan expects the outcome farthest from the first,
            where policies begin, to be kept up. Many plans are about equally good, and with caution
            the plan takes long ways only if they pay. What is hard to reach is also hard to keep
            up.
        footing: how much of an outcome a policy must keep up, whichever outcomes it passes through,
            to go a step on. A policy that keeps up less goes a step back, as a robot does that
            falls early. At 0 all go on at every update.
        width: the width of the way at first, in units of the largest distance. The wider the way
            is, the more a policy earns far from its goal.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "planned expectation–maximisation of a family: the policies are one network but for a "
            "few numbers of their own, so that each learns from what all of them do; they are led "
            "to the outcomes that would serve the users best, each only as far as it keeps its "
            "footing, and then each user goes to the policy that serves them best"
        ),
        revision=3,
        assigns_best=True,
        needs_outcomes=True,
        only_utilitarian=True,
        begins_anew=True,
        learner_settings={"family": True},
    )

    leading: float = 0.3
    holding: float = 0.2
    caution: float = 0.6
    footing: float = 0.8
    width: float = 0.8

    def __post_init__(self) -> None:
        check_numbers(self)
        check_shares(self, "leading", "holding", "caution", "footing")
        if not 0.0 < self.width < np.inf:
            raise HandfulError(f"width must be a positive number, not {self.width}.")

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> FamilyEMState:
        """Deal the users out evenly at random, until the plan is made."""
        em = _EM.init(key, num_users, num_policies).with_table()
        return FamilyEMState(
            em,
            policy=em.served,
            distance=jnp.zeros((num_users, num_policies)),
            share=jnp.ones(num_users),
            floor=jnp.zeros(num_users),
            highest=jnp.ones(()),
            first_width=jnp.ones(()),
            arrival=jnp.zeros((), jnp.int32),
            steps=jnp.zeros(num_policies, jnp.int32),
            release=jnp.zeros((), jnp.int32),
        )

    def weights(self, state: FamilyEMState) -> Int[Array, " N"]:
        """Give each user's policy."""
        return state.em.served

    def training_weights(self, state: FamilyEMState) -> Float[Array, "N K"]:
        """Give how much each user counts on the way, in the plan, or for EM."""
        return state.em.training_weights

    def schedule(self, num_updates: int, num_policies: int) -> Schedule:
        """Make the plan before the first update."""
        del num_policies
        return Schedule(num_updates, interventions=(0,))

    def intervene(self, key: PRNGKey, state: FamilyEMState, scene: Scene) -> Intervention:
        """Make the plan."""
        del key
        num_policies = state.distance.shape[1]
        plan = plan_outcomes(scene.payoffs, num_policies, self.caution)
        em = EMState.of(jnp.asarray(plan.policy, jnp.int32), num_policies).with_table()
        first_width = max(self.width * plan.distance.max(), LAST_WIDTH)
        new_state = FamilyEMState(
            em,
            policy=jnp.asarray(plan.policy, jnp.int32),
            distance=jnp.asarray(plan.distance, jnp.float32),
            share=jnp.asarray(plan.share, jnp.float32),
            floor=jnp.asarray(scene.payoffs.min(axis=0), jnp.float32),
            highest=jnp.asarray(np.ptp(scene.payoffs, axis=0).max(), jnp.float32),
            first_width=jnp.asarray(first_width, jnp.float32),
            arrival=jnp.asarray(round(self.leading * scene.num_updates), jnp.int32),
            steps=state.steps,
            release=jnp.asarray(
                round((self.leading + self.holding) * scene.num_updates), jnp.int32
            ),
        )
        return Intervention(new_state)

    def reassign(self, key: PRNGKey, state: FamilyEMState, feedback: Feedback) -> FamilyEMState:
        """Move users to the policy that serves them best, and train policies for their stage."""
        em = _EM.reassign(key, state.em, feedback)
        progress = state.steps / jnp.maximum(state.arrival, 1)
        leading = on_the_way(state.share, state.distance, state.first_width, progress)
        planned = one_hot_assignment(state.policy, state.distance.shape[1])
        planned = jnp.where(state.steps < state.arrival, leading, planned)
        trained = jnp.where(feedback.update < state.release, planned, em.training_weights)
        return state._replace(em=em._replace(trained=trained), steps=self._steps(state, feedback))

    def _steps(self, state: FamilyEMState, feedback: Feedback) -> Int[Array, " K"]:
        """Let each policy go a step on or back, by how much it keeps up of whatever it does.

        What a policy gains for all users, weighted by their shares, is what it would be trained for
        in an endless width: about as much from one outcome as from any other.
        """
        if self.footing == 0.0:
            return jnp.minimum(state.steps + 1, state.arrival)
        gains = state.share @ (feedback.returns - state.floor[:, None])
        has_footing = gains >= self.footing * state.highest
        return jnp.clip(state.steps + jnp.where(has_footing, 1, -1), 0, state.arrival)


_EM = ExpectationMaximization(warm_up=0)
