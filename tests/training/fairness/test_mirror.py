"""Mirror descent on weights: by hand, against other mixtures, and in games of known value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.training.fairness.mirror import SHARE_OF_ALL, MirrorState, nearest_shares, step_size
from handful.welfare_functions import parse_welfare

compiled = jax.jit(nearest_shares)
moved = jax.jit(MirrorState.after, static_argnums=3)


def nearest(logs, places):
    return np.asarray(compiled(jnp.asarray(logs, jnp.float32), jnp.asarray(places, jnp.float32)))


@pytest.mark.parametrize(
    ("weights", "places", "expected"),
    [
        # The egalitarian welfare allows all weights: nothing changes but the sum.
        ([1.0, 3.0, 4.0], [1, 0, 0], [1 / 8, 3 / 8, 1 / 2]),
        # The worst half of four: nobody counts more than a half, and the others share the rest.
        ([10.0, 1.0, 3.0, 1.0], [1 / 2, 1 / 2, 0, 0], [1 / 2, 1 / 10, 3 / 10, 1 / 10]),
        # The mean allows one choice only.
        ([10.0, 1.0, 3.0], [1 / 3, 1 / 3, 1 / 3], [1 / 3, 1 / 3, 1 / 3]),
        # Far apart, every user gets the weight of a place; the second and third are too near.
        ([100.0, 1.1, 0.9, 0.01], [0.4, 0.3, 0.2, 0.1], [0.4, 0.275, 0.225, 0.1]),
    ],
)
def test_nearest_weights_by_hand(weights, places, expected):
    np.testing.assert_allclose(nearest(np.log(weights), places), expected, rtol=1e-5)
    backwards = nearest(np.log(weights)[::-1], places)
    np.testing.assert_allclose(backwards, expected[::-1], rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-4, 4), min_size=5, max_size=5),
    st.lists(st.floats(0, 1), min_size=5, max_size=5),
    st.integers(0, 2**20),
)
def test_no_other_mixture_of_orders_is_nearer(logs, raw, seed):
    places = np.sort(np.asarray(raw) + 1e-3)[::-1]
    places = places / places.sum()
    shares = nearest(logs, places)
    rng = np.random.default_rng(seed)
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)
    best = np.cumsum(np.sort(shares)[::-1])
    assert (best <= np.cumsum(places) + 1e-5).all()  # it is such a mixture (Rado, 1952)

    def distance(some):
        return float(np.sum(some * (np.log(np.maximum(some, 1e-30)) - np.asarray(logs))))

    orders = np.stack([rng.permutation(places) for _ in range(30)])
    for one in [*orders, *(rng.dirichlet(np.ones(30), 20) @ orders)]:
        for near in (one, 0.9 * shares + 0.1 * one):
            assert distance(near) >= distance(shares) - 1e-5


def test_steps_by_hand():
    """The user who gets nothing gains by exp(1/2), until the other's weight is 0.01."""
    first = jnp.array([1.0, 0.0])
    after = moved(MirrorState.even(2), jnp.array([0.0, 4.0]), first, 0.5)
    grown = 1 / (1 + np.exp(-0.5))
    np.testing.assert_allclose(after.shares, [grown, 1 - grown], rtol=1e-5)
    assert float(after.spread) == 4.0
    # A smaller difference later is still measured by the largest.
    later = moved(after, jnp.array([1.0, 2.0]), first, 0.5)
    ratio = np.exp(0.5 + 0.5 / 4)
    np.testing.assert_allclose(later.shares, np.array([ratio, 1.0]) / (1 + ratio), rtol=1e-5)
    for _ in range(20):
        later = moved(later, jnp.array([0.0, 4.0]), first, 0.5)
    np.testing.assert_allclose(later.shares, [1 - SHARE_OF_ALL / 2, SHARE_OF_ALL / 2], rtol=1e-5)


def test_step_sizes_by_hand():
    """The largest entropy is log N for one user, and log 2 for the worst half."""
    assert step_size(np.eye(100)[0], 1000) == pytest.approx(np.sqrt(8 * np.log(100) / 1000))
    half = parse_welfare("cvar:0.5").place_weights(10)
    assert step_size(half, 1000) == pytest.approx(np.sqrt(8 * np.log(2) / 1000))
    assert step_size(np.full(4, 0.25), 1000) == 0.0
    assert step_size(np.eye(100)[0], 3) == 1.0


@pytest.mark.parametrize("name", ["egalitarian", "cvar:0.3", "gini", "gini:5,3,1"])
def test_regret_stays_below_its_bound(name):
    """Whatever users get: the weights lose little more than the best fixed weights."""
    welfare, rounds = parse_welfare(name), 400
    places = jnp.asarray(welfare.place_weights(6), jnp.float32)
    rng = np.random.default_rng(0)
    utilities = rng.uniform(0, 1, (rounds, 6)).astype(np.float32) * [1, 0.3, 1, 1, 1, 1]
    state, lost = MirrorState(MirrorState.even(6).logs, jnp.asarray(1.0)), 0.0
    step = step_size(np.asarray(places), rounds)
    for some in utilities:
        lost += float(np.asarray(state.shares) @ some) / rounds
        state = moved(state, jnp.asarray(some, jnp.float32), places, step)
    regret = lost - float(welfare.value(utilities.mean(axis=0)))
    entropy = step_size(np.asarray(places), rounds) ** 2 * rounds / 8
    assert regret <= np.sqrt(entropy / (2 * rounds)) + SHARE_OF_ALL


@pytest.mark.parametrize(
    ("name", "value"),
    # Three arms for two users: (1, 0), (0, 1/2), and both 0.4 each. The best mixture of the first
    # and the second gives both 1/3, so the third is the fairest; half of the weight of the Gini
    # welfare's second place is 1/4: 1/4 * 1 + 3/4 * 0 < 0.4.
    [("egalitarian", 0.4), ("gini", 0.4), ("cvar:0.5", 0.4), ("cvar:1", 0.5)],
)
def test_best_replies_to_the_weights_come_to_the_best_welfare(name, value):
    arms = np.array([[1.0, 0.0], [0.0, 0.5], [0.4, 0.4]], np.float32)
    welfare, rounds = parse_welfare(name), 600
    places = jnp.asarray(welfare.place_weights(2), jnp.float32)
    state, total, step = MirrorState.even(2), np.zeros(2), step_size(np.asarray(places), rounds)
    for _ in range(rounds):
        some = arms[(arms @ np.asarray(state.shares)).argmax()]
        total += some / rounds
        state = moved(state, jnp.asarray(some), places, step)
    assert float(welfare.value(total)) == pytest.approx(value, abs=0.05)
