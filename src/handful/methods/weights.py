"""Who is served by whom, in the two forms that an assignment method may give it in.

Where every user has exactly one policy, the assignment is a whole number for each user, [N]. The
number -1 says that all policies serve the user alike. Everywhere else it is a distribution over the
policies for each user, [N, K]. A million users and 50 policies fill 200 MB as a table and 4 MB as
numbers. The functions here turn either form into what a caller needs.
"""

import jax
import jax.numpy as jnp

from handful.types import Array, Float, Int, PRNGKey

Weights = Int[Array, " N"] | Float[Array, "N K"]
"""Each user's one policy, or each user's weights of all policies."""


def weight_table(weights: Weights, num_policies: int) -> Float[Array, "N K"]:
    """Give the weights of all policies for each user, in whichever form they come.

    Args:
        weights: each user's policy [N], or a table [N, K], which is returned as it is.
        num_policies: ``K``.

    Returns:
        The table [N, K]. The row of a user with one policy is one-hot; the row of a user whom all
        policies serve alike has 1 / ``K`` everywhere.
    """
    if weights.ndim == 2:
        return weights
    rows = one_hot_assignment(weights, num_policies)
    return jnp.where(weights[:, None] < 0, 1.0 / num_policies, rows)


def likeliest_policies(weights: Weights) -> Int[Array, " N"]:
    """Give the policy that has the largest weight for each user; of equal ones the first.

    Args:
        weights: each user's policy [N], or a table [N, K].

    Returns:
        Each user's policy [N], from 0.
    """
    if weights.ndim == 2:
        return jnp.argmax(weights, axis=1)
    return jnp.maximum(weights, 0)


def handed_out(weights: Weights, num_policies: int) -> Weights:
    """Give the assignment as a run hands it out; this runs on the host, not in compiled code.

    Args:
        weights: each user's policy [N], or a table [N, K].
        num_policies: ``K``.

    Returns:
        Each user's policy [N] if everybody has one, and the table [N, K] where the method gave
        a table or all policies serve some user alike.
    """
    if weights.ndim == 1 and not bool(jnp.any(weights < 0)):
        return weights
    return weight_table(weights, num_policies)


def one_hot_assignment(policy: Int[Array, " N"], num_policies: int) -> Float[Array, "N K"]:
    """Give a table [N, K] with 1 at each user's policy; the row of a user with -1 is zero."""
    return jax.nn.one_hot(policy, num_policies)


def balanced_assignment(key: PRNGKey, num_users: int, num_policies: int) -> Int[Array, " N"]:
    """Deal the users out to the policies in random order: group sizes differ by at most one."""
    return jax.random.permutation(key, jnp.arange(num_users) % num_policies)
