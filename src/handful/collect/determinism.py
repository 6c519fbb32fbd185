"""A test whether an environment has any randomness."""

from functools import lru_cache

import jax
import jax.numpy as jnp

from handful.environment import Discrete
from handful.problem import RMDP
from handful.types import Array, PRNGKey

EPISODES = 16
"""The number of episodes of random actions that are played twice."""

MAX_STEPS = 100
"""The most steps of each of these episodes."""


@lru_cache(maxsize=8)
def is_deterministic(problem: RMDP) -> bool:
    """Return whether the same actions always led to the same observations, rewards and ends.

    Episodes with the same random finite actions are played with different keys for the environment.
    The result is False for environments on the host and for continuous actions, which are not
    tried.
    """
    space = problem.environment.action_space
    if problem.runs_on_host or not isinstance(space, Discrete):
        return False
    steps = min(problem.environment.time_limit, MAX_STEPS)
    actions = jax.random.randint(jax.random.key(0), (EPISODES, steps), 0, space.num_actions)
    play = jax.jit(jax.vmap(lambda key, script: _play(problem, key, script)))
    one, other = (
        play(jax.random.split(jax.random.key(seed), EPISODES), actions) for seed in (1, 2)
    )
    same = jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b, equal_nan=True)), one, other)
    return all(jax.tree.leaves(same))


def _play(problem: RMDP, key: PRNGKey, actions: Array) -> tuple[Array, ...]:
    """Return what is seen and earned up to the first end, and nothing after it."""
    reset_key, steps_key = jax.random.split(key)
    state, observation = problem.jax_environment.reset(reset_key)

    def one_step(carry: tuple, inputs: tuple[PRNGKey, Array]) -> tuple[tuple, tuple[Array, ...]]:
        state, running = carry
        state, step = problem.jax_environment.step(inputs[0], state, inputs[1])
        features = problem.population.features(step.outcome)
        seen = (step.observation, features, step.terminated, step.truncated)
        seen = tuple(jnp.where(running, value, jnp.zeros_like(value)) for value in seen)
        return (state, running & ~(step.terminated | step.truncated)), seen

    keys = jax.random.split(steps_key, len(actions))
    _, seen = jax.lax.scan(one_step, (state, jnp.ones((), bool)), (keys, actions))
    return observation, *seen
