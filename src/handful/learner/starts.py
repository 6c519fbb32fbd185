"""Several starts of one learner, of which the best goes on.

What a network of a robot learns first decides how well it ever moves: a body that has found a way
to slide seldom learns to run, for any user. Which way it finds is chance, and shows long before
training is over. So training begins more than once, each time with new networks and for a share
:data:`TRIAL` of it, and goes on with the start that was paid most when its trial ended. (To stop
what does badly early is the idea of successive halving; Jamieson and Talwalkar 2016.)

A start is compared by what is paid to the users in the middle of the mixes that its policies are
trained for: a curriculum may have led one start farther than another, whose mixes are then easier.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.types import Array, Float, Int, PyTree

TRIAL = 0.12
"""The share of training that each start has until they are compared."""

RATE = 0.05
"""The rate of the moving average of what a start is paid: that of about twenty updates."""

State = TypeVar("State")


class Starts(eqx.Module):
    """How far the trials of the starts have come.

    Attributes:
        number: the number of trials that are over.
        worth: the moving average of what the present start is paid.
        best: the state of the best start whose trial is over.
        best_worth: what that start was paid.
    """

    number: Int[Array, ""]
    worth: Float[Array, ""]
    best: PyTree
    best_worth: Float[Array, ""]

    @classmethod
    def begin(cls, state: PyTree) -> "Starts":
        """Return what is known before the first update.

        Args:
            state: the state of the first start.
        """
        nothing = jax.tree.map(jnp.zeros_like, state)
        return cls(jnp.zeros((), jnp.int32), jnp.zeros(()), nothing, jnp.asarray(-jnp.inf))

    def progress(self, progress: Float[Array, ""], count: int) -> Float[Array, ""]:
        """Return how far the present start has come, from 0 to 1 if it is the one that goes on.

        Args:
            progress: how far all of training has come, from 0 to 1.
            count: the number of starts.
        """
        elsewhere = TRIAL * jnp.minimum(self.number, count - 1)
        return jnp.clip((progress - elsewhere) / (1.0 - TRIAL * (count - 1)), 0.0, 1.0)

    def after(
        self,
        state: State,
        paid: Float[Array, ""],
        progress: Float[Array, ""],
        count: int,
        begin: Callable[[], State],
    ) -> tuple[State, "Starts"]:
        """Return the state of the next update and what is known of the starts then.

        Args:
            state: the state of the present start after an update.
            paid: what its users were paid in the batch of that update.
            progress: how far all of training had come before it, from 0 to 1.
            count: the number of starts.
            begin: returns the first state of another start.
        """
        worth = self.worth + RATE * (paid - self.worth)
        is_over = (self.number < count) & (progress >= TRIAL * (self.number + 1))

        def chosen() -> tuple[State, Starts]:
            is_better = worth > self.best_worth
            best = _either(is_better, state, self.best)
            has_more = self.number + 1 < count
            best_worth = jnp.maximum(worth, self.best_worth)
            known = Starts(self.number + 1, jnp.zeros(()), best, best_worth)
            return _either(has_more, begin(), best), known

        same = dataclasses.replace(self, worth=worth)
        return jax.lax.cond(is_over, chosen, lambda: (state, same))


def _either(which: Array, one: State, other: State) -> State:
    """Return one of two trees of arrays."""
    return jax.tree.map(lambda a, b: jnp.where(which, a, b), one, other)
