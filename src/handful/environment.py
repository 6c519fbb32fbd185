"""What an environment is: dynamics and outcomes. It knows neither users nor rewards.

An environment reports the *outcome* of each step, any pytree of arrays; the population's feature
function turns outcomes into reward features. So one environment serves any population.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp

from handful.errors import HandfulError
from handful.types import Array, Bool, Float, PRNGKey, PyTree


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
        """The nearest action inside the box, which is what an environment gets."""
        low, high = (jnp.broadcast_to(jnp.array(b), action.shape) for b in (self.low, self.high))
        return jnp.clip(action, low, high)


ActionSpace = Discrete | Box


class TimeStep(NamedTuple):
    """What one step of an environment gives.

    Attributes:
        observation: of the state that the step led to, also where the episode ended there: the
            collector resets, the environment never does, so no reset observation can leak into
            the data.
        outcome: whatever the population's feature function reads.
        terminated: the episode ended by itself: nothing can be earned after it.
        truncated: the episode was cut (a time limit); the value of the final observation counts.
    """

    observation: Float[Array, " O"]
    outcome: PyTree
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]


@runtime_checkable
class Environment(Protocol):
    """A single environment written in JAX; the library vectorises it with ``vmap``.

    Implementations are immutable and hashable (a frozen dataclass is both), so that a compiled
    program can be kept for each.
    """

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

    def reset(self, key: PRNGKey) -> tuple[Any, Float[Array, " O"]]:
        """Start an episode: its state (any pytree) and first observation."""
        ...

    def step(self, key: PRNGKey, state: Any, action: Array) -> tuple[Any, TimeStep]:
        """Take one action. Behaviour after the end of an episode is not defined."""
        ...
