"""EM with soft responsibilities: users are shared among the policies that serve them about best.

With hard assignment a policy learns nothing of users whom another serves a little better, and keeps
every user whom it serves first; EM stops wherever no single user moves. Here user ``i`` trains
policy ``j`` with weight

    softmax_j(Q_ij / temperature)

so that whoever could take a user over soon is drawn to do so, and users whom nobody serves yet draw
all policies alike. It is the E-step of deterministic annealing (Rose, 1998) at one temperature.
Users are served by the best policy, as in EM.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from handful.assignment.base import Feedback
from handful.assignment.em import EMState, ExpectationMaximization, greedy
from handful.errors import HandfulError
from handful.types import Array, Float, PRNGKey


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
