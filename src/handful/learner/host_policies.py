"""Trained or half-trained policies in NumPy, for environments that are stepped on the host."""

from dataclasses import dataclass

import numpy as np

from handful.learner.networks import Actor
from handful.learner.normalize import EPSILON, Normalizer
from handful.types import NumpyArray


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
    """:meth:`~handful.learner.distributions.Categorical.softened` in NumPy."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
    return np.log((1 - random_share) * probabilities + random_share / logits.shape[-1])
