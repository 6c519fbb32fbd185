"""Trained policies, ready to act."""

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
from handful.learner.acting import Actors, HostPolicies, Reader
from handful.learner.networks import Actor, Categorical, Gaussian, take_policies
from handful.learner.normalize import Normalizer
from handful.types import Array, Float, Int, PRNGKey


def reader_of(environment: Interface) -> Reader | None:
    """An environment's reader of its observations; None where they are vectors as they come."""
    return getattr(environment, "read_observation", None)


class Policies(eqx.Module):
    """``K`` policies: actors, and the statistics that normalise what they see.

    Attributes:
        actor: the networks.
        normalizer: of observations, for each policy its own.
        action_space: what actions are clipped to.
        reader: makes vectors [..., O] of the environment's own observations, where they are none.
    """

    actor: Actor
    normalizer: Normalizer
    action_space: ActionSpace = eqx.field(static=True)
    reader: Reader | None = eqx.field(static=True, default=None)

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
        return Policies(actor, self.normalizer.take(source), self.action_space, self.reader)

    def on_host(self) -> HostPolicies:
        """The same policies in NumPy, as they are now."""
        return HostPolicies.copy_of(self.actor, self.normalizer)

    @cached_property
    def act(self) -> Actors | Callable[..., Array]:
        """Actions of one policy, or of one for each observation: ``policies.act(observation, 2)``.

        It is called as :meth:`handful.learner.acting.Actors.__call__` says; the policies are copied
        to NumPy when it is first asked for. Policies that are arguments of a compiled program act
        in JAX there.
        """
        if isinstance(self.normalizer.mean, Tracer):
            return self._act_in_jax
        return Actors.copy_of(
            self.actor, self.normalizer, self.action_space, self.reader, self._act_in_jax
        )

    def _act_in_jax(self, observation: Array, policy: Any, key: PRNGKey | None = None) -> Array:
        """The same within a compiled program, for one observation [O]."""
        row = jnp.asarray(observation, jnp.float32)
        distribution = self(jnp.broadcast_to(row, (self.num_policies, 1, self.observation_size)))
        mine = jax.tree.map(lambda leaf: leaf[policy, 0], distribution)
        action = mine.mode() if key is None else mine.sample(key)
        return self.action_space.clip(action) if isinstance(self.action_space, Box) else action


def _shown(space: ActionSpace) -> str:
    """``[6]`` numbers, or ``0 to 3``."""
    return f"[{len(space.low)}]" if isinstance(space, Box) else f"0 to {space.num_actions - 1}"
