"""Soft assignment learnt in the actors' backward pass (paper, section 3.4, equation 12)."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from handful.methods.base import AssignmentMethod, MethodInfo, Trainable
from handful.types import Array, Float, PRNGKey


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

    def weights(self, state: Float[Array, "N K"]) -> Float[Array, "N K"]:
        """Give the softmax of each user's logits over the policies."""
        return jax.nn.softmax(state, axis=1)

    @property
    def trainable(self) -> Trainable:
        """All logits learn, with a step size of their own."""
        return Trainable(mask=True, learning_rate=0.002)
