"""Assignments that training does not change: given by the caller, or random."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from handful._support.registry import NEEDED
from handful.errors import HandfulError
from handful.methods.base import MethodInfo
from handful.methods.ledger import BlockwiseMethod, GroupFeedback, Ledger, Turn
from handful.methods.weights import balanced_assignment
from handful.types import Array, Int, PRNGKey


class Dealt(NamedTuple):
    """Who is served by whom.

    Attributes:
        policy: the policy of each user; -1 for a user whom all policies serve alike.
        sizes: how many users each policy has to itself.
    """

    policy: Int[Array, " N"]
    sizes: Int[Array, " K"]

    @classmethod
    def of(cls, policy: Int[Array, " N"], num_policies: int) -> "Dealt":
        """Count the users of each policy.

        Args:
            policy: each user's policy, or -1.
            num_policies: ``K``.
        """
        policies = jnp.arange(num_policies)
        sizes = jax.lax.map(lambda one: jnp.sum(policy == one, dtype=jnp.int32), policies)
        return cls(policy.astype(jnp.int32), sizes)


@dataclass(frozen=True)
class Unchanging(BlockwiseMethod):
    """Base class of the methods whose E-steps move nobody."""

    def weights(self, state: Dealt) -> Int[Array, " N"]:
        """Give each user's policy as the users were dealt out, -1 if all serve them alike."""
        return state.policy

    def take_turn(self, state: Dealt, ledger: Ledger, feedback: GroupFeedback) -> Turn:
        """Leave everybody where they are."""
        del feedback
        return Turn(state, ledger)


@dataclass(frozen=True)
class Fixed(Unchanging):
    """The caller says who is served by whom.

    Attributes:
        policy: each user's policy, counted from 0, in the population's order.
    """

    info: ClassVar[MethodInfo] = MethodInfo(summary="groups given beforehand, one policy each")

    policy: tuple[int, ...] = field(
        metadata={
            NEEDED: (
                "an assignment: give each user's policy, from 0 (on the command line: --assignment "
                "FILE.csv)"
            )
        }
    )

    def __post_init__(self) -> None:
        if not isinstance(self.policy, Sequence):
            raise HandfulError(
                f"The fixed assignment must be a list of every user's policy, not {self.policy!r}."
            )
        for policy in self.policy:
            if isinstance(policy, bool) or not isinstance(policy, int):
                raise HandfulError(
                    f"The fixed assignment must name policies by whole numbers, not {policy!r}."
                )

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Dealt:
        """Take the given assignment.

        Raises:
            HandfulError: if the assignment does not name one existing policy for each user.
        """
        del key
        if len(self.policy) != num_users:
            raise HandfulError(
                f"The fixed assignment names policies for {len(self.policy)} users, "
                f"but the population has {num_users}."
            )
        for user, policy in enumerate(self.policy):
            if not 0 <= policy < num_policies:
                raise HandfulError(
                    f"The fixed assignment gives user {user} (counted from 0) policy {policy}: "
                    f"with {num_policies} policies it must be between 0 and {num_policies - 1}."
                )
        return Dealt.of(jnp.array(self.policy), num_policies)


@dataclass(frozen=True)
class RandomAssignment(Unchanging):
    """The users are dealt out to the policies evenly at random: the paper's weak baseline."""

    info: ClassVar[MethodInfo] = MethodInfo(summary="random groups of equal size, one policy each")

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Dealt:
        """Deal the users out: group sizes differ by at most one, also if K does not divide N."""
        return Dealt.of(balanced_assignment(key, num_users, num_policies), num_policies)
