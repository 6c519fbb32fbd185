"""Assignments that training does not change: given by the caller, or random."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from handful.errors import HandfulError
from handful.methods.base import AssignmentMethod, balanced_assignment, one_hot_assignment
from handful.types import Array, Float, Int, PRNGKey


class Dealt(NamedTuple):
    """Who is served by whom.

    Attributes:
        policy: of each user; -1 for a user whom all policies serve alike.
        sizes: how many users each policy has to itself.
    """

    policy: Int[Array, " N"]
    sizes: Int[Array, " K"]

    @classmethod
    def of(cls, policy: Int[Array, " N"], num_policies: int) -> "Dealt":
        """The groups of these policies."""
        policies = jnp.arange(num_policies)
        sizes = jax.lax.map(lambda one: jnp.sum(policy == one, dtype=jnp.int32), policies)
        return cls(policy.astype(jnp.int32), sizes)

    @property
    def weights(self) -> Float[Array, "N K"]:
        """Each user's distribution over policies."""
        num_policies = len(self.sizes)
        rows = one_hot_assignment(self.policy, num_policies)
        return jnp.where(self.policy[:, None] < 0, 1.0 / num_policies, rows)


@dataclass(frozen=True)
class Unchanging(AssignmentMethod):
    """Base of the methods whose E-steps move nobody."""

    takes_turns: ClassVar[bool] = True

    def weights(self, state: Dealt) -> Float[Array, "N K"]:
        """As the users were dealt out."""
        return state.weights

    def assigned(self, state: Dealt) -> Int[Array, " N"]:
        """Each user's policy; the first of those who serve them alike."""
        return jnp.maximum(state.policy, 0)

    def groups(self, state: Dealt) -> Int[Array, " N"]:
        """Each user's policy, or -1."""
        return state.policy


@dataclass(frozen=True)
class Fixed(Unchanging):
    """The caller says who is served by whom.

    Attributes:
        policy: each user's policy, counted from 0, in the population's order.
    """

    policy: tuple[int, ...]

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
        """The given assignment.

        Raises:
            HandfulError: if it does not name one existing policy for each user.
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
    """Users dealt out to policies at random, evenly: the paper's weak baseline."""

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Dealt:
        """Group sizes differ by at most one, whether or not ``K`` divides ``N``."""
        return Dealt.of(balanced_assignment(key, num_users, num_policies), num_policies)
