"""Random tabular r-MDPs."""

import numpy as np

from handful.exact.tabular import TabularRMDP


def random_rmdp(seed, kind, num_states=6, num_actions=3, num_users=8, discount=0.9):
    """A dense one (any state follows any, all pay) or a sparse one (a graph, few rewards)."""
    rng = np.random.default_rng(seed)
    shape = (num_states, num_actions)
    if kind == "dense":
        transitions = rng.dirichlet(np.ones(num_states), size=shape)
        rewards = rng.uniform(size=(*shape, num_users))
        start = np.full(num_states, 1 / num_states)
    else:
        transitions = np.eye(num_states)[rng.integers(num_states, size=shape)]
        is_paid = rng.uniform(size=(*shape, num_users)) < 0.15
        rewards = is_paid * rng.uniform(size=is_paid.shape)
        start = np.eye(num_states)[0]
    return TabularRMDP(transitions, rewards, np.eye(num_users), start, discount)
