"""Trained policies that act on raw observations."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer

from handful._support.text import count
from handful.devices import in_full_precision
from handful.environment import ActionSpace, Box, Interface
from handful.learner.acting import Actors, Reader
from handful.learner.distributions import Categorical, Gaussian
from handful.learner.host_policies import PoliciesOnHost, copy_to_host
from handful.learner.networks import Actor, take_policies
from handful.learner.normalize import Normalizer
from handful.learner.squashed import SquashedGaussian
from handful.types import Array, Float, Int, PRNGKey


def reader_of(environment: Interface) -> Reader | None:
    """Return the function that turns an environment's own observations into vectors.

    Returns:
        The function, or None if the environment's observations are vectors.
    """
    return getattr(environment, "read_observation", None)


class Policies(eqx.Module):
    """``K`` policies: actors, and the statistics that normalise the observations for them.

    Attributes:
        actor: the networks.
        normalizer: the statistics of each policy's observations.
        action_space: the action space, to which continuous actions are clipped.
        reader: turns the environment's own observations into vectors [..., O]; None if they are
            vectors.
    """

    actor: Actor
    normalizer: Normalizer
    action_space: ActionSpace = eqx.field(static=True)
    reader: Reader | None = eqx.field(static=True, default=None)

    def __repr__(self) -> str:
        """Return the number of policies, the size of observations and the actions; no weights."""
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
    def __call__(
        self, observations: Float[Array, "K M O"]
    ) -> Categorical | Gaussian | SquashedGaussian:
        """Return the action distributions of all policies at raw observations.

        Row ``k`` of the observations is for policy ``k``. Actions that are drawn from the
        distributions are not clipped to the action space; squashed ones never leave it.
        """
        return self.actor(self.normalizer(observations))

    def take(self, source: Int[Array, " J"]) -> "Policies":
        """Return the policies with the numbers ``source``, in this order.

        A number that occurs several times gives as many copies.
        """
        actor = take_policies(self.actor, source)
        return Policies(actor, self.normalizer.take(source), self.action_space, self.reader)

    def on_host(self) -> PoliciesOnHost:
        """Copy the policies to the host, as they are now."""
        return copy_to_host(self.actor, self.normalizer)

    @cached_property
    def act(self) -> Actors | Callable[..., Array]:
        """The actions of a policy: ``policies.act(observation, policy=2)``.

        :meth:`handful.learner.acting.Actors.__call__` describes the arguments. The policies are
        copied to the host at the first call. Policies that are arguments of a compiled program act
        within that program.

        Examples:
            ``result`` is that of the example of :func:`handful.train`:

            >>> import numpy as np
            >>> observation = np.zeros(result.policies.observation_size)
            >>> action = result.policies.act(observation, policy=1)
            >>> 0 <= int(action) < result.policies.action_space.num_actions
            True
        """
        if isinstance(self.normalizer.mean, Tracer):
            return self._act_in_jax
        return Actors(self.on_host(), self.action_space, self.reader, self._act_in_jax)

    def _act_in_jax(self, observation: Array, policy: Any, key: PRNGKey | None = None) -> Array:
        """Return an action for one observation [O] within a compiled program."""
        row = jnp.asarray(observation, jnp.float32)
        distribution = self(jnp.broadcast_to(row, (self.num_policies, 1, self.observation_size)))
        mine = jax.tree.map(lambda leaf: leaf[policy, 0], distribution)
        action = mine.mode() if key is None else mine.sample(key)
        return self.action_space.clip(action) if isinstance(self.action_space, Box) else action


def _shown(space: ActionSpace) -> str:
    """Return the actions as text: ``[6]`` for six numbers, ``0 to 3`` for four finite actions."""
    return f"[{len(space.low)}]" if isinstance(space, Box) else f"0 to {space.num_actions - 1}"
