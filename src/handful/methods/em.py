"""EM-like learning with hard assignment (paper, section 3.3, equations 10 and 11).

EM with soft responsibilities: users are shared among the policies that serve them about best.

With hard assignment a policy learns nothing of users whom another serves a little better, and keeps
every user whom it serves first; EM stops wherever no single user moves. Here user ``i`` trains
policy ``j`` with weight

    softmax_j(Q_ij / temperature)

so that whoever could take a user over soon is drawn to do so, and users whom nobody serves yet draw
all policies alike. It is the E-step of deterministic annealing (Rose, 1998) at one temperature.
Users are served by the best policy, as in EM.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from handful._support.checks import check_numbers
from handful.errors import HandfulError
from handful.methods.base import (
    AssignmentMethod,
    Feedback,
    WarmUp,
    balanced_assignment,
    one_hot_assignment,
    warm_up_within,
)
from handful.methods.choice import choose_policies
from handful.methods.ledger import ROUND, GroupFeedback, Ledger, take_turn
from handful.types import Array, Bool, Float, Int, NumpyArray, PRNGKey


class EMState(NamedTuple):
    """Who is served by whom, and what each policy is trained for.

    Attributes:
        served: the policy of each user.
        revived: the user whom each policy is trained for besides those whom it serves, or -1.
            Policies that serve somebody have none.
        trained: how much each user counts for each policy, where that is anything else than the
            users whom it serves and the one whom it is revived by; None where it is not. A million
            users and 50 policies would fill 200 MB with ones and zeros.
    """

    served: Int[Array, " N"]
    revived: Int[Array, " K"]
    trained: Float[Array, "N K"] | None = None

    @classmethod
    def of(cls, policy: Int[Array, " N"], num_policies: int) -> "EMState":
        """Every policy is trained for those whom it serves."""
        return cls(policy, jnp.full(num_policies, -1, jnp.int32))

    @property
    def num_policies(self) -> int:
        """``K``."""
        return self.revived.shape[0]

    @property
    def weights(self) -> Float[Array, "N K"]:
        """Who is served by whom, as one-hot rows."""
        return one_hot_assignment(self.served, self.num_policies)

    @property
    def training_weights(self) -> Float[Array, "N K"]:
        """How much each user counts for each policy."""
        return training_table(self.served, self.revived) if self.trained is None else self.trained

    def with_table(self) -> "EMState":
        """The same with :attr:`trained` as a table, for methods that change it freely."""
        return self._replace(trained=self.training_weights)


def training_table(served: Int[Array, " N"], revived: Int[Array, " K"]) -> Float[Array, "N K"]:
    """One-hot rows, and one more entry for each policy that is revived."""
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
class ExpectationMaximization(AssignmentMethod):
    """Every user goes to the policy that has served them best (equation 11), before every update.

    Attributes:
        warm_up: updates on the first, random assignment before the first E-step; at most half of
            the run's (:data:`~handful.methods.base.MOST_WARM_UP`).
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
    takes_turns: ClassVar[bool] = True

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
        return EMState.of(policy.astype(jnp.int32), num_policies)

    def weights(self, state: EMState) -> Float[Array, "N K"]:
        """One-hot rows."""
        return state.weights

    def assigned(self, state: EMState) -> Int[Array, " N"]:
        """Each user's policy."""
        return state.served

    def training_weights(self, state: EMState) -> Float[Array, "N K"]:
        """One-hot rows, and one more entry for each policy that nobody chose."""
        return state.training_weights

    def reassign(self, key: PRNGKey, state: EMState, feedback: Feedback) -> EMState:
        """The E-step, once the warm-up is over."""
        del key
        chosen = greedy(feedback.returns, state.served)
        sizes = jnp.sum(one_hot_assignment(chosen, state.num_policies), axis=0)
        after = EMState(chosen, revive(chosen, feedback.returns, sizes))
        if state.trained is not None:
            after = after.with_table()
        is_due = self.is_due(feedback)
        return jax.tree.map(lambda new, old: jnp.where(is_due, new, old), after, state)

    def take_turn(
        self, state: EMState, ledger: Ledger, feedback: GroupFeedback
    ) -> tuple[EMState, Ledger]:
        """The E-step of some of the users; of all of them when the warm-up has just ended."""
        since = feedback.update - self._warm_up(feedback)
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

        return jax.lax.cond(self.is_due(feedback), turn, lambda: (state, ledger))

    def revived(self, state: EMState) -> Int[Array, " K"]:
        """The user whom each policy that nobody chose is trained for, or -1."""
        return state.revived

    def warm_up_of(self, num_updates: int, num_policies: int) -> WarmUp:
        """The updates before the first E-step."""
        del num_policies
        return warm_up_within(num_updates, "warm_up", self.warm_up)

    def is_due(self, feedback: Feedback | GroupFeedback) -> Bool[Array, ""]:
        """Whether there is an E-step before the next update."""
        since = feedback.update - self._warm_up(feedback)
        return (since >= 0) & (since % self.e_step_every == 0)

    def _warm_up(self, feedback: Feedback | GroupFeedback) -> int:
        return warm_up_within(feedback.num_updates, "warm_up", self.warm_up).updates


def greedy(returns: Float[Array, "N K"], current: Int[Array, " N"]) -> Int[Array, " N"]:
    """Equation 11; a user leaves only for a policy that is strictly better."""
    own = jnp.take_along_axis(returns, current[:, None], axis=1)[:, 0]
    best = jnp.argmax(returns, axis=1)
    return jnp.where(jnp.max(returns, axis=1) > own, best, current).astype(current.dtype)


def revive(
    policy: Int[Array, " N"], returns: Float[Array, "N K"], sizes: Float[Array, " K"]
) -> Int[Array, " K"]:
    """For each empty policy the user whom it serves best itself, of those whom another can spare.

    A user whom it does not serve at all would teach it nothing: their reward is the same whatever
    it does. Of users whom it serves alike it takes the one who is worst served now.

    Args:
        policy: of each user.
        returns: of each user from each policy.
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
    """:func:`revive` by the users of one block: as good as any, as a block is spread over all."""
    users, is_user = ledger.users_of(block, len(served))
    # No policy prefers a place where there is no user.
    returns = jnp.where(is_user[:, None], feedback.returns_of(users), NOBODY)
    found = revive(jnp.take(served, users, mode="clip"), returns, ledger.total_users)
    is_found = (found >= 0) & is_user[found]
    return jnp.where(is_found, users[found], -1)


def best_of_pool(returns: NumpyArray, num_policies: int) -> tuple[NumpyArray, EMState]:
    """The rows of the best policies of a pool [M, N], and everybody served by the best of them."""
    sources, policy = choose_policies(returns, num_policies)
    return sources, EMState.of(jnp.asarray(policy, jnp.int32), num_policies).with_table()


@dataclass(frozen=True)
class SoftEM(ExpectationMaximization):
    """Users train the policies in proportion to how well these serve them.

    Attributes:
        warm_up: updates on a random, hard assignment first; at most half of the run's.
        temperature: as a share of the highest return that any user gets from any policy: users
            are shared among policies whose returns differ by no more than about that.
    """

    takes_turns: ClassVar[bool] = False

    warm_up: int = 0
    temperature: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0.0:
            raise HandfulError(f"The temperature must be positive, not {self.temperature}.")

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> EMState:
        """A random, balanced assignment."""
        return super().init(key, num_users, num_policies).with_table()

    def reassign(self, key: PRNGKey, state: EMState, feedback: Feedback) -> EMState:
        """The soft E-step, once the warm-up is over."""
        del key
        chosen = greedy(feedback.returns, state.served)
        soft = responsibilities(feedback.returns, self.temperature)
        is_due = self.is_due(feedback)
        return state._replace(
            served=jnp.where(is_due, chosen, state.served),
            trained=jnp.where(is_due, soft, state.training_weights),
        )


def responsibilities(returns: Float[Array, "N K"], temperature: float) -> Float[Array, "N K"]:
    """Shares of each user, by a softmax of their returns over a share of the highest of all."""
    highest = jnp.max(jnp.abs(returns))
    scale = temperature * jnp.where(highest > 0.0, highest, 1.0)
    return jax.nn.softmax(returns / scale, axis=1)
