import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.errors import HandfulError
from handful.methods import FRESH, Feedback, PooledEM, Scene, make_method
from handful.methods.weights import weight_table

KEY = jax.random.key(0)
NUM_UPDATES = 2000


def scene(update, pooled, is_last=False):
    def nothing(policy, num_episodes):
        raise AssertionError("pooled EM plays no episodes of its own")

    pooled = np.asarray(pooled, float)
    return Scene(update, nothing, pooled, is_last, num_updates=800, payoffs=pooled[:0])


def test_rounds_share_the_exploring_part_of_the_budget():
    assert PooledEM(rounds=4, exploring=0.5).schedule(800, 3).interventions == (100, 200, 300, 400)
    assert PooledEM(rounds=1, exploring=0.25).schedule(800, 3).interventions == (200,)


@given(st.integers(1, 20), st.floats(0.01, 0.99), st.integers(1, 60))
def test_however_short_the_run_the_rounds_lie_within_it(rounds, exploring, num_updates):
    ends = PooledEM(rounds, exploring).schedule(num_updates, 2).interventions
    assert list(ends) == sorted(set(ends))
    assert all(0 < end < num_updates for end in ends)


def test_a_round_starts_with_fresh_policies_and_another_deal():
    method = PooledEM(rounds=3, warm_up=5, frontier=False)
    state = method.init(KEY, 6, 2)
    decision = method.intervene(jax.random.key(1), state, scene(50, np.ones((2, 6))))
    assert decision.sources.tolist() == [FRESH, FRESH]
    assert not np.array_equal(decision.state.em.served, state.em.served)
    returns = jnp.array([[1.0, 2.0]] * 6)
    waiting = method.reassign(KEY, decision.state, Feedback(returns, jnp.asarray(54), NUM_UPDATES))
    np.testing.assert_array_equal(waiting.em.served, decision.state.em.served)
    moved = method.reassign(KEY, decision.state, Feedback(returns, jnp.asarray(55), NUM_UPDATES))
    np.testing.assert_array_equal(moved.em.served, [1] * 6)


def test_after_the_last_round_em_goes_on_from_the_best_of_the_pool():
    method = PooledEM(rounds=2)
    pooled = [[5, 5, 0, 0], [1, 1, 1, 1], [0, 0, 6, 0], [0, 0, 5, 5]]
    decision = method.intervene(KEY, method.init(KEY, 4, 2), scene(100, pooled, is_last=True))
    assert sorted(decision.sources.tolist()) == [0, 3]
    served_by = decision.sources[method.weights(decision.state)]
    assert served_by.tolist() == [0, 0, 3, 3]
    # No other warm-up: the first E-step may already move users.
    returns = jnp.array([[0.0, 1.0]] * 4)
    moved = method.reassign(KEY, decision.state, Feedback(returns, jnp.asarray(100), NUM_UPDATES))
    np.testing.assert_array_equal(method.weights(moved), [1] * 4)


def test_the_rates_fall_in_every_round_and_again_at_the_end():
    schedule = PooledEM(rounds=2, exploring=0.4, final_progress=0.5).schedule(50, 3)
    progress = np.array([float(schedule.progress(jnp.asarray(u))) for u in range(50)])
    np.testing.assert_allclose(progress[[0, 9, 10, 19]], [0, 1, 0, 1])
    np.testing.assert_allclose(progress[[20, 49]], [0.5, 1])
    assert (np.diff(progress[:10]) > 0).all()
    assert (np.diff(progress[20:]) > 0).all()


POOLED = [[9, 8, 0, 0, 0, 0], [0, 0, 4, 1, 0, 0]]


def test_a_frontier_round_starts_from_whoever_serves_the_neglected_a_little():
    method = PooledEM(rounds=4)
    first = method.init(KEY, 6, 2)
    decision = method.intervene(KEY, first, scene(50, POOLED))
    assert bool(decision.state.is_frontier)
    assert sorted(decision.sources.tolist()) == [0, 1]
    np.testing.assert_allclose(decision.state.importance, [0, 1 / 9, 5 / 9, 8 / 9, 1, 1], 1e-5)
    trained = method.training_weights(decision.state)
    np.testing.assert_allclose(trained.sum(axis=1), decision.state.importance)


def test_neglect_is_a_share_whatever_the_returns_sign():
    costs = np.array([[-9.0, -1.0, -5.0], [-9.0, -4.0, -3.0]])
    decision = PooledEM().intervene(KEY, PooledEM().init(KEY, 3, 2), scene(50, costs))
    np.testing.assert_allclose(decision.state.importance, [1, 0, 0.25], rtol=1e-6)


def test_where_all_are_served_alike_there_is_no_frontier():
    decision = PooledEM().intervene(KEY, PooledEM().init(KEY, 3, 1), scene(50, np.ones((1, 3))))
    assert not decision.state.is_frontier
    np.testing.assert_array_equal(decision.state.importance, 1.0)


def rounds_of(method, pools):
    """The kinds of the rounds after each pool, as a word."""
    state, kinds = method.init(KEY, 2, 1), []
    for pool in pools:
        state = method.intervene(KEY, state, scene(10, pool)).state
        kinds.append("frontier" if state.is_frontier else "fresh")
    return kinds


def test_after_one_of_each_kind_come_rounds_of_the_kind_that_added_more():
    method = PooledEM(rounds=9)
    # Added by each round: - (fresh), 1 (frontier), 0 (fresh), 2, 0.5 and 0 (frontier).
    pool = [[2, 0], [4, 0], [4, 0], [8, 0], [9, 0], [9, 0]]
    kinds = rounds_of(method, [pool[: i + 1] for i in range(6)])
    assert kinds == ["frontier", "fresh", "frontier", "frontier", "frontier", "frontier"]
    assert rounds_of(PooledEM(rounds=9, frontier=False), [pool[:1], pool[:2]]) == ["fresh"] * 2


def test_the_third_round_is_fresh_however_much_the_second_added():
    """Each round pools several moments, and the first adds to nothing: that is no measure."""
    for pool in ([[-9, -9], [-8, -9], [-1, -2], [-1, -2]], [[1, 2], [1, 2], [8, 9], [8, 9]]):
        assert rounds_of(PooledEM(rounds=9), [pool[:2], pool]) == ["frontier", "fresh"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rounds": 0}, "at least 1 round"),
        ({"exploring": 1.0}, "above 0 and below 1"),
        ({"temperature": -0.1}, "0 or more"),
        ({"warm_up": -1}, "0 or more updates"),
        ({"final_progress": 1.5}, "final_progress is a share, from 0 to 1, not 1.5"),
    ],
)
def test_settings_that_cannot_be(settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        make_method("pooled-em", **settings)


def test_in_a_solo_round_every_policy_is_trained_for_one_user_and_nobody_moves():
    method = PooledEM(rounds=3, warm_up=0, frontier=False, solo=True)
    state = method.init(KEY, 6, 2)
    decision = method.intervene(jax.random.key(1), state, scene(50, np.ones((2, 6))))
    assert decision.sources.tolist() == [FRESH, FRESH]
    for round_, update in ((state, 0), (decision.state, 50)):
        trained = np.asarray(method.training_weights(round_))
        assert trained.sum(axis=0).tolist() == [1, 1]  # each policy by one user,
        assert trained.sum(axis=1).max() == 1  # and not by the same one
        returns = jnp.array([[1.0, 2.0]] * 6)
        later = method.reassign(
            KEY, round_, Feedback(returns, jnp.asarray(update + 40), NUM_UPDATES)
        )
        np.testing.assert_array_equal(method.training_weights(later), trained)
    assert not np.array_equal(state.em.trained, decision.state.em.trained)


@pytest.mark.parametrize("seed", range(5))
def test_in_a_solo_round_no_two_policies_are_trained_for_the_same_user(seed):
    """With as many policies as users everybody has one: drawn with replacement, hardly ever."""
    method = PooledEM(rounds=3, solo=True)
    state = method.init(jax.random.key(seed), 5, 5)
    trained = np.asarray(method.training_weights(state))
    np.testing.assert_array_equal(trained.sum(axis=0), 1)
    np.testing.assert_array_equal(trained.sum(axis=1), 1)


def test_after_solo_rounds_em_moves_users_at_once():
    method = PooledEM(rounds=2, solo=True)
    pooled = [[5, 5, 0, 0], [1, 1, 1, 1], [0, 0, 6, 0], [0, 0, 5, 5]]
    decision = method.intervene(KEY, method.init(KEY, 4, 2), scene(100, pooled, is_last=True))
    assert sorted(decision.sources.tolist()) == [0, 3]
    np.testing.assert_array_equal(
        method.training_weights(decision.state), weight_table(method.weights(decision.state), 2)
    )
    returns = jnp.array([[0.0, 1.0]] * 4)
    moved = method.reassign(KEY, decision.state, Feedback(returns, jnp.asarray(100), NUM_UPDATES))
    np.testing.assert_array_equal(method.weights(moved), [1] * 4)
