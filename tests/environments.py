"""Probe environments: small enough that the right values and actions are known by hand.

The idea is that of rejax's tests: each isolates one thing that a learner can get wrong.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from handful.environment import Box, Discrete, TimeStep
from handful.population import Population
from handful.problem import RMDP
from handful.types import Array, Float, Int, PRNGKey

POISON = 1e6
"""In observations that must reach neither losses nor statistics."""


class Clock(NamedTuple):
    """The state of environments in which nothing but time passes."""

    steps: Int[Array, ""]


NEVER = jnp.zeros((), dtype=bool)
ALWAYS = jnp.ones((), dtype=bool)


@dataclass(frozen=True)
class ContextualBandit:
    """One step; feature ``d`` is 1 where ``(action + context) % num_arms == d``, else 0.

    The final observation is poison: the episode terminated, so nothing may look at it.
    """

    num_arms: int = 2
    time_limit: int = 1

    @property
    def observation_size(self):
        return self.num_arms

    @property
    def action_space(self):
        return Discrete(self.num_arms)

    def reset(self, key: PRNGKey):
        context = jax.random.randint(key, (), 0, self.num_arms)
        return context, jax.nn.one_hot(context, self.num_arms)

    def step(self, key: PRNGKey, state: Int[Array, ""], action: Int[Array, ""]):
        outcome = jax.nn.one_hot((action + state) % self.num_arms, self.num_arms)
        return state, TimeStep(jnp.full(self.num_arms, POISON), outcome, ALWAYS, NEVER)


@dataclass(frozen=True)
class Countdown:
    """Features (1, 2) in every one of ``length`` steps; then it terminates or is truncated.

    The one that terminates shows the time, the other one looks the same for ever.
    """

    length: int
    truncates: bool

    @property
    def time_limit(self):
        return self.length

    @property
    def observation_size(self):
        return 1 if self.truncates else self.length + 1

    @property
    def action_space(self):
        return Discrete(2)

    def reset(self, key: PRNGKey):
        state = Clock(jnp.zeros((), jnp.int32))
        return state, self.observe(state)

    def step(self, key: PRNGKey, state: Clock, action: Int[Array, ""]):
        state = Clock(state.steps + 1)
        over = state.steps >= self.length
        terminated, truncated = (NEVER, over) if self.truncates else (over, NEVER)
        return state, TimeStep(self.observe(state), jnp.array([1.0, 2.0]), terminated, truncated)

    def observe(self, state: Clock):
        return jnp.ones(1) if self.truncates else jax.nn.one_hot(state.steps, self.length + 1)


@dataclass(frozen=True)
class TwoRooms:
    """Three of four episodes start in room 0; its only step leads to room 1 and is truncated.

    The others start in room 1, whose only step pays (1, 3) and terminates. So room 1 is worth
    (1, 3) and room 0 the discount times that, but only to who bootstraps from the final
    observation: bootstrapping from the reset's gives less, and not bootstrapping nothing.
    """

    time_limit: int = 1
    observation_size: int = 2

    @property
    def action_space(self):
        return Discrete(2)

    def reset(self, key: PRNGKey):
        room = jax.random.bernoulli(key, 0.25).astype(jnp.int32)
        return room, jax.nn.one_hot(room, 2)

    def step(self, key: PRNGKey, state: Int[Array, ""], action: Int[Array, ""]):
        in_second = state == 1
        outcome = jnp.where(in_second, jnp.array([1.0, 3.0]), jnp.zeros(2))
        second = jnp.ones_like(state)
        return second, TimeStep(jax.nn.one_hot(second, 2), outcome, in_second, ~in_second)


@dataclass(frozen=True)
class Push:
    """One step with a continuous action; the outcome is the action as the environment got it.

    With a ``spread`` of zero every episode is the same, and so is what a policy earns in it.
    """

    low: tuple[float, ...] = (-1.0,)
    high: tuple[float, ...] = (1.0,)
    time_limit: int = 1
    observation_size: int = 3
    spread: float = 1.0

    @property
    def action_space(self):
        return Box(self.low, self.high)

    def reset(self, key: PRNGKey):
        observation = self.spread * jax.random.normal(key, (self.observation_size,))
        return Clock(jnp.zeros((), jnp.int32)), observation

    def step(self, key: PRNGKey, state: Clock, action: Float[Array, " A"]):
        observation = jnp.full(self.observation_size, POISON)
        return Clock(state.steps + 1), TimeStep(observation, action, ALWAYS, NEVER)


@dataclass(frozen=True)
class Weather:
    """Observations far from standard, 100 +- 5, new at every step; the outcome is the latest.

    Every number is drawn afresh, so two runs that share one share their chance.
    """

    time_limit: int = 4
    observation_size: int = 2

    @property
    def action_space(self):
        return Discrete(2)

    def reset(self, key: PRNGKey):
        return Clock(jnp.zeros((), jnp.int32)), self.draw(key)

    def step(self, key: PRNGKey, state: Clock, action: Int[Array, ""]):
        state, observation = Clock(state.steps + 1), self.draw(key)
        truncated = state.steps >= self.time_limit
        return state, TimeStep(observation, observation, NEVER, truncated)

    def draw(self, key: PRNGKey):
        return 100.0 + 5.0 * jax.random.normal(key, (self.observation_size,))


class Errand(NamedTuple):
    """The state of :class:`Errands`."""

    steps: Int[Array, ""]
    place: Float[Array, ""]


@dataclass(frozen=True)
class Errands:
    """A walk on a line with nothing in it that a fault could hide behind.

    It pays three features in every step, none of them zero. Its observations are large and of
    different sizes, so that a normaliser that has seen some changes them. Its episodes last several
    steps, are walked by the actions, and end both ways: beyond ``edge`` and at the time limit.
    """

    time_limit: int = 7
    edge: float = 2.5
    observation_size: int = 3

    @property
    def action_space(self):
        return Discrete(3)

    def reset(self, key: PRNGKey):
        state = Errand(jnp.zeros((), jnp.int32), jax.random.normal(key, ()))
        return state, self.observe(state)

    def step(self, key: PRNGKey, state: Errand, action: Int[Array, ""]):
        walked = action.astype(jnp.float32) - 1.0 + 0.3 * jax.random.normal(key, ())
        state = Errand(state.steps + 1, state.place + walked)
        outcome = jnp.stack([1.0 + state.place, 2.5 - state.place, 0.5 + state.place**2])
        terminated = jnp.abs(state.place) > self.edge
        truncated = ~terminated & (state.steps >= self.time_limit)
        return state, TimeStep(self.observe(state), outcome, terminated, truncated)

    def observe(self, state: Errand):
        steps = state.steps.astype(jnp.float32)
        return jnp.stack([100.0 + 20.0 * state.place, 5.0 * steps - 30.0, 7.0 + 0.1 * state.place])


@dataclass(frozen=True)
class Fuse:
    """Feature 1 is not a number from step ``length`` of an episode on."""

    length: int
    time_limit: int = 10_000
    observation_size: int = 1

    @property
    def action_space(self):
        return Discrete(2)

    def reset(self, key: PRNGKey):
        return Clock(jnp.zeros((), jnp.int32)), jnp.ones(1)

    def step(self, key: PRNGKey, state: Clock, action: Int[Array, ""]):
        state = Clock(state.steps + 1)
        second = jnp.where(state.steps < self.length, 1.0, jnp.nan)
        outcome = jnp.stack([jnp.ones(()), second])
        return state, TimeStep(jnp.ones(1), outcome, NEVER, state.steps >= self.time_limit)


def problem_of(environment, coefficients=None, discount: float = 0.9, **parts) -> RMDP:
    """A problem whose outcomes are its features; by default a user wants one feature each."""
    if coefficients is None:
        size = {ContextualBandit: getattr(environment, "num_arms", 2)}
        coefficients = jnp.eye(size.get(type(environment), 2))
    return RMDP(environment, Population.from_array(coefficients, **parts), discount=discount)


def errands_problem(discount: float = 0.9, return_scale: float = 20.0, **fields) -> RMDP:
    """Four users of :class:`Errands` who want different things, on a scale that is not 1."""
    wants = jnp.array([[1.0, 0.2, 0.1], [0.1, 1.0, 0.3], [-0.5, 0.4, 1.0], [0.6, -0.3, 0.2]])
    population = Population.from_array(wants)
    return RMDP(Errands(**fields), population, discount=discount, return_scale=return_scale)


def push_problem(targets: tuple[float, ...], **fields) -> RMDP:
    """Users who want the pushes to land near a target each: reward ``1 - (a - target)^2``."""
    goals = jnp.array(targets)
    population = Population.from_function(lambda a: 1.0 - (a - goals) ** 2, len(targets))
    return RMDP(Push(**fields), population, discount=0.9)


class Walk(NamedTuple):
    cue: Float[Array, ""]
    age: Int[Array, ""]


@dataclass(frozen=True)
class TMaze:
    """A corridor with a cue at its start, 1 or -1, that says where the prize is at its end.

    Observations are the cue, which is 0 after the first step, and how far along the corridor the
    policy is. At its end action 1 is right where the cue was 1, and action 0 where it was -1. The
    outcome of the last step is (1, 0) for the right side and (0, 1) for the wrong one.
    """

    corridor: int = 4
    observation_size: int = 2

    @property
    def time_limit(self):
        return self.corridor + 1

    @property
    def action_space(self):
        return Discrete(2)

    def reset(self, key: PRNGKey):
        cue = 2.0 * jax.random.bernoulli(key) - 1.0
        state = Walk(cue, jnp.zeros((), jnp.int32))
        return state, jnp.stack([cue, jnp.zeros(())])

    def step(self, key: PRNGKey, state: Walk, action: Int[Array, ""]):
        is_last = state.age == self.corridor
        is_right = (action == 1) == (state.cue > 0)
        outcome = jnp.where(is_last, jnp.stack([is_right, ~is_right]).astype(jnp.float32), 0.0)
        state = Walk(state.cue, state.age + 1)
        seen = jnp.stack([jnp.zeros(()), state.age / self.corridor])
        return state, TimeStep(seen, outcome, is_last, NEVER)
