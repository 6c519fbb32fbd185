"""One policy at a time in NumPy: for deployment, where single observations come one after another.

A call of JAX takes milliseconds to prepare and the arithmetic of a small network microseconds. So
policies are copied to NumPy once, and each can be asked alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from handful.environment import ActionSpace, Box
from handful.errors import HandfulError
from handful.learner.networks import Actor, Categorical, Gaussian, Lookup
from handful.learner.normalize import EPSILON, Normalizer
from handful.types import NumpyArray, PRNGKey


@dataclass(frozen=True, eq=False)
class HostPolicies:
    """What :class:`~handful.learner.policies.Policies` compute, to rounding.

    Attributes:
        mean, scale: [K, 1, O], that normalise observations.
        clip: what they are clipped to then.
        layers: weight [K, I, H] (or [I, H] where shared) and bias [K, 1, H] (or [H]) of each.
        log_std: [K, A] where actions are continuous.
        random_actions: how probable any action is made, where they are finite
            (:class:`~handful.learner.networks.Actor`).
    """

    mean: NumpyArray
    scale: NumpyArray
    clip: float
    layers: tuple[tuple[NumpyArray, NumpyArray], ...]
    log_std: NumpyArray | None
    random_actions: float = 0.0

    @classmethod
    def copy_of(cls, actor: Actor, normalizer: Normalizer) -> "HostPolicies":
        """In memory of their own: training consumes the arrays that it is given."""
        stack = actor.stack
        return cls(
            mean=np.array(normalizer.mean)[:, None],
            scale=1.0 / np.sqrt(np.array(normalizer.variance) + np.float32(EPSILON))[:, None],
            clip=normalizer.clip,
            layers=tuple(
                (np.array(layer.weight), np.array(layer.bias))
                for layer in (*stack.hidden, stack.head)
            ),
            log_std=None if actor.log_std is None else np.array(actor.log_std),
            random_actions=actor.random_actions,
        )

    def __call__(self, observations: NumpyArray) -> NumpyArray:
        """Raw observations [K, B, O] to logits or means [K, B, A]."""
        values = np.clip((observations - self.mean) * self.scale, -self.clip, self.clip)
        *hidden, (head, offset) = self.layers
        for weight, bias in hidden:
            values = np.tanh(values @ weight + bias)
        outputs = values @ head + offset
        if self.log_std is not None or self.random_actions == 0.0:
            return outputs
        return softened(outputs, self.random_actions)


def softened(logits: NumpyArray, random_share: float) -> NumpyArray:
    """:meth:`~handful.learner.networks.Categorical.softened` in NumPy."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
    return np.log((1 - random_share) * probabilities + random_share / logits.shape[-1])


Reader = Callable[[Any], NumpyArray]
"""Makes vectors [..., O] of an environment's own observations, of one or of many."""


class Actors:
    """All ``K`` policies in NumPy, to be called for their actions.

    Args:
        networks: the policies' arrays.
        num_symbols: how many observations there are, where the first layer looks them up.
        space: of actions, to which they are clipped.
        reader: of the environment's own observations; None where they are vectors.
        in_jax: gives an action within a compiled program, from an observation, policy and key.
    """

    def __init__(
        self,
        networks: HostPolicies,
        num_symbols: int | None,
        space: ActionSpace,
        reader: Reader | None,
        in_jax: Callable[..., Any],
    ) -> None:
        self._networks, self._num_symbols, self._space = networks, num_symbols, space
        self._reader, self._in_jax = reader, in_jax
        self._num_policies, _, self._size = networks.mean.shape
        self._bounds = None
        if isinstance(space, Box):
            self._bounds = np.array(space.low, np.float32), np.array(space.high, np.float32)

    @classmethod
    def copy_of(
        cls,
        actor: Actor,
        normalizer: Normalizer,
        space: ActionSpace,
        reader: Reader | None,
        in_jax: Callable[..., Any],
    ) -> "Actors":
        """The policies as they are now."""
        first = (*actor.stack.hidden, actor.stack.head)[0]
        number = first.weight.shape[-2] if isinstance(first, Lookup) else None
        return cls(HostPolicies.copy_of(actor, normalizer), number, space, reader, in_jax)

    def __call__(
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
            A NumPy array: float32 [..., A] inside the action space, or integers [...], one for each
            observation, where actions are discrete. A Gymnasium environment takes what its
            problem's ``environment.decode`` makes of a single one.

        Raises:
            HandfulError: if there is no such policy or the observation has another size.
        """
        if isinstance(observation, Tracer):
            return self._in_jax(observation, policy, key)
        rows = self._read(observation)
        batch = rows.shape[:-1]
        number = self._check_policy(policy, batch)
        flat = rows.reshape(-1, self._size)
        if isinstance(number, int):
            actions = self._choose(flat, number, key, rng)
        else:
            actions = self._choose_each(flat, number.reshape(-1), key, rng)
        return actions.reshape(batch + actions.shape[1:])[()]

    def _read(self, observation: Any) -> NumpyArray:
        """Observations [..., O] in float32, from what the caller or the environment has."""
        if self._reader is not None:
            rows = self._reader(observation)
        else:
            rows = np.asarray(observation, np.float32)
        if rows.ndim == 0 or rows.shape[-1] != self._size:
            raise HandfulError(
                f"An observation has shape [{self._size}], and a batch of them [..., "
                f"{self._size}], not {list(rows.shape)}."
            )
        return rows

    def _check_policy(self, policy: Any, batch: tuple[int, ...]) -> int | NumpyArray:
        """The number of the policy, or an array with one for each observation."""
        numbers = np.asarray(policy)
        if numbers.dtype.kind not in "iu" or (numbers.ndim and numbers.shape != batch):
            raise HandfulError(
                f"A policy is a whole number, or one for each observation in shape {list(batch)}, "
                f"not {policy!r}."
            )
        wrong = numbers[(numbers < 0) | (numbers >= self._num_policies)]
        if wrong.size:
            raise HandfulError(
                f"There is no policy {wrong.flat[0]}: choose from 0 to {self._num_policies - 1}."
            )
        return numbers if numbers.ndim else int(numbers)

    def _choose(
        self,
        rows: NumpyArray,
        policy: int,
        key: PRNGKey | None,
        rng: np.random.Generator | None,
    ) -> NumpyArray:
        """One policy's actions [M, ...] at observations [M, O]."""
        outputs = self._outputs(rows, policy)
        log_std = self._networks.log_std
        if self._bounds is None:
            if rng is not None:
                outputs = outputs + rng.gumbel(size=outputs.shape)
            elif key is not None:
                return np.asarray(Categorical(jnp.asarray(outputs)).sample(key))
            return np.argmax(outputs, axis=-1)
        assert log_std is not None
        if rng is not None:
            noise = rng.standard_normal(outputs.shape, dtype=np.float32)
            outputs = outputs + np.exp(log_std[policy]) * noise
        elif key is not None:
            spread = jnp.broadcast_to(log_std[policy], outputs.shape)
            outputs = np.asarray(Gaussian(jnp.asarray(outputs), spread).sample(key))
        low, high = self._bounds
        return np.minimum(np.maximum(outputs, low), high)

    def _choose_each(
        self,
        rows: NumpyArray,
        policies: NumpyArray,
        key: PRNGKey | None,
        rng: np.random.Generator | None,
    ) -> NumpyArray:
        """The action of each observation's own policy."""
        is_box = self._bounds is not None
        shape = (len(rows), *((len(self._bounds[0]),) if self._bounds is not None else ()))
        actions = np.empty(shape, np.float32 if is_box else np.int64)
        for policy in np.unique(policies).tolist():
            mine = policies == policy
            own = None if key is None else jax.random.fold_in(key, policy)
            actions[mine] = self._choose(rows[mine], policy, own, rng)
        return actions

    def _outputs(self, observations: NumpyArray, policy: int) -> NumpyArray:
        """One policy's logits or means [M, A] at raw observations [M, O]."""
        nets = self._networks
        values = (observations - nets.mean[policy]) * nets.scale[policy]
        values = np.minimum(np.maximum(values, -nets.clip), nets.clip)
        last = len(nets.layers) - 1
        for index, (weight, bias) in enumerate(nets.layers):
            weight = weight[policy] if weight.ndim == 3 else weight
            bias = bias[policy] if bias.ndim == 3 else bias
            if index == 0 and self._num_symbols is not None:
                values = weight[np.rint(values[:, 0] * self._num_symbols).astype(np.int64)] + bias
            else:
                values = values @ weight + bias
            if index < last:
                values = np.tanh(values)
        if nets.log_std is None and nets.random_actions:
            values = softened(values, nets.random_actions)
        return values
