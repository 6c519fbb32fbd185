"""Copies of a Gymnasium environment as the host collector steps them."""

from collections.abc import Sequence

import numpy as np

from handful.environment import HostStep
from handful.envs.gym.processes import Processes
from handful.envs.gym.slice import Arrays, Blueprint, Slice
from handful.types import NumpyArray


class GymnasiumBatch:
    """A :class:`~handful.environment.HostBatch` of single environments.

    Whether they are stepped here or in other processes makes no difference to any number.

    Args:
        blueprint: of the copies.
        arrays: of the right shapes and types, for all copies.
        seed: of the copies' own chance.
        num_processes: that step them; 1 is this one.

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
        """Start new episodes; observations [R, O]."""
        self._stepper.reset(which)
        return self._arrays.observations[which]

    def step(self, actions: NumpyArray) -> HostStep:
        """One action in every copy."""
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
    """A seed for each copy, of 31 bits: the same for the first ones however many there are."""
    state = np.random.SeedSequence(seed).generate_state(num_envs)
    return [int(number >> 1) for number in state]
