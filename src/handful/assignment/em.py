"""EM-like learning with hard assignment (paper, section 3.3, equations 10 and 11)."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from handful.assignment.base import (
    AssignmentMethod,
    Feedback,
    WarmUp,
    balanced_assignment,
    one_hot_assignment,
    warm_up_within,
)
from handful.assignment.choice import choose_policies
from handful.errors import HandfulError
from handful.types import Array, Bool, Float, Int, NumpyArray, PRNGKey
from handful.validation import check_numbers


class EMState(NamedTuple):
    """Who is served by whom, and what each policy is trained for.

    Attributes:
        served: one-hot rows.
        trained: the same, with one user more for each policy that serves nobody; soft rows where
            responsibilities are soft (:mod:`~handful.assignment.soft_em`).
    """

    served: Float[Array, "N K"]
    trained: Float[Array, "N K"]


TIE_BREAK = 1e-3
"""What a user's present return counts against their return from the policy that is revived."""


@dataclass(frozen=True)
class ExpectationMaximization(AssignmentMethod):
    """Every user goes to the policy that has served them best (equation 11), before every update.

    Attributes:
        warm_up: updates on the first, random assignment before the first E-step; at most half of
            the run's (:data:`~handful.assignment.base.MOST_WARM_UP`).
        e_step_every: updates from one E-step to the next; in between everybody stays.

    Three things that equation 11 leaves open:

    * A user for whom policies tie stays. Most often these are users whom nobody serves yet, all
      at zero; a plain argmax would send them all to the first policy.
    * A policy that nobody chose is trained for the user whom it serves best itself, of those whose
      policy keeps another user (the paper's appendix A assigns it a random one); one after the
      other, until every policy has something to learn. The user stays with the policy that serves
      them best, until the revived one is better.
    * Before the first E-step the users are dealt out at random and evenly.
    """

    assigns_best: ClassVar[bool] = True

    warm_up: int = 15
    _: KW_ONLY
    e_step_every: int = 1

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.warm_up < 0:
            raise HandfulError(f"warm_up must be 0 or more updates, not {self.warm_up}.")
        if self.e_step_every < 1:
            raise HandfulError(f"e_step_every must be 1 update or more, not {self.e_step_every}.")

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> EMState:
        """A random, balanced assignment."""
        policy = balanced_assignment(key, num_users, num_policies)
        served = one_hot_assignment(policy, num_policies)
        return EMState(served, trained=served)

    def weights(self, state: EMState) -> Float[Array, "N K"]:
        """One-hot rows."""
        return state.served

    def training_weights(self, state: EMState) -> Float[Array, "N K"]:
        """One-hot rows, and one more entry for each policy that nobody chose."""
        return state.trained

    def reassign(self, key: PRNGKey, state: EMState, feedback: Feedback) -> EMState:
        """The E-step, once the warm-up is over."""
        del key
        num_policies = state.served.shape[1]
        chosen = greedy(feedback.returns, jnp.argmax(state.served, axis=1))
        served = one_hot_assignment(chosen, num_policies)
        revived = one_hot_assignment(revive(chosen, feedback.returns), num_policies)
        is_due = self.is_due(feedback)
        return EMState(
            served=jnp.where(is_due, served, state.served),
            trained=jnp.where(is_due, jnp.maximum(served, revived), state.trained),
        )

    def warm_up_of(self, num_updates: int, num_policies: int) -> WarmUp:
        """The updates before the first E-step."""
        del num_policies
        return warm_up_within(num_updates, "warm_up", self.warm_up)

    def is_due(self, feedback: Feedback) -> Bool[Array, ""]:
        """Whether there is an E-step before the next update."""
        warm_up = warm_up_within(feedback.num_updates, "warm_up", self.warm_up).updates
        since = feedback.update - warm_up
        return (since >= 0) & (since % self.e_step_every == 0)


def greedy(returns: Float[Array, "N K"], current: Int[Array, " N"]) -> Int[Array, " N"]:
    """Equation 11; a user leaves only for a policy that is strictly better."""
    own = jnp.take_along_axis(returns, current[:, None], axis=1)[:, 0]
    best = jnp.argmax(returns, axis=1)
    return jnp.where(jnp.max(returns, axis=1) > own, best, current).astype(current.dtype)


def revive(policy: Int[Array, " N"], returns: Float[Array, "N K"]) -> Int[Array, " N"]:
    """Give each empty policy the user whom it serves best itself, of those whom another can spare.

    A user whom it does not serve at all would teach it nothing: their reward is the same whatever
    it does. Of users whom it serves alike it takes the one who is worst served now.
    """
    num_policies = returns.shape[1]

    def give(j: Int[Array, ""], policy: Int[Array, " N"]) -> Int[Array, " N"]:
        sizes = jnp.sum(one_hot_assignment(policy, num_policies), axis=0)
        served = jnp.take_along_axis(returns, policy[:, None], axis=1)[:, 0]
        preference = returns[:, j] - TIE_BREAK * served
        user = jnp.argmax(jnp.where(sizes[policy] > 1, preference, -jnp.inf))
        return jnp.where(sizes[j] > 0, policy, policy.at[user].set(j))

    return jax.lax.fori_loop(0, num_policies, give, policy)


def best_of_pool(returns: NumpyArray, num_policies: int) -> tuple[NumpyArray, EMState]:
    """The rows of the best policies of a pool [M, N], and everybody served by the best of them."""
    sources, policy = choose_policies(returns, num_policies)
    served = one_hot_assignment(jnp.asarray(policy), num_policies)
    return sources, EMState(served, trained=served)
