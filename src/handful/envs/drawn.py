"""Policies that draw one of several parts at the start of an episode.

For the mean over users, it is enough that a policy does one thing well. For a welfare that cares
for those who get least it may not be: with five policies that keep five speeds, users who want the
speeds between them get nothing, whatever the five are. A policy that draws a speed at the start of
each episode gives something to all who want one of its speeds. Such policies are called *mixed* in
the literature on constrained problems (Altman, 1999), and everything that any policy can earn the
users is what policies of this kind can earn them.

Here the environment draws the number of a part at the start of each episode, one of ``M``, all
equally likely. Policies see it until the end of the episode, as a one-hot vector after the
observation. So a policy that draws is an ordinary policy of an environment that draws, and nothing
in the collectors and learners has to know of it. The method ``universal`` finds good parts
(:mod:`handful.training.universal.drawing`).

Who deploys such a policy draws a number from 0 to M - 1 when an episode starts, gives it with every
observation, and keeps it until the episode ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_kind, check_range
from handful.environment import HostEnvironment, TimeStep, num_symbols
from handful.envs.wrapper import HostWrapper, Wrapper, wrapped
from handful.errors import HandfulError
from handful.problem import RMDP, check_problem
from handful.types import Array, Float, NumpyArray, PRNGKey

MOST_PARTS = 100
"""The most parts that a policy may draw from."""

_STREAM = 0xD2A3
"""A number that goes with the seed of an environment, for its draws."""


def with_draw(problem: RMDP, parts: int) -> RMDP:
    """Return the same problem for policies that draw one of several parts for each episode.

    An observation [O] becomes [O + M]: the observation, and a one-hot vector that is the same in
    all steps of an episode and says which part was drawn.

    Args:
        problem: a problem whose environment is written in JAX or runs on the host, and whose
            observations are vectors.
        parts: the number ``M`` of parts of each policy, of which one is drawn for each episode.

    Returns:
        A problem for :func:`handful.train`. It has no name to make it by, so that a run of it is
        resumed with ``handful.resume(path, problem)``; policies of a task with a name draw, and the
        task keeps its name, by its parameter ``draw``.

    Raises:
        HandfulError: if the number of parts is not a whole number from 2 to 100, the environment
            draws already, or it numbers its observations.

    Examples:
        >>> problem = handful.with_draw(handful.make("glide"), 8)
        >>> problem.environment.parts
        8
    """
    check_problem(problem, "with_draw")
    check_kind("draw", parts, int)
    check_range("draw", parts, 2, MOST_PARTS)
    environment = problem.environment
    if num_parts(problem) > 1:
        raise HandfulError("The policies of this problem draw a part already: leave out one draw.")
    if num_symbols(environment) is not None:
        raise HandfulError(
            "This environment numbers its observations, so that they have no room for the part "
            "that was drawn: leave out the draw."
        )
    kind = DrawOnHost if isinstance(environment, HostEnvironment) else DrawInJax
    return wrapped(problem, kind(environment, parts), suited_method=None)


def num_parts(problem: RMDP) -> int:
    """Return how many parts a policy of the problem draws from; 1 if it draws nothing."""
    environment = problem.environment
    return environment.parts if isinstance(environment, _Draw) else 1


def without_draw(problem: RMDP) -> RMDP:
    """Return the problem that each part of a policy plays, which is the problem if none draws."""
    environment = problem.environment
    if not isinstance(environment, _Draw):
        return problem
    return replace(problem, environment=environment.environment)


@dataclass(frozen=True)
class _Draw(Wrapper):
    """The common part of both kinds of environments that draw.

    Attributes:
        parts: the number ``M`` of parts.
    """

    parts: int

    @property
    def observation_size(self) -> int:
        """The number of entries of an observation and of the vector after it."""
        return self.environment.observation_size + self.parts

    def read_observation(self, observation: Any) -> NumpyArray:
        """Return the vectors float32 [..., O + M] of observations, for policies that are called.

        Args:
            observation: vectors [..., O + M]; or a mapping of an ``observation``, as the
                environment gives it, and the number of the part that was drawn, as ``draw``.

        Raises:
            HandfulError: if the mapping has no such entries, or there is no such part.
        """
        if not isinstance(observation, Mapping):
            return np.asarray(observation, np.float32)
        if set(observation) != {"observation", "draw"}:
            raise HandfulError(
                f"An observation of a policy that draws is a mapping of 'observation' and 'draw', "
                f"and not of {', '.join(map(repr, observation)) or 'nothing'}."
            )
        read = getattr(self.environment, "read_observation", None)
        seen = (
            np.asarray(observation["observation"], np.float32)
            if read is None
            else read(observation["observation"])
        )
        numbers = np.asarray(observation["draw"])
        is_whole = numbers.dtype.kind in "iu" and numbers.shape == seen.shape[:-1]
        if not is_whole or not ((numbers >= 0) & (numbers < self.parts)).all():
            raise HandfulError(
                f"The part that was drawn for an episode must be a whole number from 0 to "
                f"{self.parts - 1} for each observation."
            )
        return np.concatenate([seen, np.eye(self.parts, dtype=np.float32)[numbers]], axis=-1)


class Drawn(NamedTuple):
    """The state of an environment in JAX that draws.

    Attributes:
        state: the state of the environment.
        part: the one-hot vector of the part that was drawn, [M].
    """

    state: Any
    part: Float[Array, " M"]


@dataclass(frozen=True)
class DrawInJax(_Draw):
    """An environment in JAX that draws a part for each episode."""

    def reset(self, key: PRNGKey) -> tuple[Drawn, Float[Array, " O"]]:
        """Start an episode with a part of its own."""
        state, observation = self.environment.reset(key)
        number = jax.random.randint(jax.random.fold_in(key, _STREAM), (), 0, self.parts)
        part = jax.nn.one_hot(number, self.parts, dtype=observation.dtype)
        return Drawn(state, part), jnp.concatenate([observation, part])

    def step(self, key: PRNGKey, state: Drawn, action: Array) -> tuple[Drawn, TimeStep]:
        """Take one action; the part stays."""
        following, step = self.environment.step(key, state.state, action)
        seen = jnp.concatenate([step.observation, state.part])
        return Drawn(following, state.part), step._replace(observation=seen)


@dataclass(frozen=True)
class DrawOnHost(_Draw, HostWrapper):
    """An environment on the host that draws a part for each episode."""

    def observer(self, number: int, seed: int) -> "Parts":
        """Return the parts of so many episodes."""
        return Parts(number, self.parts, seed)


class Parts:
    """The parts of ``R`` running episodes, in NumPy.

    They are dealt like cards, without replacement: of any ``M`` new episodes in a row, each part
    has one. So a mean over few episodes has hardly any noise from the draw.

    Args:
        number: the number ``R`` of episodes.
        parts: the number ``M`` of parts.
        seed: the seed of the order in which parts are dealt.
    """

    def __init__(self, number: int, parts: int, seed: int) -> None:
        self._rng = np.random.default_rng([seed, _STREAM])
        self._left = np.zeros(0, np.int64)
        self._vectors = np.eye(parts)
        self._drawn = np.zeros(number, np.int64)

    def begin(self, observations: NumpyArray, which: NumpyArray) -> NumpyArray:
        """Start new episodes.

        Args:
            observations: the first observation of each of these episodes, [n, O].
            which: their numbers [n].

        Returns:
            The observations with the parts that they were dealt, [n, O + M].
        """
        while len(self._left) < len(which):
            more = self._rng.permutation(len(self._vectors))
            self._left = np.concatenate([self._left, more])
        self._drawn[which], self._left = np.split(self._left, [len(which)])
        return self._shown(observations, self._drawn[which])

    def add(self, observations: NumpyArray) -> NumpyArray:
        """Return the next observation of every episode with its part, [R, O + M]."""
        return self._shown(observations, self._drawn)

    def _shown(self, observations: NumpyArray, drawn: NumpyArray) -> NumpyArray:
        vectors = self._vectors[drawn].astype(observations.dtype)
        return np.concatenate([observations, vectors], axis=1)
