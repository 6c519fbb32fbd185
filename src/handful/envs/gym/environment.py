"""Any Gymnasium environment as a :class:`~handful.environment.HostEnvironment`."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful.environment import ActionSpace, Box, Discrete, HostBatch, HostStep
from handful.envs.gym.features import Features
from handful.envs.gym.probe import Probe, probe
from handful.envs.gym.processes import Processes, comes_from_script, why_not_sent
from handful.envs.gym.sources import Source
from handful.envs.gym.spaces import ActionRange, Choices, ObservationOffset
from handful.envs.gym.worker import Arrays, Blueprint, Slice
from handful.errors import HandfulError
from handful.types import NumpyArray, PyTree


class GymnasiumBatch:
    """A :class:`~handful.environment.HostBatch` of single environments.

    The numbers are the same whether this process or other processes step the copies.

    Args:
        blueprint: the blueprint of the copies.
        arrays: the arrays of all copies, with the right shapes and types.
        seed: the seed of the random numbers that the copies draw themselves.
        num_processes: the number of processes that step the copies; with 1, this process steps
            them.

    Raises:
        HandfulError: if an environment cannot be made; and from its methods, if one fails or a
            process dies.
    """

    def __init__(self, blueprint: Blueprint, arrays: Arrays, seed: int, num_processes: int) -> None:
        num_envs = len(arrays.terminated)
        seeds = copy_seeds(seed, num_envs)
        self._stepper: Slice | Processes
        if num_processes > 1 and num_envs > 1:
            self._stepper = Processes(blueprint, seeds, arrays, num_processes)
            self._arrays = self._stepper.arrays
        else:
            self._stepper = Slice(blueprint, seeds, arrays)
            self._arrays = arrays

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes and return their observations [R, O]."""
        self._stepper.reset(which)
        return self._arrays.observations[which]

    def step(self, actions: NumpyArray) -> HostStep:
        """Take one action in every copy."""
        arrays = self._arrays
        arrays.actions[...] = actions
        self._stepper.step()
        return HostStep(
            arrays.observations.copy(),
            arrays.features.copy(),
            arrays.terminated.copy(),
            arrays.truncated.copy(),
        )

    def close(self) -> None:
        """Close the environments and end the processes."""
        self._stepper.close()


def copy_seeds(seed: int, num_envs: int) -> Sequence[int]:
    """Return a seed of 31 bits for each copy.

    The seeds of the first copies do not depend on the number of copies.
    """
    state = np.random.SeedSequence(seed).generate_state(num_envs)
    return [int(number >> 1) for number in state]


WORTH_PROCESSES = 2e-3
"""The seconds that a step of all copies must take for processes to save time.

Sending the actions to them takes a tenth of this."""


class GymnasiumEnvironment:
    """Copies of a Gymnasium environment, stepped in batches. Its outcomes are reward features.

    Instances are immutable, and hashable by identity.

    Args:
        source: the source of the copies.
        features: the reward features of a step.
        feature_names: the names of the features [D].
        time_limit: the time limit in steps.
        processes: the number of processes that step the copies; with 1, this process steps them.
            With None there are as many as the caller of :meth:`open` has threads, if the
            environment is so slow that they save time and if it can be sent to them without running
            the caller's script again.
        make_vector: a function that makes a vector environment of so many copies, which then steps
            them instead of processes of ours; ``source`` makes single environments of the same
            kind.
        action_range: the part of a box of actions that policies use; None for all of it.
        observation_offset: the numbers that are subtracted from observations before these become
            float32.

    Attributes:
        observation_size: the size ``O`` of flattened observations.
        action_space: the action space that policies see (:mod:`handful.envs.gym.spaces`).
        feature_names: the names of the features [D].
        time_limit: the time limit in steps.

    Raises:
        HandfulError: if the environment cannot be made, cannot be trained in, or does not say
            after how many steps it ends.
    """

    def __init__(
        self,
        source: Source,
        features: Features,
        feature_names: Sequence[str] = (),
        time_limit: int | None = None,
        processes: int | None = None,
        make_vector: Callable[[int], Any] | None = None,
        action_range: ActionRange = None,
        observation_offset: ObservationOffset = None,
    ) -> None:
        if processes is not None and processes < 1:
            raise HandfulError(f"processes must be 1 or more, not {processes}.")
        self._probe = probe(source, features, feature_names, action_range, observation_offset)
        self._processes, self._make_vector = processes, make_vector
        self.label = source.label
        self.observation_size = self._probe.flattener.size
        self.action_space = policy_space(self._probe)
        self.feature_names = self._probe.feature_names
        self.time_limit = check_time_limit(time_limit, self._probe.time_limit, source.label)
        self._blueprint = Blueprint(
            source, features, self.time_limit, action_range, observation_offset
        )

    @property
    def probe(self) -> Probe:
        """The result of a few random episodes."""
        return self._probe

    @property
    def simulator_module(self) -> str:
        """The module that the environment's class comes from."""
        return self._probe.module

    def outcome_shape(self) -> PyTree:
        """Return the shape of the features [D] of a step."""
        return jax.ShapeDtypeStruct((len(self.feature_names),), jnp.float32)

    def open(self, num_envs: int, seed: int, num_threads: int) -> HostBatch:
        """Open copies that step side by side, in at most ``num_threads`` processes.

        Raises:
            HandfulError: if they cannot be made.
        """
        if self._make_vector is not None:
            from handful.envs.gym.vector import VectorBatch

            return VectorBatch(
                self._make_vector, self._blueprint, len(self.feature_names), num_envs, seed
            )
        processes = self._processes or self._worthwhile(num_envs, num_threads)
        return GymnasiumBatch(self._blueprint, self._arrays(num_envs), seed, processes)

    def flatten(self, observation: Any) -> NumpyArray:
        """Return the vector [O] that policies act on, for an observation of the environment."""
        return self._probe.flattener(observation)

    def read_observation(self, observation: Any) -> NumpyArray:
        """Return vectors [..., O] that policies act on, from one or many observations.

        Args:
            observation: an observation as the environment gives it, a list of such observations, a
                batch of arrays [..., *shape], or vectors [..., O] of :meth:`flatten`.

        Raises:
            HandfulError: if it does not fit the observation space.
        """
        return self._probe.flattener.many(observation)

    def original_observations(self, rows: NumpyArray) -> Any:
        """Return observations as the environment shows them, made from vectors.

        Args:
            rows: the vectors [B, O] of :meth:`flatten`.

        Returns:
            Arrays with a leading axis [B], in mappings or tuples where the space has parts.
        """
        return self._probe.flattener.originals(rows)

    def decode(self, action: Any) -> Any:
        """Return the action that the environment takes, made from a policy's action."""
        return self._probe.actions.decode(action)

    def encode(self, action: Any) -> Any:
        """Return the policy's action for an action of the environment.

        Raises:
            ValueError: if the environment has no such action.
        """
        return self._probe.actions.encode(action)

    def _worthwhile(self, num_envs: int, num_threads: int) -> int:
        if self._probe.seconds_per_step * num_envs < WORTH_PROCESSES:
            return 1
        if why_not_sent(self._blueprint) or comes_from_script(self._blueprint):
            return 1
        return num_threads

    def _arrays(self, num_envs: int) -> Arrays:
        space = self.action_space
        is_discrete = isinstance(space, Discrete)
        return Arrays(
            actions=np.zeros(num_envs, np.int32)
            if is_discrete
            else np.zeros((num_envs, space.size), np.float32),
            observations=np.zeros((num_envs, self.observation_size), np.float32),
            features=np.zeros((num_envs, len(self.feature_names)), np.float32),
            terminated=np.zeros(num_envs, bool),
            truncated=np.zeros(num_envs, bool),
        )


def policy_space(seen: Probe) -> ActionSpace:
    """Return the action space that policies see."""
    if isinstance(seen.actions, Choices):
        return Discrete(seen.actions.count)
    return Box(seen.actions.low, seen.actions.high)


def check_time_limit(given: int | None, own: int | None, label: str) -> int:
    """Return the shorter of the caller's limit and the environment's own.

    Raises:
        HandfulError: if there is no limit, or the caller's limit is not a number of steps.
    """
    if given is not None and (isinstance(given, bool) or int(given) != given or given < 1):
        raise HandfulError(f"time_limit must be a whole number of steps from 1, not {given!r}.")
    limits = [int(limit) for limit in (given, own) if limit is not None]
    if not limits:
        raise HandfulError(
            f"The environment '{label}' does not say after how many steps its episodes are cut: "
            f"give a time_limit (on the command line, --param.time-limit 200)."
        )
    return min(limits)
