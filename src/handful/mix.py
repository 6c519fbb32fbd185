"""The one idea: what a policy is trained for, as one weight for each reward feature.

Value is linear in reward. User ``i`` wants the reward ``C[i] . f``, counts ``w[i]`` in the welfare,
and is served by policy ``j`` with the share ``alpha[i, j]``. So all users together want of policy
``j`` the reward ``mix[j] . f`` with

.. math:: mix = (\\alpha \\circ w)^T C.

So a learner needs no users: it needs the ``K`` rows of the mix. The same numbers, divided by the
number of users, are the gradient of the welfare in the policies' returns in features, so that they
also turn the returns of single episodes into the welfare of single episodes
(:mod:`handful.evaluation.by_episode`).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from handful.devices import in_full_precision
from handful.population import in_chunks
from handful.types import Array, Float, NumpyArray

LEAST_USERS = 1e-6
"""A policy that is trained for fewer users than this has a mean mix of about zero."""


class Mix(NamedTuple):
    """What each of ``K`` policies is trained for.

    Attributes:
        weights: the weight of each reward feature in each policy's reward: the sum over users of
            how much they count for the policy, times their coefficients.
        trained: how much all users together count for each policy.
    """

    weights: Float[Array, "K D"]
    trained: Float[Array, " K"]

    @classmethod
    @in_full_precision
    def of(
        cls,
        alpha: Float[Array, "N K"],
        coefficients: Float[Array, "N D"],
        user_weights: Float[Array, " N"] | None = None,
    ) -> "Mix":
        """Compute the mix of an assignment, or of some of the users of one.

        Args:
            alpha: how much each user counts for each policy. Rows need not sum to 1.
            coefficients: ``C``, each user's weight on each reward feature.
            user_weights: what each user counts in the welfare, as
                :func:`handful.welfare.user_weights` says; None if every user counts 1.
        """
        counts = alpha if user_weights is None else alpha * user_weights[:, None]
        return cls(counts.T @ coefficients, jnp.sum(counts, axis=0))

    @property
    def mean(self) -> Float[Array, "K D"]:
        """The mean over the users of each policy instead of the sum: what their mean user wants."""
        return self.weights / jnp.maximum(self.trained, LEAST_USERS)[:, None]

    def plus(self, counts: Float[Array, " K"], coefficients: Float[Array, "K D"]) -> "Mix":
        """Add one more user to each policy.

        Args:
            counts: how much the user counts for the policy; 0 adds nothing.
            coefficients: the coefficients of that user.
        """
        return Mix(self.weights + counts[:, None] * coefficients, self.trained + counts)


def mean_mix_of_policies(
    policy: NumpyArray,
    coefficients: NumpyArray,
    num_policies: int,
    user_weights: NumpyArray | None = None,
) -> NumpyArray:
    """Compute :attr:`Mix.weights` of an assignment on the host, divided by the number of users.

    It is computed in double precision, from sums by policy instead of a table of users and
    policies, so that a million users fit into memory.

    Args:
        policy: the policy of each user, [N].
        coefficients: ``C`` [N, D].
        num_policies: ``K``.
        user_weights: [N] what each user counts in the welfare; None if every user counts 1.

    Returns:
        [K, D] what one more unit of each reward feature from each policy adds to the welfare.
    """
    num_users, num_features = coefficients.shape
    total = np.zeros((num_policies, num_features))
    for users in in_chunks(num_users, num_features):
        columns = coefficients[users].T
        if user_weights is not None:
            columns = columns * user_weights[users]
        total += np.stack([np.bincount(policy[users], c, num_policies) for c in columns], axis=1)
    return total / num_users
