"""The model of the dynamics that counts of transitions give, and what policies are worth by it.

**By how much it overrates the policies that were planned with it.** A policy that is the best of a
model takes the actions that happened to turn out well when the model was made, so that the model
promises more than the policy earns (maximisation bias; Sutton & Barto, 2018, section 6.7).
Transitions that were collected after the policy was planned had no part in that choice. By the
performance difference lemma (Kakade & Langford, 2002), what the policy earns differs from what the
model says by the errors of the model's forecasts of one step, summed over the observations that the
policy comes to. So the errors on a new batch, weighted by how often the policy comes to each
observation, say by how much it is overrated (:func:`optimism_of`). All of the policy's transitions
with its likeliest action count, and no episode has to be played for it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from handful.learner.experience import Experience, symbols
from handful.transitions import Transitions
from handful.types import Array, Float, Int

PRIOR_VISITS = 5.0
"""The visits below which an action is believed to act mostly like the others there."""

SETTLED = 1e-6
"""Values are known once no sweep changes them by more than this share of the largest."""


class Model(NamedTuple):
    """The model of the dynamics that the counts give.

    Attributes:
        moves: the probability of each next observation; the missing rest ends the episode.
        features: the mean reward features of an action.
        starts: the distribution of an episode's first observation; zeros before the first is known.
        horizon: the largest number of steps of an episode.
        discount: the discount of later rewards.
    """

    moves: Float[Array, "S A S"]
    features: Float[Array, "S A D"]
    starts: Float[Array, " S"]
    horizon: int
    discount: float


def estimate(experience: Experience, horizon: int, discount: float) -> Model:
    """Return the model: the frequencies in the counts.

    While an action has few visits, its frequencies are drawn towards those of the observation's
    other actions.
    """
    visits = experience.visits[..., None].astype(jnp.float32)
    followed = experience.followed.astype(jnp.float32)
    at = jnp.maximum(jnp.sum(visits, axis=1, keepdims=True), 1.0)
    usual_moves = jnp.sum(followed, axis=1, keepdims=True) / at
    usual_features = jnp.sum(experience.features, axis=1, keepdims=True) / at
    return Model(
        (followed + PRIOR_VISITS * usual_moves) / (visits + PRIOR_VISITS),
        (experience.features + PRIOR_VISITS * usual_features) / (visits + PRIOR_VISITS),
        experience.starts / jnp.maximum(jnp.sum(experience.starts), 1),
        horizon,
        discount,
    )


def values_of(model: Model, actions: Int[Array, "K S"]) -> Float[Array, "K S D"]:
    """Return the return of each policy from each observation on, in features."""
    rows = jnp.arange(actions.shape[1])
    moves, paid = model.moves[rows, actions], model.features[rows, actions]

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        values, change, step = carry
        scale = jnp.maximum(jnp.max(jnp.abs(values)), SETTLED)
        return (step < model.horizon) & (change > SETTLED * scale)

    def sweep(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        values, _, step = carry
        new = paid + model.discount * moves @ values
        return new, jnp.max(jnp.abs(new - values)), step + 1

    start = (jnp.zeros_like(paid), jnp.asarray(jnp.inf), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(goes_on, sweep, start)[0]


def advantages_of(
    model: Model, values: Float[Array, "K S D"], mix: Float[Array, "K D"]
) -> Float[Array, "K S A"]:
    """Return how much less each action earns a policy's users than the best one: 0 or below."""
    worth = jnp.einsum("sad,kd->ksa", model.features, mix)
    after = jnp.einsum("sat,kt->ksa", model.moves, jnp.einsum("ksd,kd->ks", values, mix))
    worth += model.discount * after
    return worth - jnp.max(worth, axis=2, keepdims=True)


def visits_of(model: Model, actions: Int[Array, "K S"]) -> Float[Array, "K S"]:
    """Return how often each policy comes to each observation in an episode, by the model.

    Later visits count less, as later rewards do.
    """
    rows = jnp.arange(actions.shape[1])
    moves = model.discount * model.moves[rows, actions]

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        _, present, step = carry
        return (step < model.horizon) & (jnp.max(jnp.sum(present, axis=1)) > SETTLED)

    def move(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        visits, present, step = carry
        return visits + present, jnp.einsum("ks,kst->kt", present, moves), step + 1

    first = jnp.broadcast_to(model.starts, actions.shape)
    start = (jnp.zeros_like(first), first, jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(goes_on, move, start)[0]


def optimism_of(
    model: Model, actions: Int[Array, "K S"], batch: Transitions
) -> Float[Array, "K D"]:
    """Return by how much the model overrates an episode of each policy, in features.

    It is exact to first order in the errors of the forecasts. (To evaluate the policy in a model of
    the batch alone would be exact, but an observation that was met once and led to itself would
    then hold an episode for ever.) At an observation at which the batch has no transition with the
    policy's action, the model is believed.

    Args:
        model: the model that the policies were planned with.
        actions: the likeliest actions of the policies.
        batch: transitions that were collected later, on the scale of the model's features.
    """
    number = actions.shape[1]
    flat, rows = batch.flat(), jnp.arange(number)
    values = values_of(model, actions)
    moves, paid = model.moves[rows, actions], model.features[rows, actions]
    forecast = paid + model.discount * moves @ values
    seen, after = symbols(flat.observations, number), symbols(flat.next_observations, number)

    def met(
        actions: Array, values: Array, seen: Array, after: Array, batch: Transitions
    ) -> tuple[Array, Array]:
        """Return what one policy's own actions led to, summed by observation, and how often."""
        is_own = batch.actions == actions[seen]
        follows = jnp.where(batch.terminated[:, None], 0.0, values[after])
        earned = is_own[:, None] * (batch.features + model.discount * follows)
        return jnp.zeros_like(values).at[seen].add(earned), jnp.zeros(number).at[seen].add(is_own)

    total, count = jax.vmap(met)(actions, values, seen, after, flat)
    count = count[..., None]
    errors = jnp.where(count > 0, forecast - total / jnp.maximum(count, 1.0), 0.0)
    return jnp.einsum("ks,ksd->kd", visits_of(model, actions), errors)
