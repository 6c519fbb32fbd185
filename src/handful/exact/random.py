"""Random tabular r-MDPs, to try solvers on."""

from __future__ import annotations

from typing import Literal

import numpy as np

from handful.exact.tabular import TabularRMDP

PAID = 0.15
"""Share of the rewards of a sparse problem that are not zero."""


def random_rmdp(
    seed: int,
    kind: Literal["dense", "sparse"],
    num_states: int = 6,
    num_actions: int = 3,
    num_users: int = 8,
    discount: float = 0.9,
) -> TabularRMDP:
    """A dense one (any state follows any, all actions pay) or a sparse one (a graph, few pay)."""
    rng = np.random.default_rng(seed)
    shape = (num_states, num_actions)
    if kind == "dense":
        transitions = rng.dirichlet(np.ones(num_states), size=shape)
        rewards = rng.uniform(size=(*shape, num_users))
    else:
        transitions = np.eye(num_states)[rng.integers(num_states, size=shape)]
        rewards = rng.uniform(size=(*shape, num_users))
        rewards[rng.uniform(size=rewards.shape) > PAID] = 0.0
    start = np.full(num_states, 1 / num_states)
    return TabularRMDP(transitions, rewards, np.eye(num_users), start, discount)
