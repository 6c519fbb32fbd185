"""What tests of exact solvers share."""

import numpy as np

from handful.exact.tabular import TabularRMDP, random_rmdp

__all__ = ["few_features", "random_rmdp"]


def few_features(seed, num_features, num_users=8, **sizes):
    """A dense problem whose users weigh few features, none of them with a negative weight."""
    rmdp = random_rmdp(seed, "dense", num_users=num_features, **sizes)
    weights = np.random.default_rng(seed + 1).dirichlet(np.ones(num_features), size=num_users)
    return TabularRMDP(rmdp.transitions, rmdp.features, weights, rmdp.start, rmdp.discount)
