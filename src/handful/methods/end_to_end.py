"""Soft assignment learnt in the actors' backward pass (paper, section 3.4, equation 12)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax

from handful.methods.base import AssignmentMethod, MethodInfo, Trainable
from handful.types import Array, Float, Int, PRNGKey

STARTED_SHARE = 0.9
"""The share that a user has at first of the policy that serves them best, if a run starts from
policies: the others keep enough for the gradient to move the user."""


@dataclass(frozen=True)
class EndToEnd(AssignmentMethod):
    """Each user has a logit for each policy, which learns by the gradient of the actors' loss.

    The state is the table of logits itself, [N, K]. It is drawn from a standard normal
    distribution, so that no two policies start alike.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "end to end: who is served by whom is learnt by gradient, together with the policies"
        )
    )

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Float[Array, "N K"]:
        """Draw the logits from a standard normal distribution."""
        return jax.random.normal(key, (num_users, num_policies))

    def started(self, state: Float[Array, "N K"], policy: Int[Array, " N"]) -> Float[Array, "N K"]:
        """Begin with :data:`STARTED_SHARE` of each user at the policy that serves them best."""
        num_policies = state.shape[1]
        lead = math.log(STARTED_SHARE / (1.0 - STARTED_SHARE) * max(num_policies - 1, 1))
        return lead * jax.nn.one_hot(policy, num_policies)

    def weights(self, state: Float[Array, "N K"]) -> Float[Array, "N K"]:
        """Give the softmax of each user's logits over the policies."""
        return jax.nn.softmax(state, axis=1)

    @property
    def trainable(self) -> Trainable:
        """All logits learn, with a step size of their own."""
        return Trainable(mask=True, learning_rate=0.002)
