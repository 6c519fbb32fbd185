"""The protocols of environments: dynamics and outcomes, without users or rewards.

An environment reports the *outcome* of each step, any pytree of arrays. The population's feature
function turns outcomes into reward features. So one environment serves any population.

There are two kinds: an :class:`Environment` is written in JAX and compiled together with the
policies; a :class:`HostEnvironment` is anything else (a physics engine, a simulator of the
caller's) and is stepped in batches from Python.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from handful.errors import HandfulError
from handful.types import Array, Bool, Float, NumpyArray, PRNGKey, PyTree


@dataclass(frozen=True)
class Discrete:
    """An action space of finitely many actions, numbered ``0 .. num_actions - 1``.

    Attributes:
        num_actions: the number of actions, at least 1.

    Raises:
        HandfulError: if there is no action.
    """

    num_actions: int

    def __post_init__(self) -> None:
        if self.num_actions < 1:
            raise HandfulError(
                f"A discrete action space needs at least one action, not {self.num_actions}."
            )


@dataclass(frozen=True)
class Box:
    """A space of continuous actions between ``low`` and ``high``.

    Attributes:
        low, high: the lowest and the highest value of each dimension, in the environment's units.

    Raises:
        HandfulError: if the bounds have different lengths, or a low is not below its high.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise HandfulError(
                f"A box's low and high must have the same length of at least 1, not "
                f"{len(self.low)} and {len(self.high)}."
            )
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise HandfulError("Every entry of a box's low must be below its high.")

    @property
    def size(self) -> int:
        """The number of action dimensions."""
        return len(self.low)

    def clip(self, action: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """Return the nearest action inside the box, which is the one that an environment gets."""
        low, high = (jnp.broadcast_to(jnp.array(b), action.shape) for b in (self.low, self.high))
        return jnp.clip(action, low, high)


ActionSpace = Discrete | Box


class TimeStep(NamedTuple):
    """The result of one step of an environment.

    Attributes:
        observation: the observation of the state that the step led to. This holds also at the end
            of an episode: the collector resets, the environment never does, so no reset observation
            can leak into the data.
        outcome: the pytree that the population's feature function reads.
        terminated: whether the episode ended by itself: nothing can be earned after it.
        truncated: whether the episode was cut (a time limit); the value of the final observation
            counts.
    """

    observation: Float[Array, " O"]
    outcome: PyTree
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]


@runtime_checkable
class Interface(Protocol):
    """The part of an environment, of either kind, that policies need to know."""

    @property
    def observation_size(self) -> int:
        """The length ``O`` of an observation."""
        ...

    @property
    def action_space(self) -> ActionSpace:
        """The space of the actions that ``step`` takes."""
        ...

    @property
    def time_limit(self) -> int:
        """The number of steps after which every episode has ended or is truncated."""
        ...


@runtime_checkable
class Environment(Interface, Protocol):
    """A single environment written in JAX; the library vectorises it with ``vmap``.

    Implementations are immutable and hashable (a frozen dataclass is both), so that a compiled
    program can be kept for each.
    """

    def reset(self, key: PRNGKey) -> tuple[Any, Float[Array, " O"]]:
        """Start an episode.

        Returns:
            its state (any pytree) and its first observation.
        """
        ...

    def step(self, key: PRNGKey, state: Any, action: Array) -> tuple[Any, TimeStep]:
        """Take one action. The behaviour after the end of an episode is not defined.

        Returns:
            the next state, and the result of the step.
        """
        ...


class HostStep(NamedTuple):
    """The result of one step of a batch of ``M`` host environments, in NumPy arrays.

    The fields have the same meaning as in :class:`TimeStep`, with a leading axis [M]. The arrays
    belong to the caller: the batch does not write to them again.
    """

    observation: NumpyArray
    outcome: PyTree
    terminated: NumpyArray
    truncated: NumpyArray


@runtime_checkable
class HostBatch(Protocol):
    """``M`` running copies of a host environment.

    The batch never restarts an episode that has ended: the caller resets it. So no reset
    observation is taken for a final one.
    """

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes in some of the copies.

        Args:
            which: the indices of these copies, int [R].

        Returns:
            their first observations, [R, O].
        """
        ...

    def step(self, actions: NumpyArray) -> HostStep:
        """Take one action in every copy.

        Args:
            actions: actions inside the action space, [M, A], or int [M] if they are discrete.

        Returns:
            the result of the step.
        """
        ...

    def close(self) -> None:
        """Free threads and memory."""
        ...


@runtime_checkable
class HasRequirements(Protocol):
    """An environment that needs packages which are imported when it is opened."""

    def check_installed(self) -> None:
        """Check that the packages which the environment needs are installed.

        Raises:
            HandfulError: if a package is missing; the sentence says which, and how to install it.
        """
        ...


@runtime_checkable
class HostEnvironment(Interface, Protocol):
    """An environment that runs outside JAX. Implementations are immutable and hashable."""

    def outcome_shape(self) -> PyTree:
        """Return the outcome of one step of one environment as ``jax.ShapeDtypeStruct`` leaves."""
        ...

    def open(self, num_envs: int, seed: int, num_threads: int) -> HostBatch:
        """Open copies of the environment that step side by side.

        Args:
            num_envs: the number of copies ``M``.
            seed: the seed of the copies; the same seed gives the same episodes.
            num_threads: the number of threads or processes that may step them.

        Raises:
            HandfulError: if a package is missing, or so many copies cannot be opened.
        """
        ...


def num_symbols(environment: Interface) -> int | None:
    """Return the number of different observations, or None if the environment does not number them.

    An environment that numbers its observations has an attribute ``num_symbols``. Its observation
    has one entry: the number of the observation, from 0, divided by ``num_symbols``. Networks then
    look the first layer's weights up instead of multiplying by a one-hot vector; with hundreds of
    states this product would be most of the cost of learning. The result is None for every
    environment on the host, where policies act in NumPy.
    """
    if isinstance(environment, HostEnvironment):
        return None
    return getattr(environment, "num_symbols", None)


def outcome_shape(environment: Environment | HostEnvironment) -> PyTree:
    """Return the outcome of one step of one environment as ``jax.ShapeDtypeStruct`` leaves."""
    if isinstance(environment, HostEnvironment):
        return environment.outcome_shape()
    return step_shape(environment)[1].outcome


def step_shape(environment: Environment) -> tuple[PyTree, TimeStep]:
    """Return the next state and the step's result as ``jax.ShapeDtypeStruct`` leaves."""
    key, space = jax.random.key(0), environment.action_space
    state, _ = jax.eval_shape(environment.reset, key)
    action = jnp.zeros(space.size) if isinstance(space, Box) else jnp.zeros((), jnp.int32)
    return jax.eval_shape(environment.step, key, state, action)
