"""Welfare: from the users' utilities to one number, and what each user weighs in it.

A welfare function enters training only through its gradient: a user's reward counts
:math:`w_i = N \\, \\partial W / \\partial u_i` in the reward of the policy that serves them. The
factor ``N`` makes every weight 1 for the utilitarian welfare of the paper (equation 2).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from handful.types import Array, Float

WelfareFn = Callable[[Float[Array, " N"]], Float[Array, ""]]


def utilitarian(utilities: Float[Array, " N"]) -> Float[Array, ""]:
    """Mean utility over users: the paper's social welfare (equation 2) on the scale of one user."""
    return jnp.mean(utilities)


def user_weights(welfare_fn: WelfareFn, utilities: Float[Array, " N"]) -> Float[Array, " N"]:
    """What one more unit of return for each user is worth, relative to a user's even share."""
    return utilities.shape[0] * jax.grad(welfare_fn)(utilities)
