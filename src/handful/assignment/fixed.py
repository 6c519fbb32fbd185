"""Assignments that training does not change: given by the caller, or random."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp

from handful.assignment.base import AssignmentMethod, balanced_assignment, one_hot_assignment
from handful.errors import HandfulError
from handful.types import Array, Float, PRNGKey


@dataclass(frozen=True)
class Fixed(AssignmentMethod):
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

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Float[Array, "N K"]:
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
        return one_hot_assignment(jnp.array(self.policy), num_policies)

    def weights(self, state: Float[Array, "N K"]) -> Float[Array, "N K"]:
        """As given."""
        return state


@dataclass(frozen=True)
class RandomAssignment(AssignmentMethod):
    """Users dealt out to policies at random, evenly: the paper's weak baseline."""

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Float[Array, "N K"]:
        """Group sizes differ by at most one, whether or not ``K`` divides ``N``."""
        return one_hot_assignment(balanced_assignment(key, num_users, num_policies), num_policies)

    def weights(self, state: Float[Array, "N K"]) -> Float[Array, "N K"]:
        """As dealt."""
        return state
