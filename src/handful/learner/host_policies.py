"""Copies of policies that are called from Python with NumPy arrays.

A call of JAX takes milliseconds to prepare, and the arithmetic of a small network takes
microseconds. So the library's own networks are copied to NumPy once and computed there
(:class:`HostPolicies`). The caller's own modules can be anything that JAX computes: they are called
through a compiled program (:class:`CompiledPolicies`). Both have the same functions.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from handful.devices import in_full_precision
from handful.learner.distributions import Categorical
from handful.learner.modules import ModuleStack
from handful.learner.networks import Actor, Lookup, take_policies
from handful.learner.normalize import EPSILON, Normalizer
from handful.learner.squashed import SquashedActor
from handful.types import Array, Float, Int, NumpyArray


@runtime_checkable
class PoliciesOnHost(Protocol):
    """``K`` policies as functions of NumPy arrays.

    They compute what :class:`~handful.learner.policies.Policies` compute, up to rounding.
    """

    @property
    def num_policies(self) -> int:
        """``K``."""
        ...

    @property
    def observation_size(self) -> int:
        """``O``."""
        ...

    @property
    def log_std(self) -> NumpyArray | None:
        """The logarithms [K, A] of the standard deviations that do not depend on observations.

        None if actions are finite or squashed.
        """
        ...

    @property
    def is_squashed(self) -> bool:
        """Whether actions are squashed: outputs are then means and raw spreads, 2A numbers."""
        ...

    def __call__(self, observations: NumpyArray) -> NumpyArray:
        """Map raw observations [K, B, O] to logits or means [K, B, A]."""
        ...

    def outputs_of(self, policy: int, observations: NumpyArray) -> NumpyArray:
        """Map raw observations [M, O] to the logits or means [M, A] of one policy."""
        ...


def copy_to_host(actor: Actor, normalizer: Normalizer) -> PoliciesOnHost:
    """Copy policies as they are now.

    The copy has memory of its own, because training reuses the memory of the arrays that it gets.
    """
    if isinstance(actor.stack, ModuleStack):
        return CompiledPolicies(actor, normalizer)
    return HostPolicies.copy_of(actor, normalizer)


@dataclass(frozen=True, eq=False)
class HostPolicies:
    """Policies with the library's own networks, computed by NumPy.

    Attributes:
        mean: the mean of the observations, [K, 1, O].
        scale: [K, 1, O], the inverse of the observations' standard deviations.
        clip: the largest absolute value of a normalised observation entry.
        layers: the weight [K, I, H] (or [I, H] if it is shared) and the bias [K, 1, H] (or [H]) of
            each layer.
        log_std: the logarithm of the standard deviation [K, A] if actions are continuous, else
            None.
        random_actions: the probability of a uniformly random action, if actions are finite.
        num_symbols: how many symbols the first layer looks up; None if it multiplies.
        is_squashed: whether continuous actions are squashed (:mod:`handful.squashing`).
    """

    mean: NumpyArray
    scale: NumpyArray
    clip: float
    layers: tuple[tuple[NumpyArray, NumpyArray], ...]
    log_std: NumpyArray | None
    random_actions: float = 0.0
    num_symbols: int | None = None
    is_squashed: bool = False

    @classmethod
    def copy_of(cls, actor: Actor, normalizer: Normalizer) -> "HostPolicies":
        """Copy policies whose networks are the library's own."""
        stack = actor.stack
        assert not isinstance(stack, ModuleStack)
        layers = tuple(layer.folded() for layer in (*stack.hidden, stack.head))
        looks_up = isinstance(layers[0], Lookup)
        return cls(
            mean=np.array(normalizer.mean)[:, None],
            scale=1.0 / np.sqrt(np.array(normalizer.variance) + np.float32(EPSILON))[:, None],
            clip=normalizer.clip,
            layers=tuple((np.array(layer.weight), np.array(layer.bias)) for layer in layers),
            log_std=_spread_of(actor, len(normalizer.count)),
            random_actions=actor.random_actions,
            num_symbols=layers[0].weight.shape[-2] if looks_up else None,
            is_squashed=isinstance(actor, SquashedActor),
        )

    @property
    def num_policies(self) -> int:
        """``K``."""
        return self.mean.shape[0]

    @property
    def observation_size(self) -> int:
        """``O``."""
        return self.mean.shape[2]

    def __call__(self, observations: NumpyArray) -> NumpyArray:
        """Map raw observations [K, B, O], which are no symbols, to logits or means [K, B, A]."""
        values = np.clip((observations - self.mean) * self.scale, -self.clip, self.clip)
        *hidden, (head, offset) = self.layers
        for weight, bias in hidden:
            values = np.tanh(values @ weight + bias)
        return self._with_random_actions(values @ head + offset)

    def outputs_of(self, policy: int, observations: NumpyArray) -> NumpyArray:
        """Map raw observations [M, O] to the logits or means [M, A] of one policy."""
        values = (observations - self.mean[policy]) * self.scale[policy]
        values = np.minimum(np.maximum(values, -self.clip), self.clip)
        last = len(self.layers) - 1
        for index, (weight, bias) in enumerate(self.layers):
            weight = weight[policy] if weight.ndim == 3 else weight
            bias = bias[policy] if bias.ndim == 3 else bias
            if index == 0 and self.num_symbols is not None:
                values = weight[np.rint(values[:, 0] * self.num_symbols).astype(np.int64)] + bias
            else:
                values = values @ weight + bias
            if index < last:
                values = np.tanh(values)
        return self._with_random_actions(values)

    def _with_random_actions(self, outputs: NumpyArray) -> NumpyArray:
        if self.log_std is not None or self.random_actions == 0.0:
            return outputs
        return softened(outputs, self.random_actions)


def _spread_of(actor: Actor, num_policies: int) -> NumpyArray | None:
    """Return the logarithms of the standard deviations with a row for each policy, [K, A]."""
    if actor.log_std is None:
        return None
    return np.array(jnp.broadcast_to(actor.log_std, (num_policies, actor.log_std.shape[1])))


def softened(logits: NumpyArray, random_share: float) -> NumpyArray:
    """Compute :meth:`~handful.learner.distributions.Categorical.softened` in NumPy."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
    return np.log((1 - random_share) * probabilities + random_share / logits.shape[-1])


class CompiledPolicies:
    """Policies with modules of the caller's own, computed by a compiled program of JAX.

    A program is compiled for each number of observations. So batches of one policy are filled up to
    the next power of two, and few programs are needed.

    Args:
        actor: the actor to copy.
        normalizer: the normalizer to copy.
    """

    def __init__(self, actor: Actor, normalizer: Normalizer) -> None:
        # Over NumPy: the arrays may lie on several devices, and one is enough here.
        copied = jax.tree.map(lambda leaf: jnp.asarray(np.array(leaf)), (actor, normalizer))
        self._actor, self._normalizer = copied
        self.log_std = _spread_of(actor, len(normalizer.count))
        self.is_squashed = isinstance(actor, SquashedActor)

    @property
    def num_policies(self) -> int:
        """``K``."""
        return self._normalizer.mean.shape[0]

    @property
    def observation_size(self) -> int:
        """``O``."""
        return self._normalizer.mean.shape[1]

    def __call__(self, observations: NumpyArray) -> NumpyArray:
        """Map raw observations [K, B, O] to logits or means [K, B, A]."""
        rows = np.asarray(observations, np.float32)
        return np.array(_outputs(self._actor, self._normalizer, rows))

    def outputs_of(self, policy: int, observations: NumpyArray) -> NumpyArray:
        """Map raw observations [M, O] to the logits or means [M, A] of one policy."""
        number = len(observations)
        rows = np.zeros((1 << max(number - 1, 0).bit_length(), self.observation_size), np.float32)
        rows[:number] = observations
        outputs = _outputs_of_one(self._actor, self._normalizer, policy, rows)
        return np.array(outputs)[:number]


@jax.jit
@in_full_precision
def _outputs(
    actor: Actor, normalizer: Normalizer, observations: Float[Array, "K M O"]
) -> Float[Array, "K M A"]:
    """Return the logits or means of all policies, and raw spreads if actions are squashed."""
    if isinstance(actor, SquashedActor):
        return actor.stack(normalizer(observations))
    distribution = actor(normalizer(observations))
    return distribution.logits if isinstance(distribution, Categorical) else distribution.mean


@jax.jit
def _outputs_of_one(
    actor: Actor,
    normalizer: Normalizer,
    policy: Int[Array, ""] | int,
    observations: Float[Array, "M O"],
) -> Float[Array, "M A"]:
    """Return the logits or means of one policy."""
    which = jnp.asarray(policy)[None]
    alone = take_policies(actor, which), normalizer.take(which)
    return _outputs(*alone, observations[None])[0]
