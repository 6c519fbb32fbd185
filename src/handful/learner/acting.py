"""The actions of one policy at a time: for deployment, where observations come one after another.

Policies are copied to the host once (:mod:`handful.learner.host_policies`), and then each of them
can be called alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from handful.environment import ActionSpace, Box
from handful.errors import HandfulError
from handful.learner.distributions import Categorical, Gaussian
from handful.learner.host_policies import PoliciesOnHost
from handful.squashing import mean_and_log_std
from handful.types import NumpyArray, PRNGKey

Reader = Callable[[Any], NumpyArray]
"""Turns one or many of an environment's own observations into vectors [..., O]."""


class Actors:
    """All ``K`` policies on the host, to be called for actions.

    Args:
        policies: copies of the policies.
        space: the action space of the environment, to which continuous actions are clipped.
        reader: turns the environment's own observations into vectors; None if they are vectors.
        in_jax: gives an action within a compiled program, from an observation, a policy's number
            and a key.
    """

    def __init__(
        self,
        policies: PoliciesOnHost,
        space: ActionSpace,
        reader: Reader | None,
        in_jax: Callable[..., Any],
    ) -> None:
        self._policies, self._space = policies, space
        self._reader, self._in_jax = reader, in_jax
        self._num_policies, self._size = policies.num_policies, policies.observation_size
        self._bounds = None
        if isinstance(space, Box):
            self._bounds = np.array(space.low, np.float32), np.array(space.high, np.float32)

    def __call__(
        self,
        observation: Any,
        policy: int | np.integer[Any] | Sequence[int] | NumpyArray,
        key: PRNGKey | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> Any:
        """Return the actions of one policy, or of each observation's own, for the environment.

        Args:
            observation: a raw observation [O], or any batch of them [..., O]. Policies of a
                Gymnasium environment also take observations as it gives them (arrays of its shape,
                dictionaries, tuples, numbers) and lists of those.
            policy: the policy's number, from 0; or an array with a number for each observation of
                the batch.
            key: draws the actions with JAX. If there is neither ``key`` nor ``rng``, each
                observation gets its likeliest action.
            rng: draws the actions with NumPy, which is much faster than with JAX.

        Returns:
            A NumPy array: float32 [..., A] inside the action space if actions are continuous,
            integers [...] if they are discrete. A Gymnasium environment takes what its problem's
            ``environment.decode`` makes of a single action.

        Raises:
            HandfulError: if there is no such policy, or the observation has another size.
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
        """Return the observations of the caller or the environment as float32 vectors [..., O]."""
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
        """Return the number of the policy, or an array with a number for each observation."""
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
        """Return one policy's actions [M, ...] at observations [M, O]."""
        outputs = self._policies.outputs_of(policy, rows)
        log_std = self._policies.log_std
        if self._bounds is None:
            if rng is not None:
                outputs = outputs + rng.gumbel(size=outputs.shape)
            elif key is not None:
                return np.asarray(Categorical(jnp.asarray(outputs)).sample(key))
            return np.argmax(outputs, axis=-1)
        is_squashed = self._policies.is_squashed
        if is_squashed:
            outputs, spread = mean_and_log_std(outputs)
        else:
            assert log_std is not None
            spread = np.broadcast_to(log_std[policy], outputs.shape)
        if rng is not None:
            noise = rng.standard_normal(outputs.shape, dtype=np.float32)
            outputs = outputs + np.exp(spread) * noise
        elif key is not None:
            outputs = np.asarray(Gaussian(jnp.asarray(outputs), jnp.asarray(spread)).sample(key))
        low, high = self._bounds
        if is_squashed:
            outputs = (low + high) / 2 + (high - low) / 2 * np.tanh(outputs)
        return np.minimum(np.maximum(outputs, low), high)

    def _choose_each(
        self,
        rows: NumpyArray,
        policies: NumpyArray,
        key: PRNGKey | None,
        rng: np.random.Generator | None,
    ) -> NumpyArray:
        """Return the action of each observation's own policy."""
        is_box = self._bounds is not None
        shape = (len(rows), *((len(self._bounds[0]),) if self._bounds is not None else ()))
        actions = np.empty(shape, np.float32 if is_box else np.int64)
        for policy in np.unique(policies).tolist():
            mine = policies == policy
            own = None if key is None else jax.random.fold_in(key, policy)
            actions[mine] = self._choose(rows[mine], policy, own, rng)
        return actions
