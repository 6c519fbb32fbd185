"""Small services with hand-made numbers."""

import numpy as np

from handful.service import Service


def service(assignment=(0, 1, 1), policies=("a", "b"), returns=((2.0, 0.0), (0.0, 3.0)), **more):
    """Three users of two features: the first wants one, the second the other, the third both."""
    returns = np.array(returns)
    num_policies, num_features = returns.shape
    usual = {
        "covariance": np.stack([0.01 * np.eye(num_features)] * num_policies),
        "user_ids": ("ann", "bob", "cyd"),
        "coefficients": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    }
    return Service(
        label="service",
        policies=tuple(policies),
        returns=returns,
        assignment=np.array(assignment),
        **{**usual, **more},
    )
