"""Acting on the host in NumPy, without a compiled call, a transfer or a key in any step.

Policies are small, and a step has few observations. So calling a compiled program takes several
times as long as the arithmetic in it. Only the noise is compiled: it is drawn for many steps at
once.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from handful.environment import ActionSpace, Box
from handful.squashing import centre_and_reach, mean_and_log_std
from handful.types import Array, Float, Key, NumpyArray

NOISE_STEPS = 256
"""The most steps for which noise is drawn at once, since it takes memory."""

LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


@runtime_checkable
class HostPolicies(Protocol):
    """All ``K`` policies in NumPy."""

    @property
    def log_std(self) -> NumpyArray | None:
        """The logarithm [K, A] of the standard deviation that does not depend on observations.

        It is None if actions are finite or squashed.
        """
        ...

    @property
    def is_squashed(self) -> bool:
        """Whether actions are continuous and squashed (:mod:`handful.squashing`)."""
        ...

    def __call__(self, observations: NumpyArray) -> NumpyArray:
        """Return the outputs for raw observations [K, B, O].

        They are logits or means [K, B, A], or means and raw spreads [K, B, 2A] if actions are
        squashed.
        """
        ...


@runtime_checkable
class HasHostPolicies(Protocol):
    """Policies that can also act on the host."""

    def on_host(self) -> HostPolicies:
        """Return the same policies for the host, as they are now."""
        ...


class Choice(NamedTuple):
    """The actions of one step.

    Attributes:
        raw: the raw actions, [K, B, A] or int [K, B], for learning.
        actions: the same actions inside the action space, for the environment.
        log_probs: the log-probabilities [K, B] of the raw actions; 0 if they were not sampled.
    """

    raw: NumpyArray
    actions: NumpyArray
    log_probs: NumpyArray


class Chooser:
    """An object that chooses the actions of ``num_steps`` steps.

    Args:
        policies: the policies that act.
        space: the action space of the environment.
        keys: the random keys to go on with afterwards.
        shape: the numbers ``K`` and ``B``.
        num_steps: the number of calls that there will be.

    Attributes:
        keys: the random keys to go on with afterwards.
    """

    def __init__(
        self,
        policies: HostPolicies,
        space: ActionSpace,
        keys: Key[Array, " K"] | None,
        shape: tuple[int, int],
        num_steps: int,
    ) -> None:
        self.keys = keys
        self._policies, self._shape = policies, shape
        self._block, self._drawn = min(num_steps, NOISE_STEPS), 0
        self._sample: Callable[[NumpyArray], tuple[NumpyArray, NumpyArray]]
        self._mode: Callable[[NumpyArray], NumpyArray]
        if isinstance(space, Box) and policies.is_squashed:
            self._bounds = None
            self._centre, self._reach = (
                np.array(side, np.float32) for side in centre_and_reach(space)
            )
            self._noise_shape, self._draw = (shape[1], space.size), _draw_normal
            self._mode, self._sample = self._squashed_mean, self._sample_squashed
        elif isinstance(space, Box):
            assert policies.log_std is not None
            self._bounds = (np.array(space.low, np.float32), np.array(space.high, np.float32))
            self._std = np.exp(policies.log_std)[:, None]
            self._peak = -np.sum(policies.log_std + LOG_SQRT_2PI, axis=1)[:, None, None]
            self._noise_shape, self._draw = (shape[1], space.size), _draw_normal
            self._mode, self._sample = lambda outputs: outputs, self._sample_normal
        else:
            self._bounds = None
            self._noise_shape, self._draw = (shape[1], space.num_actions), _draw_gumbel
            self._mode, self._sample = partial(np.argmax, axis=-1), self._sample_categorical

    def __call__(self, observations: NumpyArray) -> Choice:
        """Return the next step's actions at raw observations [K, B, O]."""
        outputs = self._policies(observations)
        if self.keys is None:
            raw, log_probs = self._mode(outputs), np.zeros(self._shape, np.float32)
        else:
            raw, log_probs = self._sample(outputs)
        actions = raw if self._bounds is None else np.clip(raw, *self._bounds)
        return Choice(raw, actions, log_probs)

    def _sample_normal(self, means: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        step, noise = self._next_noise()
        if step == 0:  # the density needs only the noise: all steps at once
            density = self._peak - 0.5 * np.sum(noise**2, axis=-1)
            self._densities = density.astype(np.float32)
        return means + self._std * noise[:, step], self._densities[:, step]

    def _sample_squashed(self, outputs: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        step, noise = self._next_noise()
        means, log_std = mean_and_log_std(outputs)
        variable = means + np.exp(log_std) * noise[:, step]
        # The logarithm of the slope of tanh is 2 (log 2 - x - log(1 + exp(-2x))).
        slope = 2.0 * (np.log(2.0) - variable - np.logaddexp(0.0, -2.0 * variable))
        density = -0.5 * noise[:, step] ** 2 - log_std - LOG_SQRT_2PI - slope - np.log(self._reach)
        raw = self._centre + self._reach * np.tanh(variable)
        return raw, np.sum(density, axis=-1).astype(np.float32)

    def _squashed_mean(self, outputs: NumpyArray) -> NumpyArray:
        return self._centre + self._reach * np.tanh(mean_and_log_std(outputs)[0])

    def _sample_categorical(self, logits: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        step, noise = self._next_noise()
        raw = np.argmax(logits + noise[:, step], axis=-1)
        chosen = np.take_along_axis(logits, raw[..., None], axis=-1)[..., 0]
        peak = logits.max(axis=-1)
        total = peak + np.log(np.sum(np.exp(logits - peak[..., None]), axis=-1))
        return raw.astype(np.int32), chosen - total

    def _next_noise(self) -> tuple[int, NumpyArray]:
        """Return noise [K, T, B, A], and the index of its step that is next."""
        step = self._drawn % self._block
        if step == 0:
            self.keys, noise = self._draw(self.keys, (self._block, *self._noise_shape))
            self._noise = np.asarray(noise)
        self._drawn += 1
        return step, self._noise


@partial(jax.jit, static_argnums=1)
def _draw_normal(keys: Key[Array, " K"], shape: tuple[int, ...]) -> tuple[Array, Array]:
    return _draw(jax.random.normal, keys, shape)


@partial(jax.jit, static_argnums=1)
def _draw_gumbel(keys: Key[Array, " K"], shape: tuple[int, ...]) -> tuple[Array, Array]:
    return _draw(jax.random.gumbel, keys, shape)


def _draw(
    noise: Callable[..., Array], keys: Key[Array, " K"], shape: tuple[int, ...]
) -> tuple[Key[Array, " K"], Float[Array, "K T B A"]]:
    """Return every policy's noise from its own key, and the keys to go on with."""
    keys, now = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    return keys, jax.vmap(lambda key: noise(key, shape))(now)
