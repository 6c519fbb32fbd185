"""Windows of the latest observations, for policies that have to remember.

Some problems show a policy too little at any one step: what it saw some steps ago decides what is
best now. Here the observation becomes a *window* of the latest ``L`` observations, and a recurrent
network (or any other) is run over it from the oldest to the newest. So gradients flow through ``L``
steps in full, every transition can be learnt from alone and in any order, and nothing in the
collectors and learners has to know of memory. A policy forgets what is older than the window.

A window is ``L`` rows of ``O + 1`` entries, flattened, the oldest row first. The first entry of a
row is 1, and the others are an observation. Rows from before the episode's start are all 0.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_kind, check_range
from handful.environment import HostEnvironment, TimeStep, num_symbols
from handful.envs.wrapper import HostWrapper, Wrapper, wrapped
from handful.errors import HandfulError
from handful.problem import RMDP, check_problem
from handful.types import Array, Float, NumpyArray, Preset, PRNGKey

LONGEST = 1000
"""The most observations that a window may have: every transition holds two windows."""


def with_history(problem: RMDP, length: int) -> RMDP:
    """Return the same problem with the latest observations in the place of each observation.

    An observation [O] becomes [L * (O + 1)]: ``L`` rows, the oldest first, each of which is a mark
    and an observation. The mark is 1, and a row from before the episode's start is all 0. Windows
    are not normalised (the learner's setting ``normalize_observations`` is false), because marks
    and empty rows could not be read any more.

    Args:
        problem: a problem whose environment is written in JAX or runs on the host, and whose
            observations are vectors.
        length: the number ``L`` of the latest observations that policies see, as a window.

    Returns:
        A problem for :func:`handful.train`. It has no name to make it by, so that a run of it is
        resumed with ``handful.resume(path, problem)``; a task with a name gets windows, and keeps
        its name, by its parameter ``history``.

    Raises:
        HandfulError: if the length is not a whole number from 1 to 1000, or the environment numbers
            its observations.
    """
    check_problem(problem, "with_history")
    check_kind("length", length, int)
    check_range("length", length, 1, LONGEST)
    environment = problem.environment
    if num_symbols(environment) is not None:
        raise HandfulError(
            "This environment numbers its observations, and each of them shows the whole state: "
            "leave out with_history."
        )
    kind = HistoryOnHost if isinstance(environment, HostEnvironment) else HistoryInJax
    return wrapped(
        problem,
        kind(environment, length),
        learner_settings=partial(_learner_settings, problem),
    )


def _learner_settings(problem: RMDP, num_policies: int, preset: Preset) -> dict[str, Any]:
    """Return the settings of the problem without windows, with another normalisation."""
    suited = problem.learner_settings(num_policies, preset)
    return {**suited, "normalize_observations": False}


@dataclass(frozen=True)
class _History(Wrapper):
    """The common part of both kinds of environments with windows.

    Attributes:
        length: the number ``L`` of observations in a window.
    """

    length: int

    @property
    def observation_size(self) -> int:
        """The number of entries of a window."""
        return self.length * (self.environment.observation_size + 1)

    def windows(self, number: int = 1) -> "Windows":
        """Return empty windows of so many episodes, for policies that act outside training."""
        return Windows(number, self.length, self.environment.observation_size)


class Remembered(NamedTuple):
    """The state of an environment in JAX with its window.

    Attributes:
        state: the state of the environment.
        window: the window [L, O + 1], the oldest row first.
    """

    state: Any
    window: Float[Array, "L O_1"]


@dataclass(frozen=True)
class HistoryInJax(_History):
    """An environment in JAX whose observations are windows."""

    def reset(self, key: PRNGKey) -> tuple[Remembered, Float[Array, " O"]]:
        """Start an episode with a window that holds the first observation."""
        state, observation = self.environment.reset(key)
        empty = jnp.zeros((self.length, observation.shape[0] + 1), observation.dtype)
        window = _pushed(empty, observation)
        return Remembered(state, window), window.ravel()

    def step(self, key: PRNGKey, state: Remembered, action: Array) -> tuple[Remembered, TimeStep]:
        """Take one action; the oldest observation leaves the window."""
        following, step = self.environment.step(key, state.state, action)
        window = _pushed(state.window, step.observation)
        return Remembered(following, window), step._replace(observation=window.ravel())


def _pushed(
    window: Float[Array, "L O_1"], observation: Float[Array, " O"]
) -> Float[Array, "L O_1"]:
    """Return the window with one more observation at its end and without its first row."""
    row = jnp.concatenate([jnp.ones(1, observation.dtype), observation])
    return jnp.concatenate([window[1:], row[None]])


@dataclass(frozen=True)
class HistoryOnHost(_History, HostWrapper):
    """An environment on the host whose observations are windows."""

    def observer(self, number: int, seed: int) -> "Windows":
        """Return the windows of so many episodes."""
        del seed
        return self.windows(number)


class Windows:
    """The windows of ``M`` running episodes, in NumPy.

    Args:
        number: the number ``M`` of episodes.
        length: the number ``L`` of observations in a window.
        observation_size: the size ``O`` of an observation.
    """

    def __init__(self, number: int, length: int, observation_size: int) -> None:
        self._rows = np.zeros((number, length, observation_size + 1))

    def begin(self, observations: NumpyArray, which: NumpyArray | None = None) -> NumpyArray:
        """Start new episodes.

        Args:
            observations: the first observation of each of these episodes, [R, O].
            which: their numbers [R]; None for all ``M``.

        Returns:
            Their windows [R, L * (O + 1)].
        """
        rows = np.arange(len(self._rows)) if which is None else which
        self._rows[rows] = 0.0
        self._rows[rows, -1, 0] = 1.0
        self._rows[rows, -1, 1:] = observations
        return self._rows[rows].reshape(len(rows), -1)

    def add(self, observations: NumpyArray) -> NumpyArray:
        """Add the next observation [M, O] of every episode.

        Returns:
            All windows [M, L * (O + 1)].
        """
        self._rows[:, :-1] = self._rows[:, 1:]
        self._rows[:, -1, 0] = 1.0
        self._rows[:, -1, 1:] = observations
        return self._rows.reshape(len(self._rows), -1).copy()
