"""A worker process, which steps its slice of the copies on request.

Messages are short: ``("reset", indices)``, ``"step"`` and ``"close"`` come in, and None goes out
when it is done, or the sentence that says why it could not be. Numbers go through shared memory.

Some of the copies of an environment, stepped one after the other into arrays.

The one place where a single environment's ``reset`` and ``step`` are called in training, whether
in this process or in another.
"""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handful.envs.gym.features import Features, Transition, check_count, keep
from handful.envs.gym.sources import Source, build, close, failure
from handful.envs.gym.spaces import ActionRange, Flattener, ObservationOffset, read_action_space
from handful.errors import HandfulError


@dataclass(frozen=True)
class Blueprint:
    """All that is needed to step copies of an environment somewhere.

    Attributes:
        source: the source of the copies.
        features: the reward features of the copies' steps.
        time_limit: steps after which an episode is cut, if it has not ended before.
        action_range: the part of a box of actions that policies use.
        observation_offset: the numbers that are subtracted from observations before these become
            float32.
    """

    source: Source
    features: Features
    time_limit: int
    action_range: ActionRange = None
    observation_offset: ObservationOffset = None


class Arrays(NamedTuple):
    """What goes in and out of ``M`` copies; slices of copies have slices of these."""

    actions: NDArray[Any]
    """Policies' actions: int32 [M], or float32 [M, A]."""
    observations: NDArray[Any]
    """float32 [M, O]."""
    features: NDArray[Any]
    """float32 [M, D]."""
    terminated: NDArray[Any]
    """bool [M]."""
    truncated: NDArray[Any]
    """bool [M]."""

    def part(self, rows: slice) -> "Arrays":
        """Return the arrays of some of the copies."""
        return Arrays(*(array[rows] for array in self))


class Slice:
    """Copies that are stepped together.

    Args:
        blueprint: the blueprint of the copies.
        seeds: one for each; the first episode of a copy is seeded with it, and later episodes go
            on with the copy's own chance.
        arrays: those of these copies.

    Raises:
        HandfulError: if an environment cannot be made; and from its methods, if it fails.
    """

    def __init__(self, blueprint: Blueprint, seeds: Sequence[int], arrays: Arrays) -> None:
        self._blueprint, self._arrays = blueprint, arrays
        self._seeds: list[int | None] = list(seeds)
        self._envs = [build(blueprint.source) for _ in seeds]
        self._actions = read_action_space(self._envs[0].action_space, blueprint.action_range)
        self._flatten = Flattener(self._envs[0].observation_space, blueprint.observation_offset)
        self._ages = [0] * len(self._envs)
        self._last: list[Any] = [None] * len(self._envs)

    def reset(self, which: NDArray[Any]) -> None:
        """Start new episodes in the copies ``which``, counted within the slice."""
        for index in which.tolist():
            seed, self._seeds[index] = self._seeds[index], None
            try:
                observation, _ = self._envs[index].reset(seed=seed)
            except BaseException as error:
                raise failure("reset()", error) from None
            self._ages[index] = 0
            self._see(index, observation)

    def step(self) -> None:
        """One action in every copy."""
        arrays, blueprint = self._arrays, self._blueprint
        for index, env in enumerate(self._envs):
            action = self._actions.decode(arrays.actions[index])
            taken = keep(action) if blueprint.features.needs_observation else action
            try:
                observation, reward, terminated, truncated, info = env.step(action)
            except BaseException as error:
                raise failure("step()", error) from None
            before = self._last[index]
            self._see(index, observation)  # first, as a feature function may write to it
            seen = Transition(before, taken, observation, reward, info)
            features = blueprint.features(seen)
            check_count(features, len(arrays.features[index]))
            arrays.features[index] = features
            self._ages[index] += 1
            is_over = self._ages[index] >= blueprint.time_limit
            arrays.terminated[index] = terminated
            arrays.truncated[index] = truncated or (is_over and not terminated)

    def close(self) -> None:
        """Close the copies."""
        for env in self._envs:
            close(env)

    def _see(self, index: int, observation: Any) -> None:
        self._arrays.observations[index] = self._flatten(observation)
        if self._blueprint.features.needs_observation:
            self._last[index] = keep(observation)


SharedArray = tuple[Any, tuple[int, ...], str]
"""Memory that processes share, with the shape and type of the array in it."""


def view(shared: SharedArray) -> NDArray[Any]:
    """Return the array in shared memory."""
    memory, shape, dtype = shared
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


def work(
    connection: Connection,
    blueprint: Blueprint,
    seeds: Sequence[int],
    shared: Sequence[SharedArray],
    rows: tuple[int, int],
) -> None:
    """Serve requests until a request to close, or until the process that sends them is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of who gives the orders
    arrays = Arrays(*(view(array) for array in shared)).part(slice(*rows))
    copies = None
    try:
        copies = Slice(blueprint, seeds, arrays)
        connection.send(None)
        while (order := connection.recv()) != "close":
            if order == "step":
                copies.step()
            else:
                copies.reset(np.array(order[1]))
            connection.send(None)
    except HandfulError as error:
        connection.send(str(error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody is there any more
    finally:
        if copies is not None:
            copies.close()
