"""One policy at a time in NumPy: for deployment, where single observations come one after another.

A compiled call takes milliseconds to prepare and the arithmetic of a small network microseconds, so
policies are copied to NumPy once and each is kept apart.
"""

from dataclasses import dataclass

import numpy as np

from handful.environment import ActionSpace, Box
from handful.learner.host_policies import HostPolicies, softened
from handful.learner.networks import Actor, Lookup
from handful.learner.normalize import Normalizer
from handful.types import NumpyArray


@dataclass(frozen=True, eq=False)
class Actors:
    """All ``K`` policies in NumPy, each of which can be asked alone.

    Attributes:
        networks: the policies' arrays.
        num_symbols: how many observations there are, where the first layer looks them up.
        space: of actions, to which they are clipped.
    """

    networks: HostPolicies
    num_symbols: int | None
    space: ActionSpace

    @classmethod
    def copy_of(cls, actor: Actor, normalizer: Normalizer, space: ActionSpace) -> "Actors":
        """The policies as they are now."""
        first = (*actor.stack.hidden, actor.stack.head)[0]
        number = first.weight.shape[-2] if isinstance(first, Lookup) else None
        return cls(HostPolicies.copy_of(actor, normalizer), number, space)

    def outputs(self, observations: NumpyArray, policy: int) -> NumpyArray:
        """One policy's logits or means [M, A] at raw observations [M, O]."""
        nets = self.networks
        values = (observations - nets.mean[policy]) * nets.scale[policy]
        values = np.clip(values, -nets.clip, nets.clip)
        last = len(nets.layers) - 1
        for index, (weight, bias) in enumerate(nets.layers):
            weight = weight[policy] if weight.ndim == 3 else weight
            bias = bias[policy] if bias.ndim == 3 else bias
            if index == 0 and self.num_symbols is not None:
                rows = np.rint(values[:, 0] * self.num_symbols).astype(np.int64)
                values = weight[np.clip(rows, 0, self.num_symbols - 1)] + bias
            else:
                values = values @ weight + bias
            if index < last:
                values = np.tanh(values)
        if nets.log_std is None and nets.random_actions:
            values = softened(values, nets.random_actions)
        return values

    def likeliest(self, observations: NumpyArray, policy: int) -> NumpyArray:
        """One policy's likeliest actions at raw observations [M, O]: [M, A], or int [M]."""
        outputs = self.outputs(observations, policy)
        return self._inside(outputs) if isinstance(self.space, Box) else np.argmax(outputs, axis=-1)

    def sampled(
        self, observations: NumpyArray, policy: int, rng: np.random.Generator
    ) -> NumpyArray:
        """The same with chance: actions are drawn as in training."""
        outputs = self.outputs(observations, policy)
        if isinstance(self.space, Box):
            assert self.networks.log_std is not None
            spread = np.exp(self.networks.log_std[policy])
            noise = rng.standard_normal(outputs.shape, dtype=np.float32)
            return self._inside(outputs + spread * noise)
        return np.argmax(outputs + rng.gumbel(size=outputs.shape), axis=-1)

    def _inside(self, actions: NumpyArray) -> NumpyArray:
        assert isinstance(self.space, Box)
        low, high = (np.array(bound, np.float32) for bound in (self.space.low, self.space.high))
        return np.clip(actions, low, high)
