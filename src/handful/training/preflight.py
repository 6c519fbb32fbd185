"""Looks at a problem before anything is written or trained."""

import jax
import jax.numpy as jnp

from handful.environment import Box
from handful.errors import HandfulError
from handful.problem import RMDP


def check_shapes(problem: RMDP) -> None:
    """Trace the environment and the reward features, without running them.

    Raises:
        HandfulError: if observations or features do not have the shape that they declare.
    """
    environment = problem.environment
    key = jax.random.key(0)
    state, observation = jax.eval_shape(environment.reset, key)
    if observation.shape != (environment.observation_size,):
        raise HandfulError(
            f"The environment's observations have shape {list(observation.shape)}, but its "
            f"observation_size says [{environment.observation_size}]."
        )
    space = environment.action_space
    action = jnp.zeros(space.size) if isinstance(space, Box) else jnp.zeros((), jnp.int32)
    _, step = jax.eval_shape(environment.step, key, state, action)
    features = jax.eval_shape(problem.population.features, step.outcome)
    if features.shape != (problem.num_features,):
        raise HandfulError(
            f"The population's feature function gives shape {list(features.shape)}, but its "
            f"coefficient table has {problem.num_features} columns, one a feature."
        )
