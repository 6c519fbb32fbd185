import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.methods import ledger as ledger_module
from handful.methods.em import EMState, ExpectationMaximization
from handful.methods.ledger import ROUND, GroupFeedback, Ledger, wary

RNG = np.random.default_rng(0)
COEFFICIENTS = RNG.normal(size=(23, 3)).astype(np.float32)
SERVED = RNG.integers(4, size=23).astype(np.int32)
MEAN = RNG.normal(size=(4, 3)).astype(np.float32)


@pytest.fixture(params=[2, 5, 23], autouse=True)
def block(request, monkeypatch):
    """Twelve blocks, five, and one."""
    monkeypatch.setattr(ledger_module, "BLOCK", request.param)
    return request.param


def sums(served):
    """What a ledger has to hold, user by user."""
    users, coefficients = np.zeros(4), np.zeros((4, 3))
    for user, policy in enumerate(np.asarray(served)):
        for k in range(4):
            share = 0.25 if policy < 0 else float(policy == k)
            users[k] += share
            coefficients[k] += share * COEFFICIENTS[user]
    return users, coefficients


def assert_holds(ledger, served):
    users, coefficients = sums(served)
    np.testing.assert_allclose(ledger.total_users, users, rtol=1e-6)
    np.testing.assert_allclose(ledger.total.weights, coefficients, rtol=1e-5, atol=1e-5)


def feedback(update, mean=MEAN, seen=(True,) * 4):
    return GroupFeedback(
        jnp.asarray(mean), jnp.array(seen), jnp.asarray(COEFFICIENTS), jnp.asarray(update), 2000
    )


def turn_of(method):
    """A step of the method, compiled: its state, the ledger, the update and what policies earn."""

    @jax.jit
    def turn(state, ledger, update, mean):
        after = method.take_turn(state, ledger, feedback(update, mean))
        return after.state, after.ledger

    return turn


def test_a_ledger_holds_the_sums_of_an_assignment():
    assert_holds(Ledger.of(jnp.asarray(SERVED), jnp.asarray(COEFFICIENTS), 4), SERVED)


def test_users_whom_all_policies_serve_count_for_each_alike():
    some = np.where(np.arange(23) % 3 == 0, -1, SERVED)
    assert_holds(Ledger.of(jnp.asarray(some), jnp.asarray(COEFFICIENTS), 4), some)


def test_the_first_e_step_is_everybodys_and_later_ones_are_in_turns(block):
    method = ExpectationMaximization(warm_up=2)
    state = EMState.of(jnp.asarray(SERVED), 4)
    ledger = Ledger.of(state.served, jnp.asarray(COEFFICIENTS), 4)
    turn = turn_of(method)
    before, _ = turn(state, ledger, 1, MEAN)
    np.testing.assert_array_equal(before.served, SERVED)
    state, ledger = turn(state, ledger, 2, MEAN)
    np.testing.assert_array_equal(state.served, (COEFFICIENTS @ MEAN.T).argmax(axis=1))
    assert_holds(ledger, state.served)
    # The table turns round: after a round everybody has followed, and nobody before their turn.
    wanted, moved = (COEFFICIENTS @ -MEAN.T).argmax(axis=1), []
    for update in range(3, 3 + ROUND):
        state, ledger = turn(state, ledger, update, -MEAN)
        moved.append(int((np.asarray(state.served) == wanted).sum()))
        assert_holds(ledger, state.served)
    assert moved[-1] == 23
    if block < 5:
        assert moved[0] < 23


def test_rare_e_steps_take_turns_too():
    method = ExpectationMaximization(warm_up=0, e_step_every=2)
    state = EMState.of(jnp.asarray(SERVED), 4)
    ledger = Ledger.of(state.served, jnp.asarray(COEFFICIENTS), 4)
    turn = turn_of(method)
    state, ledger = turn(state, ledger, 0, -MEAN)
    for update in range(1, 1 + 2 * ROUND):
        after, ledger = turn(state, ledger, update, MEAN)
        if update % 2:
            np.testing.assert_array_equal(after.served, state.served)
        state = after
    np.testing.assert_array_equal(state.served, (COEFFICIENTS @ MEAN.T).argmax(axis=1))


def test_a_policy_that_nobody_chose_is_revived_by_a_user_whom_another_can_spare():
    coefficients = np.abs(COEFFICIENTS)
    worse = GroupFeedback(
        jnp.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [-9.0, -9, -9]]),
        jnp.ones(4, bool),
        jnp.asarray(coefficients),
        jnp.asarray(0),
        2000,
    )
    state = EMState.of(jnp.asarray(SERVED), 4)
    ledger = Ledger.of(state.served, jnp.asarray(coefficients), 4)
    turn = ExpectationMaximization(warm_up=0).take_turn(state, ledger, worse)
    after = turn.state
    np.testing.assert_array_equal(turn.revived, after.revived)
    assert not (np.asarray(after.served) == 3).any()
    np.testing.assert_array_equal(np.asarray(after.revived)[:3], -1)
    user = int(after.revived[3])
    group = int(after.served[user])
    assert (np.asarray(after.served) == group).sum() > 1
    table = np.asarray(ExpectationMaximization().training_weights(after))
    assert table.sum() == 24
    assert table[user, 3] == table[user, group] == 1


def test_what_nobody_has_measured_is_worth_the_worst_that_is():
    returns = jnp.array([[-3.0, 0.0, -5.0], [2.0, 0.0, 4.0]])
    seen = jnp.array([True, False, True])
    np.testing.assert_array_equal(wary(returns, seen), [[-3, -5, -5], [2, 0, 4]])
