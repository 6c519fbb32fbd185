"""Preferences as an input of a policy: which mixes are drawn, and how a mix is embedded.

A universal policy has a further input, the context: an embedding of the mix that it is rewarded for
(universal value functions: Schaul et al. 2015; conditioned multi-objective networks: Abels et al.
2019, Yang et al. 2019). With few reward features the coefficients could be the context. With one
feature for each user, as robots have, they do not show which users want nearly the same.

So the context of a mix says what the mix pays. Rewards are linear: the rewards of all users for an
outcome with the features ``f`` are ``C f``. The embedding consists of the principal components of
these rewards over the outcomes met so far, where the users are the samples, and each component has
the variance 1 over users. They follow from the coefficients and from the second moment of the
features. The embedding is linear, so that the context of a mean of users is the mean of their
contexts. It changes as other outcomes are met, and the weights of networks then change with it
(:func:`refitted`), so that the networks go on computing nearly what they did.

A mix is one user, or a *soft neighbourhood*: the mean of all users, weighted by a normal density of
their distance to one of them. Its width is drawn too, from narrower than between two users to wider
than all of them, so that policies for few and for many users are learnt alike.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.learner.networks import Conditioning
from handful.problem import RMDP
from handful.types import Array, Bool, Float, Int, PRNGKey

WIDTHS = (0.05, 2.7)
"""The narrowest and the widest neighbourhood, in median distances between two users. The widest
holds nearly all users alike."""

MOST_LANDMARKS = 1000
"""The most users whom mixes are drawn from; of more users that many are drawn once."""

LAST_EMBEDDING = 0.5
"""The share of training after which the embedding stays as it is."""

SMALLEST_VARIANCE = 1e-6
"""The share of the largest variance below which a component is left out as a rounding error."""


class Embedding(NamedTuple):
    """A linear map from mixes of preferences to contexts.

    Attributes:
        centre: the mean of the users' coefficients, which is embedded as 0.
        axes: the direction in coefficients of each entry; zero for entries that are not used.
    """

    centre: Float[Array, " D"]
    axes: Float[Array, "D Z"]

    def __call__(self, mixes: Float[Array, "M D"]) -> Float[Array, "M Z"]:
        """Embed mixes of coefficients, whose weights of users sum to 1."""
        return (mixes - self.centre[None]) @ self.axes


def embed_by_rewards(
    users: Float[Array, "N D"], moment: Float[Array, "D D"], size: int
) -> Embedding:
    """Return the embedding by the principal components of the users' rewards.

    Args:
        users: the users' coefficients.
        moment: the second moment of the reward features of the outcomes met: the mean of their
            outer products.
        size: the number ``Z`` of entries of a context.
    """
    centre = jnp.mean(users, axis=0)
    scales, directions = jnp.linalg.eigh(moment)
    # The rows of `spread` are the users, in coordinates in which distance is that of rewards.
    to_rewards = directions * jnp.sqrt(jnp.maximum(scales, 0.0))[None]
    spread = (users - centre[None]) @ to_rewards
    variances, components = jnp.linalg.eigh(spread.T @ spread / len(users))
    used = min(size, len(variances))
    largest = variances[::-1][:used]
    is_used = largest > SMALLEST_VARIANCE * jnp.maximum(variances[-1], 1e-30)
    scale = jnp.where(is_used, jax.lax.rsqrt(jnp.maximum(largest, 1e-30)), 0.0)
    axes = to_rewards @ (components[:, ::-1][:, :used] * scale[None])
    return Embedding(centre, jnp.pad(axes, ((0, 0), (0, size - used))))


def prior_moment(problem: RMDP) -> Float[Array, "D D"]:
    """Return the second moment of the reward features before any outcome is met.

    It is that of the outcomes that a policy might keep up, if the problem names any. Otherwise
    every feature counts alike, with nothing known of how they go together.
    """
    if problem.constant_outcomes is None:
        return jnp.eye(problem.num_features)
    features = jax.vmap(problem.population.features)(problem.constant_outcomes())
    return features.T @ features / len(features)


def blend_moments(prior: Float[Array, "D D"], met: Float[Array, "D D"]) -> Float[Array, "D D"]:
    """Return the moment that counts outcomes that might be met as much as those met so far.

    By the outcomes met alone, users would look alike whose rewards none of them has paid yet, and
    the policy could not look for what only some of them want.
    """
    return prior / jnp.maximum(jnp.trace(prior), 1e-30) + met / jnp.maximum(jnp.trace(met), 1e-30)


def is_embedding_due(updates: Int[Array, ""], progress: Float[Array, ""]) -> Bool[Array, ""]:
    """Return whether mixes are embedded anew before an update, by what was met so far.

    It is so after 1, 2, 4, 8 updates and so on, as the outcomes met change quickly at first, and
    no more in the second half of training.

    Args:
        updates: the number of updates done.
        progress: how far training has come, from 0 to 1.
    """
    is_power_of_two = (updates & (updates - 1)) == 0
    return is_power_of_two & (progress <= LAST_EMBEDDING)


def balanced(mixes: Float[Array, "M D"], moment: Float[Array, "D D"]) -> Float[Array, "M D"]:
    """Return mixes scaled so that their rewards are of one size, the mean size of all.

    A mix of many users who want different things is paid little by any outcome. Where one network
    serves all mixes, it would learn next to nothing for it.

    Args:
        mixes: the mixes.
        moment: the second moment of the reward features of outcomes. The size of a mix is the root
            mean square of its rewards for these outcomes.
    """
    sizes = jnp.sqrt(jnp.maximum(jnp.einsum("kd,de,ke->k", mixes, moment, mixes), 0.0))
    return mixes * (jnp.mean(sizes) / jnp.where(sizes > 0.0, sizes, 1.0))[:, None]


def refitted(
    conditioning: Conditioning, before: Float[Array, "N Z"], after: Float[Array, "N Z"]
) -> Conditioning:
    """Return a layer's conditioning for another embedding: nearest to what it computed before.

    Args:
        conditioning: the layer's part.
        before: the users' contexts by the embedding so far.
        after: their contexts by the new one.
    """
    gram = after.T @ after
    ridge = 1e-5 * jnp.trace(gram) / len(gram) + 1e-8
    moved = jnp.linalg.solve(gram + ridge * jnp.eye(len(gram)), after.T @ before)
    return eqx.tree_at(lambda c: c.weight, conditioning, moved @ conditioning.weight)


def neighbourhoods(
    centres: Int[Array, " M"],
    widths: Float[Array, " M"],
    contexts: Float[Array, "N Z"],
) -> Float[Array, "M N"]:
    """Return the weights of users in soft neighbourhoods; each row sums to 1.

    Args:
        centres: the user in the middle of each neighbourhood.
        widths: the width of each, in median distances between users.
        contexts: the contexts of all users.
    """
    squares = jnp.sum((contexts[centres][:, None] - contexts[None]) ** 2, axis=-1)
    unit = jnp.median(jnp.sqrt(squares))
    return jax.nn.softmax(-squares / (2 * (widths[:, None] * unit) ** 2 + 1e-9), axis=1)


def draw_mixes(
    key: PRNGKey,
    count: int,
    users: Float[Array, "N D"],
    embedding: Embedding,
    group_share: float,
) -> tuple[Float[Array, "M D"], Int[Array, " M"]]:
    """Draw mixes: single users, or soft neighbourhoods of users.

    Args:
        key: the random key.
        count: the number ``M`` of mixes.
        users: the users' coefficients.
        embedding: the embedding by which users are neighbours.
        group_share: the probability of a neighbourhood instead of a user.

    Returns:
        The mixes, and the user in the middle of each.
    """
    who_key, width_key, kind_key = jax.random.split(key, 3)
    centres = jax.random.randint(who_key, (count,), 0, len(users))
    low, high = jnp.log(jnp.array(WIDTHS))
    widths = jnp.exp(jax.random.uniform(width_key, (count,), minval=low, maxval=high))
    shares = neighbourhoods(centres, widths, embedding(users))
    is_group = jax.random.uniform(kind_key, (count, 1)) < group_share
    return jnp.where(is_group, shares @ users, users[centres]), centres


def landmarks(key: PRNGKey, coefficients: Float[Array, "N D"]) -> Float[Array, "M D"]:
    """Return the users whom mixes are drawn from: all, or if they are many, some of them."""
    number = len(coefficients)
    if number <= MOST_LANDMARKS:
        return coefficients
    return coefficients[jax.random.choice(key, number, (MOST_LANDMARKS,), replace=False)]
