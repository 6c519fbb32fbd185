"""Trained policies, ready to act."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful.devices import in_full_precision
from handful.environment import ActionSpace, Box
from handful.errors import HandfulError
from handful.learner.distributions import Categorical, Gaussian
from handful.learner.host_policies import HostPolicies
from handful.learner.networks import Actor, take_policies
from handful.learner.normalize import Normalizer
from handful.types import Array, Float, Int, NumpyArray, PRNGKey
from handful.words import count


class Policies(eqx.Module):
    """``K`` policies: actors, and the statistics that normalise what they see.

    Attributes:
        actor: the networks.
        normalizer: of observations, for each policy its own.
        action_space: what actions are clipped to.
    """

    actor: Actor
    normalizer: Normalizer
    action_space: ActionSpace = eqx.field(static=True)

    def __repr__(self) -> str:
        """How many there are, what they see and what they do; not their weights."""
        return (
            f"Policies({count(self.num_policies, 'policy')}, observations "
            f"[{self.observation_size}], actions {_shown(self.action_space)})"
        )

    @property
    def num_policies(self) -> int:
        """``K``."""
        return self.normalizer.count.shape[0]

    @property
    def observation_size(self) -> int:
        """``O``."""
        return self.normalizer.mean.shape[1]

    @in_full_precision
    def __call__(self, observations: Float[Array, "K M O"]) -> Categorical | Gaussian:
        """All policies' action distributions at raw observations; actions are not clipped."""
        return self.actor(self.normalizer(observations))

    def take(self, source: Int[Array, " J"]) -> "Policies":
        """The policies ``source``, in that order; copies where it names one twice."""
        actor = take_policies(self.actor, source)
        return Policies(actor, self.normalizer.take(source), self.action_space)

    def on_host(self) -> HostPolicies:
        """The same policies in NumPy, as they are now."""
        return HostPolicies.copy_of(self.actor, self.normalizer)

    def act(
        self, observation: Array | NumpyArray, policy: int, key: PRNGKey | None = None
    ) -> Array:
        """One policy's action at a raw observation [O], ready for the environment.

        Args:
            observation: as the environment gives it.
            policy: which policy, from 0.
            key: of chance; without one the likeliest action is taken.

        Raises:
            HandfulError: if there is no such policy or the observation has another size.
        """
        if not 0 <= policy < self.num_policies:
            raise HandfulError(
                f"There is no policy {policy}: choose from 0 to {self.num_policies - 1}."
            )
        if np.shape(observation) != (self.observation_size,):
            raise HandfulError(
                f"An observation has shape [{self.observation_size}], "
                f"not {list(np.shape(observation))}."
            )
        row = jnp.asarray(observation, jnp.float32)
        distribution = self(jnp.broadcast_to(row, (self.num_policies, 1, self.observation_size)))
        mine = jax.tree.map(lambda leaf: leaf[policy, 0], distribution)
        action = mine.mode() if key is None else mine.sample(key)
        return self.action_space.clip(action) if isinstance(self.action_space, Box) else action


def _shown(space: ActionSpace) -> str:
    """``[6]`` numbers, or ``0 to 3``."""
    return f"[{len(space.low)}]" if isinstance(space, Box) else f"0 to {space.num_actions - 1}"
