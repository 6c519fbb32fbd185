"""A curriculum of mixes for problems in which episodes end before anybody wants them to.

A robot that is to run at once falls before it has learnt to stand, and every step on its feet would
have paid those who want it slow. Where nobody is ever paid less than nothing, the last steps of
episodes pay less than all others, and most episodes are terminated before the time limit, an end is
a loss to all. There a universal policy begins with what everybody wants alike, and goes on to what
single users want.

The *way* to a user leads over the users between. On it a mix counts each user the less, the farther
their wishes are:

    weight = share * exp(-distance / width)

and the width shrinks from most of the largest distance to :data:`LAST_WIDTH`. A user's share makes
up for neighbours: wishes that many have count no more than others. Distances add up along chains of
users who are paid for the same outcomes (as in Isomap; Tenenbaum, de Silva and Langford 2000), so
that a mix pays the more, the nearer an outcome is to what its user wants, also where that user is
paid nothing yet.

Each way goes on only as long as policies keep their footing. After an episode that has lasted
:data:`FOOTING` of the time limit, the ways to its user and to the user's neighbours go a step on,
after any other a step back. (To pace a curriculum by what has been mastered is the idea of
automatic domain randomisation; Akkaya et al. 2019. The method ``family-em`` paces so, too.) A user
whose way is over is drawn like all users where there is no curriculum.

Where there is a curriculum, all mixes are paid alike (:meth:`Curriculum.paid`), and PPO's steps are
smaller (:data:`PACE`).
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.learner.preferences import balanced
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int

OVERLAP = 0.5
"""Two users are linked if the cosine of their rewards over outcomes is at least this."""

FIRST_WIDTH = 0.8
"""The first width of a way, as a share of the largest distance between two users."""

LAST_WIDTH = 1.0
"""The last width of a way. Two users at this distance have rewards with a cosine of a half."""

LEADING = 0.3
"""The share of training after which all ways are over, if no episode ends early."""

FOOTING = 0.8
"""The share of the time limit that an episode must last, so that the way to its user goes on."""

PACE = 0.5
"""The factor of the step size where there is a curriculum: large steps make robots fall again."""


class Curriculum(eqx.Module):
    """How far the way to each user has come.

    Attributes:
        distances: the distance between each two users.
        shares: the weight of each user on the ways of all others and on their own.
        come: the share of the way to each user that is over, from 0 to 1.
        centres: the user to whom the mix of each policy leads.
        ages: the steps of each policy's episode before the batch.
        progress: how far training had come at the update before, from 0 to 1.
        has_begun: whether there is a curriculum, also if all ways are over.
    """

    distances: Float[Array, "N N"]
    shares: Float[Array, " N"]
    come: Float[Array, " N"]
    centres: Int[Array, " K"]
    ages: Float[Array, " K"]
    progress: Float[Array, ""]
    has_begun: Bool[Array, ""]

    @classmethod
    def none(
        cls, users: Float[Array, "N D"], moment: Float[Array, "D D"], centres: Int[Array, " K"]
    ) -> "Curriculum":
        """Return a curriculum in which all ways are over.

        Args:
            users: the users' coefficients.
            moment: the second moment of the reward features of outcomes that might be met.
            centres: the user to whom the first mix of each policy leads.
        """
        products = users @ moment @ users.T
        norms = jnp.sqrt(jnp.maximum(jnp.diagonal(products), 1e-30))
        cosines = products / (norms[:, None] * norms[None])
        return cls(
            distances=chained(cosines),
            # A user is as near as can be to themselves, unless nothing pays them.
            shares=1.0 / jnp.maximum(jnp.sum(jnp.maximum(cosines, 0.0), axis=1), 1.0),
            come=jnp.ones(len(users)),
            centres=centres,
            ages=jnp.zeros(len(centres)),
            progress=jnp.zeros(()),
            has_begun=jnp.zeros((), bool),
        )

    def after(
        self,
        batch: Transitions,
        users: Float[Array, "N D"],
        progress: Float[Array, ""],
        time_limit: int,
        may_begin: Bool[Array, ""],
    ) -> "Curriculum":
        """Return the curriculum after a batch: ways lead on where policies kept their footing.

        Args:
            batch: the batch.
            users: the users' coefficients.
            progress: how far training has come, from 0 to 1.
            time_limit: the most steps of an episode.
            may_begin: whether all ways begin if the batch shows that users lose by ends.
        """
        begins = jax.lax.cond(  # the rewards of all users are computed for the first batch alone
            may_begin,
            lambda: loses_by_ends(batch, users, time_limit),
            lambda: jnp.zeros((), bool),
        )
        ends = jnp.any(batch.terminated | batch.truncated, axis=2)
        number, steps = jnp.sum(ends, axis=1), ends.shape[1]
        after = jnp.argmax(ends[:, ::-1], axis=1)  # steps after the last end
        lasted = (self.ages + steps - after) / jnp.maximum(number, 1)
        ages = jnp.where(number > 0, after, self.ages + steps)
        direction = jnp.where(lasted >= FOOTING * time_limit, 1.0, -1.0)
        near = jnp.exp(-self.distances / LAST_WIDTH)
        # So many episodes of full length end in a batch, and each takes so many ways a step on.
        episodes = len(ends) * steps / time_limit
        step = jnp.maximum(progress - self.progress, 0.0) / (LEADING * episodes * jnp.mean(near))
        moved = self.come + step * (jnp.where(number > 0, direction, 0.0) @ near[self.centres])
        # A curriculum that never began, or is over, stays so.
        is_on = jnp.any(self.come < 1.0)
        come = jnp.where(is_on, jnp.clip(moved, 0.0, 1.0), self.come)
        come = jnp.where(begins, 0.0, come)
        has_begun = self.has_begun | begins
        return dataclasses.replace(
            self, come=come, ages=ages, progress=progress, has_begun=has_begun
        )

    def paid(self, mixes: Float[Array, "M D"], moment: Float[Array, "D D"]) -> Float[Array, "M D"]:
        """Return mixes as they are paid: all of one size if there is a curriculum.

        A mix on its way is one of many users, and is paid little by any outcome. Beside mixes of
        single users, the network would learn next to nothing for it.

        Args:
            mixes: the mixes.
            moment: the second moment of the reward features of outcomes, by which sizes are taken.
        """
        return jnp.where(self.has_begun, balanced(mixes, moment), mixes)

    def led(
        self, centres: Int[Array, " M"], mixes: Float[Array, "M D"], users: Float[Array, "N D"]
    ) -> Float[Array, "M D"]:
        """Return mixes, of which those to whose user the way is not over are replaced.

        In their place are mixes on that way, as far as it has come.

        Args:
            centres: the user in the middle of each mix.
            mixes: the mixes as they are drawn without a curriculum.
            users: the users' coefficients.
        """
        come = self.come[centres]
        first = jnp.maximum(FIRST_WIDTH * jnp.max(self.distances), LAST_WIDTH)
        width = first ** (1.0 - come) * LAST_WIDTH**come
        weights = self.shares[None] * jnp.exp(-self.distances[centres] / width[:, None])
        on_way = (weights / jnp.sum(weights, axis=1, keepdims=True)) @ users
        return jnp.where((come < 1.0)[:, None], on_way, mixes)

    def following(self, is_new: Bool[Array, " K"], centres: Int[Array, " K"]) -> "Curriculum":
        """Return the curriculum with other users for some policies."""
        return dataclasses.replace(self, centres=jnp.where(is_new, centres, self.centres))


def chained(cosines: Float[Array, "N N"]) -> Float[Array, "N N"]:
    """Return the length of the shortest chain of linked users between each two.

    Where no chain leads, two users are one step between strangers farther apart than the farthest
    that a chain leads to.

    Args:
        cosines: the cosines of the users' rewards.
    """
    number = len(cosines)
    lengths = jnp.sqrt(jnp.maximum(2.0 - 2.0 * cosines, 0.0))
    direct = jnp.where(cosines >= OVERLAP, lengths, jnp.inf)
    direct = jnp.where(jnp.eye(number, dtype=bool), 0.0, direct)

    def over(by: Int[Array, ""], shortest: Float[Array, "N N"]) -> Float[Array, "N N"]:
        return jnp.minimum(shortest, shortest[:, by, None] + shortest[None, by])

    shortest = jax.lax.fori_loop(0, number, over, direct)
    is_linked = jnp.isfinite(shortest)
    farthest = jnp.max(shortest, where=is_linked, initial=0.0)
    return jnp.where(is_linked, shortest, farthest + jnp.sqrt(2.0))


def loses_by_ends(
    batch: Transitions, users: Float[Array, "N D"], time_limit: int
) -> Bool[Array, ""]:
    """Return whether users lose by the ends of episodes, and these come early.

    It is so if no user was ever paid less than nothing, less was paid for the steps that terminated
    an episode than for all others, and episodes were terminated so often that most of them will
    not reach the time limit. Where a goal pays and ends an episode, nobody loses by that.

    Args:
        batch: a batch, of policies that have not learnt anything.
        users: the users' coefficients.
        time_limit: the most steps of an episode.
    """
    rewards = batch.features @ users.T
    paid = jnp.mean(rewards, axis=-1)
    is_end = batch.terminated
    never_costs = jnp.all(rewards >= 0.0)
    pays_to_go_on = jnp.sum(paid, where=is_end) < jnp.sum(paid, where=~is_end)
    ends_early = jnp.mean(is_end) * time_limit >= 1.0
    return never_costs & pays_to_go_on & ends_early
