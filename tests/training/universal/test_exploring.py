"""A problem with rare rewards, whose observations are never the same, is learnt by exploring."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.environment import Discrete, TimeStep

THREE = Discrete(3)


@dataclass(frozen=True)
class Ledge:
    """A way of twenty steps to the right, each of which costs something; the prize is at its end.

    Random actions come to the end in about one of a thousand episodes.
    """

    time_limit: int = 50
    observation_size: int = 2
    action_space: Discrete = THREE

    def reset(self, key):
        state = jnp.array([0.0, 0.0])
        return state, self._seen(key, state)

    def step(self, key, state, action):
        noise = 0.01 * jax.random.normal(key)
        place = jnp.clip(state[0] + 0.05 * (action - 1) + noise, 0.0, 1.0)
        after = jnp.stack([place, state[1] + 1.0])
        is_there = place >= 1.0
        outcome = jnp.stack([1.0 * is_there, -0.02 * (action == 2)])
        is_late = (after[1] >= self.time_limit) & ~is_there
        return after, TimeStep(self._seen(key, after), outcome, is_there, is_late)

    def _seen(self, key, state):
        return jnp.stack([state[0], jax.random.uniform(key)])


def welfare(explore, seed=0):
    """Return what two users earn, of whom one minds the way more than the other."""
    users = handful.Population(np.array([[1.0, 1.0], [1.0, 0.5]]))
    result = handful.train(
        handful.RMDP(Ledge(), users, discount=0.99),
        2,
        "universal",
        steps=25_000,
        preset="fast",
        seed=seed,
        method_settings={"explore": explore},
        progress=False,
    )
    return result.evaluation.welfare


@pytest.mark.slow
def test_a_prize_at_the_end_of_a_way_that_costs_is_found_by_exploring():
    """The straight way earns the users 0.6 and 0.8; who does not go earns nothing."""
    assert welfare(explore=True) > 0.5
    assert welfare(explore=False) < 0.05
