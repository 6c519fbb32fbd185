"""By how much a counted model overrates policies, against values by hand and the truth."""

import jax.numpy as jnp
import numpy as np
import pytest

from handful.learner.counted_model import Model, optimism_of, values_of
from handful.transitions import Transitions


def batch_of(steps, number):
    """Single steps (observation, action, feature, next, terminated) of one policy."""
    before, actions, features, after, ends = (
        np.array(column) for column in zip(*steps, strict=True)
    )
    shape = (1, len(steps), 1)

    def seen(numbers):
        return jnp.reshape(jnp.asarray(numbers / number, jnp.float32), (*shape, 1))

    ended = jnp.reshape(jnp.asarray(ends, bool), shape)
    return Transitions(
        observations=seen(before),
        actions=jnp.reshape(jnp.asarray(actions), shape),
        log_probs=jnp.zeros(shape),
        features=jnp.reshape(jnp.asarray(features, jnp.float32), (*shape, -1)),
        next_observations=seen(after),
        terminated=ended,
        truncated=jnp.zeros_like(ended),
    )


def chain(horizon=9, discount=1.0):
    """Action 0 leads from 0 on to 1 for nothing, and ends the episode there for 3."""
    moves = jnp.zeros((3, 2, 3)).at[0, 0, 1].set(1.0).at[2, 0, 2].set(1.0)
    features = jnp.zeros((3, 2, 1)).at[1, 0, 0].set(3.0)
    return Model(moves, features, jnp.array([1.0, 0.0, 0.0]), horizon, discount)


ALL_ZERO = jnp.zeros((1, 3), int)

BATCH = [
    (0, 0, 0.0, 1, False),
    (0, 0, 0.0, 0, True),
    (1, 0, 1.0, 1, True),
    (1, 1, 100.0, 1, True),  # another action says nothing of the policy's own
]
"""Half of the episodes come to observation 1, which pays 1 in place of 3."""


@pytest.mark.parametrize(("discount", "expected"), [(1.0, 1.5 + 2.0), (0.5, 0.75 + 0.5 * 2.0)])
def test_what_a_batch_shows_is_missing_by_hand(discount, expected):
    """At 0 half of the 3 is missing, and at 1, where the policy comes next, 2 of 3."""
    found = optimism_of(chain(discount=discount), ALL_ZERO, batch_of(BATCH, 3))
    np.testing.assert_allclose(found, [[expected]], rtol=1e-6)


def test_where_a_batch_shows_nothing_the_model_is_believed():
    only_first = batch_of(BATCH[:2], 3)
    np.testing.assert_allclose(optimism_of(chain(), ALL_ZERO, only_first), [[1.5]], rtol=1e-6)
    others = batch_of([(0, 1, 7.0, 2, False), (2, 1, 7.0, 0, True)], 3)
    np.testing.assert_allclose(optimism_of(chain(), ALL_ZERO, others), [[0.0]], atol=1e-6)


def test_episodes_that_never_end_count_to_the_horizon():
    """A step pays 1 by the model and 0.75 by the batch, seven times."""
    model = Model(jnp.ones((1, 1, 1)), jnp.ones((1, 1, 1)), jnp.ones(1), 7, 1.0)
    batch = batch_of([(0, 0, 1.0, 0, False)] * 3 + [(0, 0, 0.0, 0, False)], 1)
    found = optimism_of(model, jnp.zeros((1, 1), int), batch)
    np.testing.assert_allclose(found, [[7 * 0.25]], rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_large_batch_shows_what_policies_earn_in_truth(seed):
    """The model forecasts each step with errors of a tenth."""
    rng = np.random.default_rng(seed)
    moves, features = 0.8 * rng.dirichlet(np.ones(4), size=(4, 2)), rng.normal(size=(4, 2, 2))
    others = 0.8 * rng.dirichlet(np.ones(4), size=(4, 2))
    truth, model = (
        Model(jnp.asarray(m, jnp.float32), jnp.asarray(f, jnp.float32), jnp.full(4, 0.25), 99, 1.0)
        for m, f in ((moves, features), (0.9 * moves + 0.1 * others, features + 0.2))
    )
    actions, steps = rng.integers(2, size=(1, 4)), []
    for before in range(4):
        action = int(actions[0, before])
        row = np.asarray(truth.moves[before, action], float)
        drawn = rng.choice(5, p=[*row, 1.0 - row.sum()], size=20_000)
        paid = np.asarray(truth.features[before, action])
        steps += [(before, action, paid, after % 4, after == 4) for after in drawn]
    chosen = jnp.asarray(actions)
    said, earned = (
        jnp.einsum("s,ksd->kd", one.starts, values_of(one, chosen)) for one in (model, truth)
    )
    found = optimism_of(model, chosen, batch_of(steps, 4))
    np.testing.assert_allclose(said - found, earned, atol=0.15)
    assert np.abs(said - earned).max() > 0.5
