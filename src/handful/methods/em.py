"""EM-like learning, with a hard and with a soft E-step.

The hard E-step is the paper's (section 3.3, equations 10 and 11): each user goes to the policy that
serves them best, and each policy is trained for the users it has. A policy then learns nothing of
users whom another serves a little better, and keeps every user whom it serves first. EM stops
wherever no single user moves.

In the soft E-step user ``i`` trains policy ``j`` with weight

    softmax_j(Q_ij / temperature)

A policy that could soon take a user over is drawn to do so, and users whom no policy serves yet
draw all policies alike. This is the E-step of deterministic annealing (Rose, 1998) at one
temperature. Users are still served by the best policy, as in the hard E-step.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from handful._support.checks import check_numbers
from handful.errors import HandfulError
from handful.methods.base import AssignmentMethod, Feedback, MethodInfo
from handful.methods.choice import choose_policies
from handful.methods.ledger import ROUND, BlockwiseMethod, GroupFeedback, Ledger, Turn, take_turn
from handful.methods.schedule import Schedule, warm_up_within
from handful.methods.weights import balanced_assignment, one_hot_assignment
from handful.types import Array, Bool, Float, Int, NumpyArray, PRNGKey


class EMState(NamedTuple):
    """Who is served by whom, and what each policy is trained for.

    Attributes:
        served: the policy of each user.
        revived: the user whom each policy is trained for besides those whom it serves, or -1.
            Policies that serve somebody have none.
        trained: how much each user counts for each policy, if that is anything else than the
            users whom it serves and the one whom it is revived by; None if it is not. A million
            users and 50 policies would fill 200 MB with ones and zeros.
    """

    served: Int[Array, " N"]
    revived: Int[Array, " K"]
    trained: Float[Array, "N K"] | None = None

    @classmethod
    def of(cls, policy: Int[Array, " N"], num_policies: int) -> "EMState":
        """Train every policy for those whom it serves, and for nobody else.

        Args:
            policy: each user's policy.
            num_policies: ``K``.
        """
        return cls(policy, jnp.full(num_policies, -1, jnp.int32))

    @property
    def num_policies(self) -> int:
        """``K``."""
        return self.revived.shape[0]

    @property
    def training_weights(self) -> Float[Array, "N K"]:
        """The table of how much each user counts for each policy, [N, K]."""
        return training_table(self.served, self.revived) if self.trained is None else self.trained

    def with_table(self) -> "EMState":
        """Give the same state with :attr:`trained` as a table, which methods may change freely."""
        return self._replace(trained=self.training_weights)


def training_table(served: Int[Array, " N"], revived: Int[Array, " K"]) -> Float[Array, "N K"]:
    """Make a table with 1 at each user's policy, and at the user by whom a policy is revived."""
    num_policies = len(revived)
    table = one_hot_assignment(served, num_policies)
    # A policy that is not revived has its entry at a row that there is not.
    rows = jnp.where(revived >= 0, revived, len(served))
    return table.at[rows, jnp.arange(num_policies)].set(1.0, mode="drop")


NOBODY = -1e30
"""A return that is worse than any user's."""

TIE_BREAK = 1e-3
"""What a user's present return counts against their return from the policy that is revived."""


@dataclass(frozen=True)
class EStepMethod(AssignmentMethod):
    """Base class of EM with a hard and a soft E-step: how users begin, and when E-steps come.

    Attributes:
        warm_up: updates on the first, random assignment before the first E-step; at most half of
            the run's (:data:`~handful.methods.schedule.MOST_WARM_UP`).
        e_step_every: updates from one E-step to the next; in between everybody stays.
    """

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
        """Deal the users out to the policies, at random and evenly."""
        policy = balanced_assignment(key, num_users, num_policies)
        return EMState.of(policy.astype(jnp.int32), num_policies)

    def started(self, state: EMState, policy: Int[Array, " N"]) -> EMState:
        """Begin with each user at the given policy that serves them best."""
        after = EMState.of(policy.astype(jnp.int32), state.num_policies)
        return after if state.trained is None else after.with_table()

    def weights(self, state: EMState) -> Int[Array, " N"]:
        """Give each user's policy."""
        return state.served

    def training_weights(self, state: EMState) -> Float[Array, "N K"]:
        """Give the users whom each policy serves, and those for whom it is trained besides."""
        return state.training_weights

    def schedule(self, num_updates: int, num_policies: int) -> Schedule:
        """Say how long the first, random assignment stays; nothing else interrupts the run."""
        del num_policies
        return Schedule(num_updates, warm_up=warm_up_within(num_updates, "warm_up", self.warm_up))

    def _is_due(self, feedback: Feedback | GroupFeedback) -> Bool[Array, ""]:
        """Say whether there is an E-step before the next update."""
        since = self._since_warm_up(feedback)
        return (since >= 0) & (since % self.e_step_every == 0)

    def _since_warm_up(self, feedback: Feedback | GroupFeedback) -> Int[Array, ""]:
        """Count the updates since the end of the warm-up; the number is negative before."""
        warm_up = warm_up_within(feedback.num_updates, "warm_up", self.warm_up)
        return feedback.update - warm_up.updates


@dataclass(frozen=True)
class ExpectationMaximization(EStepMethod, BlockwiseMethod):
    """Every user goes to the policy that has served them best (equation 11), before every update.

    Attributes:
        warm_up, e_step_every: the same as in :class:`EStepMethod`.

    Three things that equation 11 leaves open:

    * A user for whom policies tie stays. Most often these are users whom nobody serves yet, all
      at zero; a plain argmax would send them all to the first policy.
    * A policy that nobody chose is trained for the user whom it serves best itself, of those whose
      policy keeps another user (the paper's appendix A assigns it a random one); one after the
      other, until every policy has something to learn. The user stays with the policy that serves
      them best, until the revived one is better.
    * Before the first E-step the users are dealt out at random and evenly.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "expectation–maximisation, whose rule is that each user goes to the policy that has "
            "served them best so far, and that each policy learns for the users it has"
        ),
        assigns_best=True,
    )

    def reassign(self, key: PRNGKey, state: EMState, feedback: Feedback) -> EMState:
        """Take the E-step of all users, once the warm-up is over."""
        del key
        chosen = greedy(feedback.returns, state.served)
        sizes = jnp.sum(one_hot_assignment(chosen, state.num_policies), axis=0)
        after = EMState(chosen, revive(chosen, feedback.returns, sizes))
        if state.trained is not None:
            after = after.with_table()
        is_due = self._is_due(feedback)
        return jax.tree.map(lambda new, old: jnp.where(is_due, new, old), after, state)

    def take_turn(self, state: EMState, ledger: Ledger, feedback: GroupFeedback) -> Turn:
        """Take the E-step of some of the users; of all of them when the warm-up has just ended."""
        since = self._since_warm_up(feedback)
        all_blocks = ledger.num_blocks
        some_blocks = -(-all_blocks // ROUND)
        number = jnp.where(since == 0, all_blocks, some_blocks)
        first = (since // self.e_step_every) * some_blocks % all_blocks

        def turn() -> tuple[EMState, Ledger]:
            served, after = take_turn(state.served, ledger, feedback, first, number, greedy)
            last = (first + number - 1) % all_blocks
            revived = jax.lax.cond(
                jnp.any(after.total_users == 0),
                lambda: _revived_by_block(served, after, feedback, last),
                lambda: jnp.full_like(state.revived, -1),
            )
            return EMState(served, revived), after

        state, ledger = jax.lax.cond(self._is_due(feedback), turn, lambda: (state, ledger))
        return Turn(state, ledger, state.revived)


def greedy(returns: Float[Array, "N K"], current: Int[Array, " N"]) -> Int[Array, " N"]:
    """Choose a policy for each user by equation 11; they leave only for a strictly better one.

    Args:
        returns: the return of each user from each policy.
        current: each user's policy.
    """
    own = jnp.take_along_axis(returns, current[:, None], axis=1)[:, 0]
    best = jnp.argmax(returns, axis=1)
    return jnp.where(jnp.max(returns, axis=1) > own, best, current).astype(current.dtype)


def revive(
    policy: Int[Array, " N"], returns: Float[Array, "N K"], sizes: Float[Array, " K"]
) -> Int[Array, " K"]:
    """Find a user for each empty policy: whom it serves best, of those whom another can spare.

    A user whom it does not serve at all would teach it nothing: their reward is the same whatever
    it does. Of users whom it serves alike it takes the one who is worst served now.

    Args:
        policy: the policy of each user.
        returns: the return of each user from each policy.
        sizes: how many users each policy serves; there may be users who are not among these.

    Returns:
        The user for each policy, -1 for those that are not empty.
    """
    num_policies = returns.shape[1]
    served = jnp.take_along_axis(returns, policy[:, None], axis=1)[:, 0]

    def give(j: Int[Array, ""], carry: tuple[Array, ...]) -> tuple[Array, ...]:
        policy, sizes, revived, served = carry
        preference = returns[:, j] - TIE_BREAK * served
        user = jnp.argmax(jnp.where(sizes[policy] > 1, preference, -jnp.inf))
        return (
            policy.at[user].set(j),
            sizes.at[policy[user]].add(-1.0).at[j].add(1.0),
            revived.at[j].set(user.astype(revived.dtype)),
            served.at[user].set(returns[user, j]),
        )

    def look(j: Int[Array, ""], carry: tuple[Array, ...]) -> tuple[Array, ...]:
        return jax.lax.cond(carry[1][j] > 0, lambda: carry, lambda: give(j, carry))

    start = (policy, sizes, jnp.full(num_policies, -1, jnp.int32), served)
    return jax.lax.fori_loop(0, num_policies, look, start)[2]


def _revived_by_block(
    served: Int[Array, " N"], ledger: Ledger, feedback: GroupFeedback, block: Int[Array, ""]
) -> Int[Array, " K"]:
    """Call :func:`revive` with the users of one block, which is spread over all users."""
    users, is_user = ledger.users_of(block, len(served))
    # No policy prefers a place where there is no user.
    returns = jnp.where(is_user[:, None], feedback.returns_of(users), NOBODY)
    found = revive(jnp.take(served, users, mode="clip"), returns, ledger.total_users)
    is_found = (found >= 0) & is_user[found]
    return jnp.where(is_found, users[found], -1)


def best_of_pool(returns: NumpyArray, num_policies: int) -> tuple[NumpyArray, EMState]:
    """Choose the best policies of a pool, and let everybody be served by the best of them.

    Args:
        returns: every user's return from every policy in the pool, [M, N].
        num_policies: how many to choose.

    Returns:
        The rows of the chosen policies in the pool [K], and EM's state with them.
    """
    sources, policy = choose_policies(returns, num_policies)
    return sources, EMState.of(jnp.asarray(policy, jnp.int32), num_policies).with_table()


@dataclass(frozen=True)
class SoftEM(EStepMethod):
    """Users train the policies in proportion to how well these serve them.

    Attributes:
        warm_up, e_step_every: the same as in :class:`EStepMethod`.
        temperature: the temperature, as a share of the highest return that any user gets from any
            policy: users are shared among policies whose returns differ by no more than about that.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "soft expectation–maximisation: each user goes to the policy that has served them best "
            "so far, and each policy learns for all users whom it serves about as well as any "
            "other does"
        ),
        assigns_best=True,
    )

    warm_up: int = 0
    temperature: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0.0:
            raise HandfulError(f"The temperature must be positive, not {self.temperature}.")

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> EMState:
        """Deal the users out to the policies, at random and evenly."""
        return super().init(key, num_users, num_policies).with_table()

    def reassign(self, key: PRNGKey, state: EMState, feedback: Feedback) -> EMState:
        """Take the soft E-step, once the warm-up is over."""
        del key
        chosen = greedy(feedback.returns, state.served)
        soft = responsibilities(feedback.returns, self.temperature)
        is_due = self._is_due(feedback)
        return state._replace(
            served=jnp.where(is_due, chosen, state.served),
            trained=jnp.where(is_due, soft, state.training_weights),
        )


def responsibilities(returns: Float[Array, "N K"], temperature: float) -> Float[Array, "N K"]:
    """Share each user among the policies, by a softmax of the user's returns.

    Args:
        returns: the return of each user from each policy.
        temperature: the temperature of the softmax, as a share of the highest return of all.

    Returns:
        A table [N, K] whose rows sum to 1.
    """
    highest = jnp.max(jnp.abs(returns))
    scale = temperature * jnp.where(highest > 0.0, highest, 1.0)
    return jax.nn.softmax(returns / scale, axis=1)
