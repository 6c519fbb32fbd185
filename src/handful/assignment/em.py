"""EM-like learning with hard assignment (paper, section 3.3, equations 10 and 11)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from handful.assignment.base import (
    AssignmentMethod,
    Feedback,
    balanced_assignment,
    one_hot_assignment,
)
from handful.errors import HandfulError
from handful.types import Array, Float, Int, PRNGKey
from handful.validation import check_numbers

TIE_BREAK = 1e-3
"""What a user's present return counts against their return from the policy that is revived."""


@dataclass(frozen=True)
class ExpectationMaximization(AssignmentMethod):
    """Every user goes to the policy that has served them best (equation 11), before every update.

    Attributes:
        warm_up: updates on the first, random assignment before the first E-step.

    Three things that equation 11 leaves open:

    * A user for whom policies tie stays. Most often these are users whom nobody serves yet, all
      at zero; a plain argmax would send them all to the first policy.
    * A policy that nobody chose gets the user whom it serves best itself, of those whose policy
      keeps another user (the paper's appendix A assigns a random one); one after the other, until
      none is empty.
    * Before the first E-step the users are dealt out at random and evenly.
    """

    warm_up: int = 15

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.warm_up < 0:
            raise HandfulError(f"warm_up must be 0 or more updates, not {self.warm_up}.")

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Float[Array, "N K"]:
        """A random, balanced assignment."""
        return one_hot_assignment(balanced_assignment(key, num_users, num_policies), num_policies)

    def weights(self, state: Float[Array, "N K"]) -> Float[Array, "N K"]:
        """The state is the assignment itself, one-hot rows."""
        return state

    def reassign(
        self, key: PRNGKey, state: Float[Array, "N K"], feedback: Feedback
    ) -> Float[Array, "N K"]:
        """The E-step, once the warm-up is over."""
        del key
        chosen = greedy(feedback.returns, jnp.argmax(state, axis=1))
        chosen = one_hot_assignment(revive(chosen, feedback.returns), state.shape[1])
        return jnp.where(feedback.update >= self.warm_up, chosen, state)


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
