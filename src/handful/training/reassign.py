"""Who is served how, as an update needs it: for all users at once, or by blocks of many users.

Both ways give the same things: the method's new state, what the users get, and what policies are
trained for. Up to :data:`~handful.methods.ledger.BLOCK` users they come from tables of all users
and policies. Of more users, the E-step looks at some blocks in each update
(:mod:`handful.methods.ledger`). What policies are trained for then follows from sums by block,
whose cost hardly depends on the number of users. That is so for the utilitarian welfare, in which
all users count alike. With another welfare, a user's weight depends on what all users get, so that
every update computes the utilities and the weighted sums of all blocks again, one block after the
other.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.methods import Feedback, RememberedEpisodes
from handful.methods.base import split_trainable
from handful.methods.ledger import BlockwiseMethod, GroupFeedback, Ledger, wary
from handful.methods.weights import weight_table
from handful.mix import Mix
from handful.training.fairness.mirror import MirrorState
from handful.training.fairness.pressure import Prices
from handful.training.fairness.weighing import weigh
from handful.training.fairness.worth import worth_to_users
from handful.training.run import Run
from handful.training.state import ReturnTable, TrainState
from handful.types import Array, Bool, Float, PRNGKey, PyTree
from handful.welfare import is_defined


class Standing(NamedTuple):
    """What an update knows of the users.

    Attributes:
        assignment: the method's new state.
        ledger: the sums of the new assignment, if the users are many.
        users: the number of users whom each policy serves, or the sum of their shares.
        welfare: the welfare of the moving-average returns.
        batch_welfare: what the returns of one batch are worth: their welfare, less what is missing
            to floors.
        defined_welfare: whether the welfare and what every user counts in it can be used
            (:func:`handful.welfare.is_defined`).
        mix_of: gives what policies are trained for, from the parameters of the assignment that
            learn by gradient (equation 12).
        mirror: the state of weights that follow the gradient slowly, if they do.
        prices: the prices of floors, if there are any.
    """

    assignment: PyTree
    ledger: Ledger | None
    users: Float[Array, " K"]
    welfare: Float[Array, ""]
    batch_welfare: Float[Array, ""]
    defined_welfare: Bool[Array, ""]
    mix_of: Callable[[PyTree], Mix]
    mirror: MirrorState | None = None
    prices: Prices | None = None

    @property
    def is_served(self) -> Bool[Array, " K"]:
        """Whether each policy serves anybody."""
        return self.users > 0


def reassign(
    key: PRNGKey,
    run: Run,
    state: TrainState,
    table: ReturnTable,
    latest: Float[Array, "K D"],
    episodes: RememberedEpisodes | None = None,
) -> Standing:
    """Reassign the users (equation 11), and work out what follows for the policies.

    Args:
        key: the random key for everything random in the method.
        run: the run, with its method, users and welfare function.
        state: the state before the update; its assignment and its ledger are used.
        table: the moving averages of the policies' returns.
        latest: the policies' returns in features by the latest batch.
        episodes: the episodes that the run remembers.
    """
    if state.ledger is None:
        return _reassign_all(key, run, state, table, latest, episodes)
    return _reassign_some(run, state, state.ledger, table, latest)


def _reassign_all(
    key: PRNGKey,
    run: Run,
    state: TrainState,
    table: ReturnTable,
    latest: Float[Array, "K D"],
    episodes: RememberedEpisodes | None,
) -> Standing:
    """Look at every user, by tables [N, K]."""
    method, welfare = run.method, run.welfare
    coefficients = jnp.asarray(run.problem.population.coefficients)
    returns = wary(coefficients @ table.mean.T, table.seen)
    worth_to = None if run.counts_all_alike else partial(worth_to_users, run)
    feedback = Feedback(returns, state.update, run.planned_updates, episodes, worth_to)
    assignment = method.reassign(key, state.assignment, feedback)
    alpha = weight_table(method.weights(assignment), run.num_policies)
    utilities = jnp.sum(alpha * returns, axis=1)
    counted = weigh(run, state.mirror, state.prices, utilities, state.update)
    weights = counted.of_users
    _, rest = split_trainable(method, assignment)

    def mix_of(parameters: PyTree) -> Mix:
        trained_for = method.training_weights(eqx.combine(parameters, rest))
        return Mix.of(weight_table(trained_for, run.num_policies), coefficients, weights)

    value = welfare(utilities)
    return Standing(
        assignment,
        ledger=None,
        users=jnp.sum(alpha, axis=0),
        welfare=value,
        batch_welfare=run.worth(jnp.sum(alpha * (coefficients @ latest.T), axis=1)),
        defined_welfare=is_defined(value, weights),
        mix_of=mix_of,
        mirror=counted.mirror,
        prices=counted.prices,
    )


def _reassign_some(
    run: Run, state: TrainState, ledger: Ledger, table: ReturnTable, latest: Float[Array, "K D"]
) -> Standing:
    """Look at some users, and let what all users get follow from sums."""
    method = run.method
    assert isinstance(method, BlockwiseMethod)
    coefficients = jnp.asarray(run.problem.population.coefficients)
    feedback = GroupFeedback(
        table.mean, table.seen, coefficients, state.update, run.planned_updates
    )
    assignment, ledger, revived = method.take_turn(state.assignment, ledger, feedback)
    if run.counts_all_alike:
        served = _all_alike(ledger, feedback, latest)
    else:
        served = _weighed(run, state, method.weights(assignment), ledger, feedback, latest)
    mix = served.mix
    if revived is not None:
        is_revived, users = revived >= 0, jnp.maximum(revived, 0)
        counts = jnp.where(is_revived, served.weight_of(users), 0.0)
        mix = mix.plus(counts, coefficients[users])
    return Standing(
        assignment,
        ledger,
        ledger.total_users,
        welfare=served.welfare,
        batch_welfare=served.batch_welfare,
        defined_welfare=served.defined_welfare,
        mix_of=lambda _: mix,
        mirror=served.mirror,
        prices=served.prices,
    )


class _Served(NamedTuple):
    """What many users get under an assignment, and what policies are trained for by it.

    Attributes:
        welfare: the welfare of the moving-average returns.
        batch_welfare: the welfare of the returns of one batch.
        defined_welfare: whether the welfare and what every user counts in it can be used
            (:func:`handful.welfare.is_defined`).
        mix: what policies are trained for.
        weight_of: gives what some users count in the welfare, from their positions.
        mirror: the state of weights that follow the gradient slowly, if they do.
        prices: the prices of floors, if there are any.
    """

    welfare: Float[Array, ""]
    batch_welfare: Float[Array, ""]
    defined_welfare: Bool[Array, ""]
    mix: Mix
    weight_of: Callable[[Array], Array]
    mirror: MirrorState | None = None
    prices: Prices | None = None


def _all_alike(ledger: Ledger, feedback: GroupFeedback, latest: Float[Array, "K D"]) -> _Served:
    """Work out the utilitarian welfare and its mix from sums by block alone."""
    mix, num_users = ledger.total, len(feedback.coefficients)
    # A group is as wary as its mean user is.
    earned = jnp.diagonal(wary(mix.weights @ feedback.mean.T, feedback.seen))
    return _Served(
        welfare=jnp.sum(earned) / num_users,
        batch_welfare=jnp.sum(mix.weights * latest) / num_users,
        defined_welfare=jnp.ones((), bool),
        mix=mix,
        weight_of=lambda users: jnp.ones(len(users)),
    )


def _weighed(
    run: Run,
    state: TrainState,
    policy: Array,
    ledger: Ledger,
    feedback: GroupFeedback,
    latest: Float[Array, "K D"],
) -> _Served:
    """Work out another welfare and its mix, one block of users after the other.

    Args:
        run: the run, with its welfare function.
        state: the state before the update; what users counted so far is used.
        policy: the policy of each user, or -1 if all policies serve the user alike.
        ledger: its blocks are looked at.
        feedback: how good every policy was.
        latest: the policies' returns in features by the latest batch.
    """
    num_users, num_policies = len(policy), run.num_policies

    def look(block: Array) -> tuple[Array, Array, Array]:
        """Return the users of a block, if any, their shares [S, K] and coefficients."""
        users, is_user = ledger.users_of(block, num_users)
        shares = weight_table(jnp.take(policy, users, mode="clip"), num_policies)
        return users, jnp.where(is_user[:, None], shares, 0.0), feedback.rows(users)

    def earn(block: Array, known: tuple[Array, Array]) -> tuple[Array, Array]:
        users, shares, rows = look(block)
        utilities = jnp.sum(shares * wary(rows @ feedback.mean.T, feedback.seen), axis=1)
        by_batch = jnp.sum(shares * (rows @ latest.T), axis=1)
        return (
            known[0].at[users].set(utilities, mode="drop"),
            known[1].at[users].set(by_batch, mode="drop"),
        )

    nothing = jnp.zeros(num_users)
    utilities, by_batch = jax.lax.fori_loop(0, ledger.num_blocks, earn, (nothing, nothing))
    counted = weigh(run, state.mirror, state.prices, utilities, state.update)
    weights = counted.of_users

    def add(block: Array, mix: Mix) -> Mix:
        users, shares, rows = look(block)
        of_block = Mix.of(shares, rows, jnp.take(weights, users, mode="clip"))
        return jax.tree.map(jnp.add, mix, of_block)

    empty = Mix(jnp.zeros((num_policies, feedback.coefficients.shape[1])), jnp.zeros(num_policies))
    value = run.welfare(utilities)
    return _Served(
        welfare=value,
        batch_welfare=run.worth(by_batch),
        defined_welfare=is_defined(value, weights),
        mix=jax.lax.fori_loop(0, ledger.num_blocks, add, empty),
        weight_of=lambda users: weights[users],
        mirror=counted.mirror,
        prices=counted.prices,
    )
