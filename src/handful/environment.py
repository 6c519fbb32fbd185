"""What an environment is: dynamics and outcomes. It knows neither users nor rewards.

An environment reports the *outcome* of each step, any pytree of arrays; the population's feature
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
    """Actions ``0 .. num_actions - 1``."""

    num_actions: int

    def __post_init__(self) -> None:
        if self.num_actions < 1:
            raise HandfulError(
                f"A discrete action space needs at least one action, not {self.num_actions}."
            )


@dataclass(frozen=True)
class Box:
    """Continuous actions between ``low`` and ``high``, one entry a dimension."""

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
        """Return the nearest action inside the box, which is what an environment gets."""
        low, high = (jnp.broadcast_to(jnp.array(b), action.shape) for b in (self.low, self.high))
        return jnp.clip(action, low, high)


ActionSpace = Discrete | Box


class TimeStep(NamedTuple):
    """What one step of an environment gives.

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
    """What policies need to know of an environment, of either kind."""

    @property
    def observation_size(self) -> int:
        """The length ``O`` of an observation."""
        ...

    @property
    def action_space(self) -> ActionSpace:
        """What ``step`` takes."""
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
        """Start an episode: its state (any pytree) and first observation."""
        ...

    def step(self, key: PRNGKey, state: Any, action: Array) -> tuple[Any, TimeStep]:
        """Take one action. Behaviour after the end of an episode is not defined."""
        ...


class HostStep(NamedTuple):
    """What one step of a batch of ``M`` host environments gives, in NumPy arrays.

    The fields mean what they do in :class:`TimeStep`, with a leading axis [M]. The arrays are the
    caller's: the batch does not write to them again.
    """

    observation: NumpyArray
    outcome: PyTree
    terminated: NumpyArray
    truncated: NumpyArray


@runtime_checkable
class HostBatch(Protocol):
    """``M`` running copies of a host environment.

    An episode that ends is never restarted by itself: the caller resets it, so that no reset
    observation is taken for a final one.
    """

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes in the copies ``which`` (indices, int [R]); observations [R, O]."""
        ...

    def step(self, actions: NumpyArray) -> HostStep:
        """One action, inside the action space, in every copy: [M, A], or int [M] if discrete."""
        ...

    def close(self) -> None:
        """Free threads and memory."""
        ...


@runtime_checkable
class HasRequirements(Protocol):
    """An environment that needs packages which are imported when it is opened."""

    def check_installed(self) -> None:
        """Look whether they are there.

        Raises:
            HandfulError: naming what is missing, and how to install it.
        """
        ...


@runtime_checkable
class HostEnvironment(Interface, Protocol):
    """An environment that runs outside JAX. Implementations are immutable and hashable."""

    def outcome_shape(self) -> PyTree:
        """Return the outcome of one step of one environment, as ``jax.ShapeDtypeStruct`` leaves."""
        ...

    def open(self, num_envs: int, seed: int, num_threads: int) -> HostBatch:
        """Copies that step side by side; the same seed gives the same episodes.

        Raises:
            HandfulError: if what it needs is not installed, or cannot be had in this number.
        """
        ...


def num_symbols(environment: Interface) -> int | None:
    """Return how many different observations there are, where an environment numbers them.

    Such an environment has an attribute ``num_symbols``, and its observation is one entry: the
    number of the observation, from 0, divided by ``num_symbols``. Networks then look their first
    layer up instead of multiplying by a vector that is 0 but for one entry; with hundreds of states
    that is most of the cost of learning. On the host, where policies act in NumPy, all are plain.
    """
    if isinstance(environment, HostEnvironment):
        return None
    return getattr(environment, "num_symbols", None)


def outcome_shape(environment: Environment | HostEnvironment) -> PyTree:
    """Return the outcome of one step of one environment, as ``jax.ShapeDtypeStruct`` leaves."""
    if isinstance(environment, HostEnvironment):
        return environment.outcome_shape()
    return step_shape(environment)[1].outcome


def step_shape(environment: Environment) -> tuple[PyTree, TimeStep]:
    """Return the next state and the step's result as ``jax.ShapeDtypeStruct`` leaves."""
    key, space = jax.random.key(0), environment.action_space
    state, _ = jax.eval_shape(environment.reset, key)
    action = jnp.zeros(space.size) if isinstance(space, Box) else jnp.zeros((), jnp.int32)
    return jax.eval_shape(environment.step, key, state, action)
