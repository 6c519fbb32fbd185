"""Environments of gymnax (1.0 or newer), without its rewards, which the users' rewards replace.

    environment = gymnax_environment("CartPole-v1")
    population = Population.from_function(my_rewards, num_users)
    problem = RMDP(environment, population)

The outcome of a step is everything that gymnax reports about it, and ``my_rewards`` (or the feature
function) reads it. The public step of gymnax restarts an episode within the step that ends it. Here
its inner step runs instead, which does not, so that final observations are right.
"""

import importlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.installing import install_command
from handful.environment import Box, Discrete, TimeStep
from handful.errors import HandfulError
from handful.types import Array, Float, PRNGKey


class GymnaxOutcome(NamedTuple):
    """The outcome of one step of an environment of gymnax.

    Attributes:
        observation: gymnax's observation before the step.
        action: the action that gymnax got.
        reward: gymnax's own reward.
        next_observation: the observation after the step.
        terminated: whether the episode ended by itself.
    """

    observation: Any
    action: Array
    reward: Float[Array, ""]
    next_observation: Any
    terminated: Array


@dataclass(frozen=True, eq=False)
class GymnaxEnvironment:
    """An environment with gymnax's interface. Instances are hashable by identity.

    Attributes:
        environment: an environment of gymnax.
        parameters: the parameters of the environment; by default its own.

    Raises:
        HandfulError: if the actions are neither discrete nor a box, or if episodes have no limit.
    """

    environment: Any
    parameters: Any = None

    def __post_init__(self) -> None:
        if self.parameters is None:
            object.__setattr__(self, "parameters", self.environment.default_params)
        _ = self.action_space
        if not self.time_limit >= 1:
            raise HandfulError(
                f"max_steps_in_episode of {self.environment.name} must be at least 1, not "
                f"{self.time_limit}: give parameters with a time limit."
            )

    @property
    def time_limit(self) -> int:
        """The parameter ``max_steps_in_episode``."""
        return int(self.parameters.max_steps_in_episode)

    @property
    def action_space(self) -> Discrete | Box:
        """The action space of gymnax; a box of several axes is flattened."""
        space = self.environment.action_space(self.parameters)
        if hasattr(space, "n"):
            return Discrete(int(space.n))
        if not (hasattr(space, "low") and hasattr(space, "shape")):
            raise HandfulError(
                f"The actions of {self.environment.name} are of the kind {type(space).__name__}: "
                f"handful takes discrete actions and boxes."
            )
        low, high = (
            tuple(np.broadcast_to(bound, space.shape).ravel().astype(float).tolist())
            for bound in (space.low, space.high)
        )
        if not np.isfinite([low, high]).all():
            raise HandfulError(
                f"The actions of {self.environment.name} have no bounds: give parameters with "
                f"bounds."
            )
        return Box(low, high)

    @property
    def observation_size(self) -> int:
        """The number of entries of the flattened observation."""
        observation, _ = jax.eval_shape(
            self.environment.reset_env, jax.random.key(0), self.parameters
        )
        return sum(leaf.size for leaf in jax.tree.leaves(observation))

    def reset(self, key: PRNGKey) -> tuple[Any, Float[Array, " O"]]:
        """Start an episode."""
        observation, state = self.environment.reset_env(key, self.parameters)
        return (state, observation), _flat(observation)

    def step(self, key: PRNGKey, state: Any, action: Array) -> tuple[Any, TimeStep]:
        """Take one action."""
        inner, observation = state
        if isinstance(self.action_space, Box):
            action = jnp.reshape(action, self.environment.action_space(self.parameters).shape)
        after, inner, reward, terminated, _ = self.environment.step_env(
            key, inner, action, self.parameters
        )
        terminated = jnp.asarray(terminated, bool)
        outcome = GymnaxOutcome(
            observation, jnp.asarray(action), jnp.asarray(reward, jnp.float32), after, terminated
        )
        truncated = ~terminated & self.environment.is_truncated(inner, self.parameters)
        return (inner, after), TimeStep(_flat(after), outcome, terminated, truncated)


def gymnax_environment(name: str, **settings: Any) -> GymnaxEnvironment:
    """Make one of gymnax's own environments.

    Args:
        name: the name that gymnax has for it, such as ``CartPole-v1``.
        settings: the keyword arguments of ``gymnax.make``.

    Raises:
        HandfulError: if gymnax is not installed, or has no such environment.
    """
    try:
        gymnax: Any = importlib.import_module("gymnax")
    except ModuleNotFoundError as error:
        raise HandfulError(
            f"The environment '{name}' needs gymnax ({error}): {install_command('gymnax')}."
        ) from None
    try:
        return GymnaxEnvironment(*gymnax.make(name, **settings))
    except ValueError as error:
        raise HandfulError(f"gymnax cannot make '{name}' ({error}).") from None


def _flat(observation: Any) -> Float[Array, " O"]:
    leaves = [jnp.ravel(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(observation)]
    return jnp.concatenate(leaves)
