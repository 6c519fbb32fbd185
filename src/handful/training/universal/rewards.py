"""A look at a problem's rewards with random actions: whether they are rare."""

from contextlib import closing

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.foreign import exits_told
from handful.collect.host_rollout import put
from handful.environment import Discrete
from handful.learner.exploring import has_rare_rewards
from handful.problem import RMDP
from handful.training.universal.survey import Copies, seen_once

LANES, STEPS = 8, 48
"""The copies of the environment that are looked at, and the steps of each."""


def shows_rare_rewards(problem: RMDP) -> bool:
    """Return whether random actions meet hardly any rewards, so that a policy should explore.

    A problem that names outcomes that can be kept up never does: contexts tell from the start what
    users want there, and whether exploring helps was not measured.

    A problem that can be made again by its name and parameters is looked at once in a process.

    Args:
        problem: the problem.
    """
    return problem.constant_outcomes is None and seen_once(problem, _meets_no_rewards)


def _meets_no_rewards(problem: RMDP) -> bool:
    """Return whether random actions hardly meet any rewards."""
    environment, rng = problem.environment, np.random.default_rng(0)
    space, ages = environment.action_space, np.zeros(LANES, int)
    with closing(Copies(problem, LANES)) as copies:
        outcomes = jax.tree.map(
            lambda leaf: np.zeros((STEPS, LANES, *leaf.shape), leaf.dtype), copies.outcome
        )
        batch = copies.begin(0)
        with exits_told("The environment failed in reset()"):
            batch.reset(np.arange(LANES))
        for step in range(STEPS):
            if isinstance(space, Discrete):
                actions = rng.integers(space.num_actions, size=LANES)
            else:
                drawn = rng.uniform(space.low, space.high, (LANES, space.size))
                actions = drawn.astype(np.float32)
            with exits_told("The environment failed in step()"):
                taken = batch.step(actions)
            put(outcomes, step, taken.outcome)
            ages += 1
            ended = taken.terminated | taken.truncated | (ages >= environment.time_limit)
            if ended.any():
                ages[ended] = 0
                with exits_told("The environment failed in reset()"):
                    batch.reset(np.flatnonzero(ended))
        features = jnp.asarray(copies.features(outcomes), jnp.float32)
    return bool(has_rare_rewards(features, jnp.asarray(problem.population.coefficients)))
