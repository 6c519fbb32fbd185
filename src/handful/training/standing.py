"""Who is served how, as an update needs it: of all users at once, or by groups of many.

Either way gives the same things: the method's new state, what the users get, and what policies are
trained for. Up to :data:`~handful.methods.ledger.BLOCK` users they come from tables of all users
and policies, beyond from a :class:`~handful.methods.ledger.Ledger`, whose cost hardly depends on
how many users there are. Both are for the utilitarian welfare, in which all users count alike; with
another, a group needs the weighted sum of its users' coefficients, so that weights would be
computed where a block is looked at, from the utilities of its users.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp

from handful.learner.base import MixFn
from handful.methods import AssignmentMethod, Feedback, RememberedEpisodes
from handful.methods.base import split_trainable
from handful.methods.ledger import BlockwiseMethod, GroupFeedback, Ledger, wary
from handful.methods.weights import weight_table
from handful.training.state import ReturnTable
from handful.types import Array, Bool, Float, Int, PRNGKey, PyTree
from handful.welfare import user_weights, utilitarian


class Standing(NamedTuple):
    """What an update knows of the users.

    Attributes:
        assignment: the method's new state.
        ledger: of it, where the users are many.
        users: weight of users on each policy.
        welfare: of the moving-average returns.
        batch_welfare: of the returns of one batch.
        mix_fn: what each feature counts for each policy.
        trained: how much all users together count for each policy.
    """

    assignment: PyTree
    ledger: Ledger | None
    users: Float[Array, " K"]
    welfare: Float[Array, ""]
    batch_welfare: Float[Array, ""]
    mix_fn: MixFn
    trained: Float[Array, " K"]

    @property
    def is_served(self) -> Bool[Array, " K"]:
        """Whether each policy serves anybody."""
        return self.users > 0


def reassign_all(
    key: PRNGKey,
    method: AssignmentMethod,
    assignment: PyTree,
    coefficients: Float[Array, "N D"],
    table: ReturnTable,
    latest: Float[Array, "K D"],
    update: Int[Array, ""],
    num_updates: int,
    episodes: RememberedEpisodes | None,
) -> Standing:
    """Every user is looked at, by tables [N, K].

    Args:
        key: for the method.
        method: that assigns.
        assignment: its state.
        coefficients: of the users.
        table: of the policies' returns.
        latest: what one batch says of them.
        update: updates done so far.
        num_updates: of the run.
        episodes: that the run remembers.
    """
    returns = wary(coefficients @ table.mean.T, table.seen)
    feedback = Feedback(returns, update, num_updates, episodes)
    assignment = method.reassign(key, assignment, feedback)
    num_policies = len(table.seen)
    alpha = weight_table(method.weights(assignment), num_policies)
    utilities = jnp.sum(alpha * returns, axis=1)
    weights = user_weights(utilitarian, utilities)
    _, rest = split_trainable(method, assignment)

    def trained_for(state: PyTree) -> Float[Array, "N K"]:
        who = weight_table(method.training_weights(state), num_policies)
        return who * weights[:, None]

    def mix_fn(parameters: PyTree) -> Float[Array, "K D"]:
        return trained_for(eqx.combine(parameters, rest)).T @ coefficients

    return Standing(
        assignment,
        ledger=None,
        users=jnp.sum(alpha, axis=0),
        welfare=utilitarian(utilities),
        batch_welfare=utilitarian(jnp.sum(alpha * (coefficients @ latest.T), axis=1)),
        mix_fn=mix_fn,
        trained=jnp.sum(trained_for(assignment), axis=0),
    )


def reassign_some(
    method: BlockwiseMethod,
    assignment: PyTree,
    ledger: Ledger,
    coefficients: Float[Array, "N D"],
    table: ReturnTable,
    latest: Float[Array, "K D"],
    update: Int[Array, ""],
    num_updates: int,
) -> Standing:
    """Some users are looked at, and what all get follows from sums by policy.

    The arguments are those of :func:`reassign_all`, with the ledger of the assignment.
    """
    feedback = GroupFeedback(table.mean, table.seen, coefficients, update, num_updates)
    assignment, ledger, revived = method.take_turn(assignment, ledger, feedback)
    users, sums = ledger.total_users, ledger.total_coefficients
    # A group is as wary as its mean user is.
    earned = jnp.diagonal(wary(sums @ table.mean.T, table.seen))
    mix, trained = sums, users
    if revived is not None:
        is_revived = (revived >= 0).astype(mix.dtype)
        mix = mix + is_revived[:, None] * coefficients[jnp.maximum(revived, 0)]
        trained = trained + is_revived
    return Standing(
        assignment,
        ledger,
        users,
        welfare=jnp.sum(earned) / len(coefficients),
        batch_welfare=jnp.sum(sums * latest) / len(coefficients),
        mix_fn=lambda _: mix,
        trained=trained,
    )
