"""Soft assignment learnt in the actors' backward pass (paper, section 3.4, equation 12)."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from handful.methods.base import AssignmentMethod
from handful.types import Array, Float, PRNGKey


@dataclass(frozen=True)
class EndToEnd(AssignmentMethod):
    """Logits, a softmax over policies, and the gradient of the actors' loss.

    The state is the table of logits itself, [N, K], drawn from a standard normal so that no two
    policies start alike.
    """

    learning_rate: ClassVar[float] = 0.002
    is_hard: ClassVar[bool] = False

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> Float[Array, "N K"]:
        """Standard normal logits."""
        return jax.random.normal(key, (num_users, num_policies))

    def weights(self, state: Float[Array, "N K"]) -> Float[Array, "N K"]:
        """Softmax over policies."""
        return jax.nn.softmax(state, axis=1)

    def parameters(self, state: Float[Array, "N K"]) -> Float[Array, "N K"]:
        """The logits."""
        return state

    def with_parameters(
        self, state: Float[Array, "N K"], parameters: Float[Array, "N K"]
    ) -> Float[Array, "N K"]:
        """The new logits."""
        del state
        return parameters
