"""Trained policies, ready to act."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from handful.devices import in_full_precision
from handful.environment import ActionSpace, Box, Interface
from handful.errors import HandfulError
from handful.learner.acting import Actors
from handful.learner.distributions import Categorical, Gaussian
from handful.learner.host_policies import HostPolicies
from handful.learner.networks import Actor, take_policies
from handful.learner.normalize import Normalizer
from handful.types import Array, Float, Int, NumpyArray, PRNGKey
from handful.words import count

Reader = Callable[[Any], NumpyArray]
"""Makes vectors [..., O] of an environment's own observations, of one or of many."""


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
    def _actors(self) -> Actors:
        return Actors.copy_of(self.actor, self.normalizer, self.action_space)

    def act(
        self,
        observation: Any,
        policy: int | np.integer[Any] | Sequence[int] | NumpyArray,
        key: PRNGKey | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> Any:
        """Actions of one policy, or of one for each observation, ready for the environment.

        Args:
            observation: a raw observation [O], or any batch of them [..., O]. Policies of a
                Gymnasium environment also take observations as it gives them (arrays of its shape,
                dictionaries, tuples, numbers) and lists of those.
            policy: which policy, from 0; or the number of one for each observation of a batch [M].
            key: of JAX's chance; without one the likeliest action is taken.
            rng: of NumPy's chance instead, which is much faster.

        Returns:
            A NumPy array: float32 [..., A] inside the action space, or integers [...], one a
            observation, where actions are discrete. A Gymnasium environment takes what its
            problem's ``environment.decode`` makes of a single one.

        Raises:
            HandfulError: if there is no such policy or the observation has another size.
        """
        if isinstance(observation, Tracer):
            return self._act_in_jax(observation, policy, key)
        rows = self._read(observation)
        self._check_policy(policy, rows.shape[:-1])
        flat = rows.reshape(-1, self.observation_size)
        if np.ndim(policy) == 0:
            actions = self._choose(flat, int(policy), key, rng)  # type: ignore[arg-type]
        else:
            actions = self._choose_each(flat, np.asarray(policy), key, rng)
        return actions.reshape((*rows.shape[:-1], *actions.shape[1:]))[()]

    def _choose(
        self,
        rows: NumpyArray,
        policy: int,
        key: PRNGKey | None,
        rng: np.random.Generator | None,
    ) -> NumpyArray:
        """One policy's actions [M, ...] at observations [M, O]."""
        if rng is not None:
            return self._actors.sampled(rows, policy, rng)
        if key is None:
            return self._actors.likeliest(rows, policy)
        outputs = jnp.asarray(self._actors.outputs(rows, policy))
        if not isinstance(self.action_space, Box):
            return np.asarray(Categorical(outputs).sample(key))
        assert self.actor.log_std is not None
        spread = jnp.broadcast_to(self.actor.log_std[policy], outputs.shape)
        return np.asarray(self.action_space.clip(Gaussian(outputs, spread).sample(key)))

    def _choose_each(
        self,
        rows: NumpyArray,
        policies: NumpyArray,
        key: PRNGKey | None,
        rng: np.random.Generator | None,
    ) -> NumpyArray:
        """The action of each observation's own policy."""
        is_box = isinstance(self.action_space, Box)
        shape = (len(rows), *((self.action_space.size,) if is_box else ()))  # type: ignore[union-attr]
        actions = np.empty(shape, np.float32 if is_box else np.int64)
        for policy in np.unique(policies):
            mine = policies == policy
            own = None if key is None else jax.random.fold_in(key, int(policy))
            actions[mine] = self._choose(rows[mine], int(policy), own, rng)
        return actions

    def _read(self, observation: Any) -> NumpyArray:
        """Observations [..., O] in float32, from what the caller or the environment has."""
        if self.reader is not None:
            rows = self.reader(observation)
        else:
            rows = np.asarray(observation, np.float32)
        if rows.ndim == 0 or rows.shape[-1] != self.observation_size:
            raise HandfulError(
                f"An observation has shape [{self.observation_size}], and a batch of them "
                f"[..., {self.observation_size}], not {list(rows.shape)}."
            )
        return rows

    def _check_policy(self, policy: Any, batch: tuple[int, ...]) -> None:
        numbers = np.asarray(policy)
        if numbers.dtype.kind not in "iu" or (numbers.ndim and numbers.shape != batch):
            raise HandfulError(
                f"A policy is a whole number, or one for each observation in shape {list(batch)}, "
                f"not {policy!r}."
            )
        wrong = numbers[(numbers < 0) | (numbers >= self.num_policies)]
        if wrong.size:
            raise HandfulError(
                f"There is no policy {wrong.flat[0]}: choose from 0 to {self.num_policies - 1}."
            )

    def _act_in_jax(self, observation: Array, policy: Any, key: PRNGKey | None) -> Array:
        """The same within a compiled program, for one observation [O]."""
        row = jnp.asarray(observation, jnp.float32)
        distribution = self(jnp.broadcast_to(row, (self.num_policies, 1, self.observation_size)))
        mine = jax.tree.map(lambda leaf: leaf[policy, 0], distribution)
        action = mine.mode() if key is None else mine.sample(key)
        return self.action_space.clip(action) if isinstance(self.action_space, Box) else action


def _shown(space: ActionSpace) -> str:
    """``[6]`` numbers, or ``0 to 3``."""
    return f"[{len(space.low)}]" if isinstance(space, Box) else f"0 to {space.num_actions - 1}"
