"""E-steps of many users: some of them at a time, and sums by policy for all of them.

What policies are trained for needs no table of users and policies: the mix of a hard assignment is
the sum of the coefficients of each policy's users, and the welfare follows from it. Here both are
kept for each of several *blocks* of users. An E-step looks at some of the blocks and replaces their
sums, which is incremental EM (Neal and Hinton, 1998, "A view of the EM algorithm that justifies
incremental, sparse, and other variants"). After :data:`ROUND` updates everybody has been looked at.
That is sooner than the return table forgets, of which a batch replaces a twentieth.

A population of no more than :data:`BLOCK` users is assigned all at once, and keeps no ledger.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.methods.base import AssignmentMethod
from handful.methods.weights import weight_table
from handful.mix import Mix
from handful.types import Array, Bool, Float, Int, PyTree

BLOCK = 16_384
"""Users in a block, at most: the returns of so many from 50 policies stay in a cache."""

ROUND = 8
"""Updates after which every user has been reassigned."""


class Ledger(eqx.Module):
    """Who is served by each policy, summed by blocks. User ``i`` is in block ``i % B``.

    So every block is like the whole population, in whatever order its users stand.

    Attributes:
        users: how many of a block's users each policy serves.
        coefficients: what their coefficients sum up to.
    """

    users: Float[Array, "B K"]
    coefficients: Float[Array, "B K D"]

    @classmethod
    def of(
        cls, served: Int[Array, " N"], coefficients: Float[Array, "N D"], num_policies: int
    ) -> "Ledger":
        """Add up an assignment. All policies serve a user with policy -1 alike."""
        num_blocks = -(-len(served) // BLOCK)
        empty = cls(
            jnp.zeros((num_blocks, num_policies)),
            jnp.zeros((num_blocks, num_policies, coefficients.shape[1])),
        )

        def add(block: Int[Array, ""], ledger: "Ledger") -> "Ledger":
            users, is_user = ledger.users_of(block, len(served))
            policy, rows = (
                jnp.take(values, users, axis=0, mode="clip") for values in (served, coefficients)
            )
            return ledger.replaced(block, policy, rows, is_user)

        return jax.lax.fori_loop(0, num_blocks, add, empty)

    @property
    def num_blocks(self) -> int:
        """``B``."""
        return self.users.shape[0]

    @property
    def total_users(self) -> Float[Array, " K"]:
        """How many users each policy serves."""
        return jnp.sum(self.users, axis=0)

    @property
    def total(self) -> Mix:
        """The mix of the whole assignment, in which every user counts 1."""
        return Mix(jnp.sum(self.coefficients, axis=0), self.total_users)

    def users_of(
        self, block: Int[Array, ""], num_users: int
    ) -> tuple[Int[Array, " S"], Bool[Array, " S"]]:
        """Name the users of a block, and say which of these places hold a user.

        Blocks have places for equally many users, so that the last place may be one too many.
        """
        size = -(-num_users // self.num_blocks)
        users = block + self.num_blocks * jnp.arange(size)
        return users, users < num_users

    def replaced(
        self,
        block: Int[Array, ""],
        policy: Int[Array, " S"],
        coefficients: Float[Array, "S D"],
        is_user: Bool[Array, " S"],
    ) -> "Ledger":
        """Make the ledger in which these policies serve a block's users."""
        shares = weight_table(policy, self.users.shape[1])
        shares = jnp.where(is_user[:, None], shares, 0.0)
        mix = Mix.of(shares, coefficients)
        return Ledger(
            self.users.at[block].set(mix.trained), self.coefficients.at[block].set(mix.weights)
        )


class GroupFeedback(NamedTuple):
    """What a method learns of the policies before each update of a large population.

    Attributes:
        mean: Phi, the moving average of the policies' returns in features.
        seen: whether each policy has finished an episode.
        coefficients: C, that turn features into what users earn.
        update: updates done so far.
        num_updates: updates of the whole run.
    """

    mean: Float[Array, "K D"]
    seen: Bool[Array, " K"]
    coefficients: Float[Array, "N D"]
    update: Int[Array, ""]
    num_updates: int

    def rows(self, users: Int[Array, " n"]) -> Float[Array, "n D"]:
        """Give the coefficients of some of the users; a number after the last user's is theirs."""
        return jnp.take(self.coefficients, users, axis=0, mode="clip")

    def returns_of(self, users: Int[Array, " n"]) -> Float[Array, "n K"]:
        """Give the returns by which some of the users choose (:func:`wary`)."""
        return wary(self.rows(users) @ self.mean.T, self.seen)


def wary(returns: Float[Array, "N K"], seen: Bool[Array, " K"]) -> Float[Array, "N K"]:
    """Change users' returns so that policies which have finished no episode attract nobody.

    Such a policy counts as returning nothing, or if that is more than the others return, as the
    worst of those that have finished one.
    """
    worst = jnp.min(jnp.where(seen, returns, jnp.inf), axis=1, keepdims=True)
    return jnp.where(seen, returns, jnp.minimum(returns, worst))


class Turn(NamedTuple):
    """What follows from an E-step of some of the users.

    Attributes:
        state: the method's new state.
        ledger: the sums of the assignment after the step.
        revived: the user whom each policy is trained for besides those whom it serves, or -1; None
            if the method trains no policy for anybody else.
    """

    state: PyTree
    ledger: Ledger
    revived: Int[Array, " K"] | None = None


@dataclass(frozen=True)
class BlockwiseMethod(AssignmentMethod):
    """Base class of the methods that can assign a large population block by block.

    For up to :data:`BLOCK` users ``reassign`` is called as of any other method; for more of them
    :meth:`take_turn` is called in its place, and no table of all users and policies is made. Such a
    method's ``weights`` are each user's one policy, [N].
    """

    @abstractmethod
    def take_turn(self, state: PyTree, ledger: Ledger, feedback: GroupFeedback) -> Turn:
        """Reassign some of the users, and bring the sums of the assignment up to date.

        The function is compiled and called before every update.

        Args:
            state: before.
            ledger: the sums of the assignment before.
            feedback: how good the policies are.
        """


Choose = Callable[[Array, Array], Array]
"""A function from returns [n, K] and present policies [n] to new policies [n]."""


def take_turn(
    served: Int[Array, " N"],
    ledger: Ledger,
    feedback: GroupFeedback,
    first: Int[Array, ""],
    number: Int[Array, ""],
    choose: Choose,
) -> tuple[Int[Array, " N"], Ledger]:
    """Reassign the users of some blocks.

    Args:
        served: the policy of each user.
        ledger: the sums of this assignment.
        feedback: what the policies are worth.
        first: the block that is looked at first.
        number: how many blocks are looked at, one after the other; after the last comes the first.
        choose: the rule by which the users of a block choose.

    Returns:
        The new policy of each user, and the sums of the new assignment.
    """

    def look(
        index: Int[Array, ""], carry: tuple[Int[Array, " N"], Ledger]
    ) -> tuple[Int[Array, " N"], Ledger]:
        served, ledger = carry
        block = (first + index) % ledger.num_blocks
        users, is_user = ledger.users_of(block, len(served))
        present = jnp.take(served, users, mode="clip")
        policy = choose(feedback.returns_of(users), present)
        served = served.at[users].set(policy, mode="drop")
        return served, ledger.replaced(block, policy, feedback.rows(users), is_user)

    return jax.lax.fori_loop(0, number, look, (served, ledger))
